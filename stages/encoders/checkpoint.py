"""A whole encoder as one safetensors file: weights, and in the header configuration, vocabulary and notes as JSON.

Header and weights carry their SHA-256: a file that was damaged later is refused.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from ..runtime import disk
from ..runtime.errors import UserError
from ..stores import integrity


def config_json(config) -> dict:
    """All values of a transformers configuration, defaults written out, nothing that names a machine."""
    values = json.loads(config.to_json_string(use_diff=False))
    return {k: v for k, v in values.items() if k not in ("_name_or_path", "transformers_version", "dtype")}


def save(path: Path | str, state: dict, header: dict, half: bool = False) -> None:
    """Write tensors and a header of JSON-able values; ``half`` keeps floating-point tensors in float16."""
    import torch
    from safetensors.torch import save_file

    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    if half:
        tensors = {name: value.half() if value.dtype == torch.float32 else value for name, value in tensors.items()}
    head = header | {"tensors": _digest(tensors)}
    metadata = {"encoder": integrity.sealed(head)}  # one key: safetensors writes several in random order
    with disk.writing(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def header(path: Path | str) -> dict:
    """The header of a file that :func:`save` made: ``config``, ``notes`` and what else it holds.

    Raises
    ------
    UserError
        The file is absent, damaged or something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            return integrity.unsealed((file.metadata() or {})["encoder"])
    except (OSError, SafetensorError, KeyError, ValueError) as fault:
        raise UserError(f"{path}: not an encoder made by this pipeline ({fault}); delete it and run again") from None


def trainings(notes: dict) -> Iterator[dict]:
    """The notes of an encoder's last training, then of the one that this started from, and so on."""
    while notes:
        yield notes
        notes = notes.get("start", {}).get("notes", {})


def sentence_digest(text: str) -> str:
    """The digest by which an encoder's file lists a sentence: 16 hexadecimal digits of SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tensors(path: Path | str) -> dict:
    """The weights of such a file as torch tensors; a :class:`UserError` where they are not what was written."""
    from safetensors.torch import load_file

    wanted, weights = header(path)["tensors"], load_file(path)
    if _digest(weights) != wanted:
        raise integrity.damaged(path, "its weights")
    return weights


def _digest(tensors: dict) -> str:
    import torch

    return integrity.tensors_digest({name: t.reshape(-1).view(torch.uint8).numpy() for name, t in tensors.items()})


def fill(model, state: dict, path: Path | str) -> None:
    """Load ``state`` into ``model``; a missing, unexpected or misshapen tensor is an error that names it."""
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    wrong = sorted(
        [f"missing {n}" for n in shapes.keys() - state.keys()]
        + [f"unexpected {n}" for n in state.keys() - shapes.keys()]
        + [f"shape of {n}" for n in shapes.keys() & state.keys() if shapes[n] != state[n].shape]
    )
    if wrong:
        raise UserError(f"{path}: weights do not fit the configuration: {', '.join(wrong[:5])}; make it anew")
    model.load_state_dict(state)
