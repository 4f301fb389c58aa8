"""The utterances that a fitted component has seen, as a bit mask that fits into the header of a model file."""

import hashlib
from collections.abc import Iterable

import numpy as np

from ..runtime.errors import UserError


def pack(seen: Iterable[str], names: list[str]) -> dict:
    """``seen`` as a mask over the corpus ``names``; utterances that are not in it are listed."""
    own = set(seen)
    strangers = sorted(own - set(names))
    mask = np.fromiter((name in own for name in names), bool, len(names))
    return {"of": _digest(names), "mask": np.packbits(mask).tobytes().hex(), "strangers": strangers}


def unpack(packed: dict, names: list[str], where: str) -> list[str]:
    """The utterances that :func:`pack` was given.

    Raises
    ------
    UserError
        The corpus has changed since.
    """
    if packed["of"] != _digest(names):
        raise UserError(f"{where}: has seen another state of the corpus; train again")
    mask = np.unpackbits(np.frombuffer(bytes.fromhex(packed["mask"]), np.uint8))[: len(names)]
    return [*packed["strangers"], *(name for name, there in zip(names, mask, strict=True) if there)]


def _digest(names: list[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
