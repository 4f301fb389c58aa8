"""Running a job's units (fold x seed) through the scratch store, and describing what they depend on."""

import hashlib
import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stages import jobs
from stages.errors import UserError
from stages.stores.scratch import Unit

Arrays = dict[str, np.ndarray]


def fingerprint(path: str | Path) -> str:
    """Digest of an input: a store by its attributes, offsets and size, any other file by its bytes."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file; run the stage that makes it (snakemake {path})")
    if path.suffix != ".h5":
        return jobs.sha256(path)
    import h5py

    try:
        with h5py.File(path, "r") as file:
            attributes = {k: str(v) for k, v in sorted(file.attrs.items())}
            offsets = file["offsets"][:].tobytes() if "offsets" in file else b""
    except OSError as fault:
        raise UserError(f"{path}: not a whole HDF5 file ({fault}); delete it and run again") from None
    text = json.dumps(attributes) + str(path.stat().st_size)
    return hashlib.sha256(text.encode() + offsets).hexdigest()


def part_of(part: str, folds: list[int]) -> list[int]:
    """The folds of a job: part ``2of5`` has every fifth one, beginning with the second."""
    index, count = (int(number) for number in part.split("of"))
    return folds[index - 1 :: count]


def run(
    stage: str,
    units: list[tuple[int, int]],
    depends: Callable[[int, int], dict],
    work: Callable[[int, int, Unit], tuple[Arrays, dict]],
    root: str | Path,
) -> dict[tuple[int, int], tuple[Arrays, dict]]:
    """Arrays and notes of every unit (fold, seed): taken from the scratch store, or worked out and put there."""
    torch_version = importlib.metadata.version("torch").split("+")[0]
    results, made = {}, 0
    for fold, seed in jobs.progress(units, stage):
        unit = Unit(stage, depends(fold, seed) | {"fold": fold, "seed": seed, "torch": torch_version}, root)
        done = unit.load()
        if done is None:
            done = work(fold, seed, unit)
            unit.save(*done)
            made += 1
        results[fold, seed] = done
    jobs.log.info("%d units: %d made, %d found in %s", len(results), made, len(results) - made, root)
    return results


def write(path: str | Path, results: dict[tuple[int, int], tuple[Arrays, dict]], keep: str) -> None:
    """All units in one safetensors file: arrays named ``keep``... as ``fold/seed/...``, notes as JSON."""
    from safetensors.numpy import save_file

    arrays = {
        f"{f}/{s}/{n.removeprefix(keep)}": a
        for (f, s), (found, _) in results.items()
        for n, a in found.items()
        if n.startswith(keep)
    }
    notes = {f"{f}/{s}": notes for (f, s), (_, notes) in results.items()}
    with jobs.writing(path) as temporary:
        save_file(
            {n: np.ascontiguousarray(a) for n, a in arrays.items()},
            temporary,
            metadata={"notes": json.dumps(notes)},
        )


def read(path: str | Path, fold: int, seed: int) -> tuple[Arrays, dict]:
    """One unit's arrays and notes from a file that :func:`write` made.

    Raises
    ------
    UserError
        The file is damaged or has no such unit.
    """
    from safetensors import SafetensorError, safe_open

    prefix = f"{fold}/{seed}/"
    try:
        with safe_open(path, "numpy") as file:
            names = file.keys()
            found = {n.removeprefix(prefix): file.get_tensor(n) for n in names if n.startswith(prefix)}
            notes = json.loads(file.metadata()["notes"])[f"{fold}/{seed}"]
    except (OSError, SafetensorError) as fault:
        raise UserError(f"{path}: not a whole safetensors file ({fault}); delete it and run again") from None
    except KeyError:
        raise UserError(f"{path}: has no fold {fold}, seed {seed}; delete it and run again") from None
    return found, notes


def notes(path: str | Path) -> dict[tuple[int, int], dict]:
    """The notes of every unit (fold, seed) in a file that :func:`write` made; only the file's head is read.

    Raises
    ------
    UserError
        The file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            found = json.loads(file.metadata()["notes"])
    except (OSError, SafetensorError) as fault:
        raise UserError(f"{path}: not a whole safetensors file ({fault}); delete it and run again") from None
    return {tuple(int(part) for part in unit.split("/")): one for unit, one in found.items()}
