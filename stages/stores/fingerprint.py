"""The digest that stands for an input in what a unit depends on."""

import hashlib
import json
from pathlib import Path

from ..runtime import disk
from ..runtime.errors import UserError


def fingerprint(path: str | Path) -> str:
    """Digest of an input: a store by its attributes (its index among them) and offsets, any other file by its bytes.

    So the same features have one digest in shards and in a single file.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file; run the stage that makes it (snakemake {path})")
    if path.suffix != ".h5":
        return disk.sha256(path)
    import h5py

    try:
        with h5py.File(path, "r") as file:
            attributes = {k: str(v) for k, v in sorted(file.attrs.items())}
            offsets = file["offsets"][:].tobytes() if "offsets" in file else b""
    except OSError as fault:
        raise UserError(f"{path}: not a whole HDF5 file ({fault}); delete it and run again") from None
    return hashlib.sha256(json.dumps(attributes).encode() + offsets).hexdigest()
