"""The scratch store: finished units (a fold and seed, say) and checkpoints, each under a digest of all it depends on.

Snakemake and DVC both delete a job's outputs before it runs; what lies here survives that, so that a rerun after a
kill, or with one more seed, trains only what is missing. The store is disposable: without it results are the same.
A unit is a safetensors file whose header carries its JSON notes and the digest of its arrays.
"""

import copy
import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime import disk
from ..runtime.reporting import log
from . import integrity, tensor_file

ROOT = Path("data/scratch")


class Unit:
    """One unit of work, named by the digest of ``depends``: any JSON-able description of everything it depends on."""

    def __init__(self, stage: str, depends: dict[str, Any], root: Path | str = ROOT):
        text = json.dumps(depends, sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.path = Path(root) / stage / f"{digest[:32]}.safetensors"

    def load(self) -> tuple[dict[str, np.ndarray], dict] | None:
        """Arrays and notes of a finished unit; None where there is none or it is damaged."""
        return _load(self.path)

    def stored(self) -> tuple[Mapping[str, np.ndarray], dict] | None:
        """As :meth:`load`, but the arrays stay in the file: each is read when asked for, and cannot be changed."""
        return _stored(self.path)

    def save(self, arrays: dict[str, np.ndarray], notes: dict) -> None:
        """Store the finished unit and drop its checkpoint, and all shares of it."""
        _save(self.path, arrays, notes)
        for done in [self.checkpoint, *self.path.parent.glob(f"{self.path.stem}-*")]:
            done.unlink(missing_ok=True)

    def share(self, name: str) -> "Unit":
        """A share of this unit's work, whose file and checkpoint lie beside those of the whole."""
        share = copy.copy(self)
        share.path = self.path.with_name(f"{self.path.stem}-{name}.safetensors")
        return share

    @property
    def checkpoint(self) -> Path:
        return self.path.with_suffix(".checkpoint")

    def resume(self) -> tuple[dict[str, np.ndarray], dict] | None:
        """Arrays and notes of the last checkpoint of an unfinished unit, or None."""
        return _load(self.checkpoint)

    def mark(self, arrays: dict[str, np.ndarray], notes: dict) -> None:
        """Store a checkpoint, replacing the one before."""
        _save(self.checkpoint, arrays, notes)


def _save(path: Path, arrays: dict[str, np.ndarray], notes: dict) -> None:
    from safetensors.numpy import save_file

    with disk.writing(path) as temporary:
        whole = {name: np.asarray(a, order="C") for name, a in arrays.items()}
        head = {"notes": notes, "tensors": integrity.tensors_digest(whole)}
        save_file(whole, temporary, metadata={"unit": integrity.sealed(head)})


def _stored(path: Path) -> tuple[tensor_file.Tensors, dict] | None:
    from safetensors import SafetensorError

    if not path.exists():
        return None
    try:
        arrays = tensor_file.Tensors(path)
        head = integrity.unsealed(arrays.metadata["unit"])
        if integrity.tensors_digest(arrays) != head["tensors"]:
            raise ValueError("its arrays are not what was written")
        return arrays, head["notes"]
    except (SafetensorError, KeyError, TypeError, ValueError) as fault:
        log.warning("%s: damaged (%s); that unit is made again", path, fault)
        path.unlink()
        return None


def unnamed(shape: tuple[int, ...], dtype, folder: Path | str | None) -> np.memmap:
    """An array in a file of no name in ``folder`` (None: that for temporary files); it goes with array or process.

    Raises
    ------
    UserError
        The disk cannot hold it.
    """
    folder = Path(folder or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    disk.need_space(folder, int(np.prod(shape)) * np.dtype(dtype).itemsize)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def _load(path: Path) -> tuple[dict[str, np.ndarray], dict] | None:
    found = _stored(path)
    return found and ({name: np.array(values) for name, values in found[0].items()}, found[1])
