"""Proof that what is read is what was written: digests of a file's index and of its contents.

The contents of a store are proven utterance by utterance as they are first read; the index, which says where they lie,
when the file is opened. A safetensors file's head (JSON) is preceded by its SHA-256 and holds those of the tensors.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ..runtime.errors import UserError

REMEDY = "delete it and run again"
FAULTS = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, OverflowError, MemoryError)
"""What h5py raises, by the byte that is wrong."""


def index_digest(attributes: Mapping, names: list[str], *arrays: np.ndarray) -> str:
    """SHA-256 over attributes, names of utterances and arrays (offsets, checksums) of a store."""
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in attributes.items()}
    sha256 = hashlib.sha256(json.dumps([plain, names], sort_keys=True).encode())
    for array in arrays:
        sha256.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()


def checksum(values: np.ndarray) -> int:
    """The sum of an array's bytes as little-endian words of 64 bits (the last one filled with zeros), modulo 2**64.

    A change within one word is always detected, other damage with a probability of 1 - 2**-64, swapped words never.
    At least six times as fast as CRC-32, so that writing stays near the rate of the disk.
    """
    raw = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    whole = len(raw) // 8 * 8
    total = int(raw[:whole].view("<u8").sum(dtype=np.uint64)) + int.from_bytes(raw[whole:].tobytes(), "little")
    return total % (1 << 64)


def tensors_digest(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and values of arrays, whatever their order; one is looked at at a time."""
    return digest_of((name, tensors[name]) for name in sorted(tensors))


def digest_of(named: Iterable[tuple[str, np.ndarray]]) -> str:
    """The same, of names and arrays that come in the names' order."""
    sha256 = hashlib.sha256()
    for name, values in named:
        array = np.asarray(values, order="C")
        sha256.update(f"{name}{array.dtype.str}{array.shape}".encode())
        sha256.update(array.reshape(-1).view(np.uint8))
    return sha256.hexdigest()


def sealed(head: dict) -> str:
    """JSON-able values as text that :func:`unsealed` proves."""
    text = json.dumps(head)
    return hashlib.sha256(text.encode()).hexdigest() + text


def unsealed(text: str) -> dict:
    """What :func:`sealed` was given; a ``ValueError`` where the text is another."""
    if hashlib.sha256(text[64:].encode()).hexdigest() != text[:64]:
        raise ValueError("its head is not what was written")
    return json.loads(text[64:])


def damaged(path: Path | str, what: str) -> UserError:
    """The error for a file whose part ``what`` is not as it was written."""
    return UserError(f"{path}: {what}: not the bytes that were written; {REMEDY}")
