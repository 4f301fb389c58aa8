"""The units (fold x seed) of a job: computed through the scratch store, written to a file and read from it."""

import contextlib
import importlib.metadata
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..runtime import disk
from ..runtime.errors import UserError
from ..runtime.pool import side_by_side
from ..runtime.reporting import log, progress
from ..stores import integrity, tensor_file
from ..stores.scratch import Unit
from . import economy

Arrays = Mapping[str, np.ndarray]
MEASURED = "measured"
"""The note of what a unit took when it was made; the only one that a second run does not repeat."""


def part_of(part: str, folds: list[int]) -> list[int]:
    """The folds of a job: part ``2of5`` has every fifth fold, beginning with the second."""
    index, count = (int(number) for number in part.split("of"))
    return folds[index - 1 :: count]


def run(
    stage: str,
    units: list[tuple[int, int]],
    depends: Callable[[int, int], dict],
    work: Callable[[int, int, Unit], tuple[Arrays, dict]],
    root: str | Path,
    workers: int = 1,
) -> dict[tuple[int, int], tuple[Arrays, dict]]:
    """Arrays and notes of every unit (fold, seed): taken from the scratch store, or computed and put there.

    The arrays stay in the store and are read one by one when asked for, so memory does not grow with the number of
    units. So many ``workers`` (processes) compute the missing units side by side, with the same results. The notes get
    what a unit took, as :data:`MEASURED`.
    """
    torch_version = importlib.metadata.version("torch").split("+")[0]
    places = {
        (fold, seed): Unit(stage, depends(fold, seed) | {"fold": fold, "seed": seed, "torch": torch_version}, root)
        for fold, seed in units
    }
    missing = [unit for unit, place in places.items() if place.stored() is None]

    def make(fold: int, seed: int) -> None:
        economy.peak_memory(anew=True)
        arrays, notes = work(fold, seed, places[fold, seed])
        peak = economy.peak_memory()
        places[fold, seed].save(arrays, notes | {MEASURED: {"peak memory, MB": peak}})
        batch = f"effective batch {notes['effective batch']}, " if "effective batch" in notes else ""
        log.info("fold %d, seed %d: %speak memory %s MB", fold, seed, batch, peak)

    workers = min(workers, len(missing))
    if workers > 1:
        for _ in progress(side_by_side(make, missing, workers), stage, len(missing)):
            pass
    else:
        for unit in progress(missing, stage):
            make(*unit)
    log.info("%d units: %d made, %d found in %s", len(units), len(missing), len(units) - len(missing), root)
    return {unit: place.stored() for unit, place in places.items()}


def write(
    path: str | Path, results: Mapping[tuple[int, int], tuple[Arrays, dict]], keep: str, about: dict | None = None
) -> None:
    """Write all units to one safetensors file, array by array.

    Of the arrays those whose names begin with ``keep`` are kept, as ``fold/seed/...``; the notes stand in the head as
    JSON, beside ``about``, which holds for all units. :data:`MEASURED` is left out: it differs from run to run.
    """
    kept = {
        f"{f}/{s}/{name.removeprefix(keep)}": (arrays, name)
        for (f, s), (arrays, _) in results.items()
        for name in arrays
        if name.startswith(keep)
    }
    notes = {f"{f}/{s}": {k: v for k, v in n.items() if k != MEASURED} for (f, s), (_, n) in results.items()}

    def head(digests: dict[str, str]) -> dict[str, str]:  # one key: safetensors writes several in random order
        return {"units": integrity.sealed({"about": about or {}, "notes": notes, "digests": digests})}

    with disk.writing(path) as temporary:
        file = tensor_file.Writer(temporary, kept, head(dict.fromkeys(notes, "0" * 64)))
        digests = {}
        for unit in notes:
            prefix = f"{unit}/"
            names = sorted(name for name in kept if name.startswith(prefix))
            digests[unit] = integrity.digest_of((name.removeprefix(prefix), file.put(name)) for name in names)
        file.close(head(digests))


def _of_unit(arrays: Arrays, unit: str) -> Arrays:
    return {n.removeprefix(f"{unit}/"): a for n, a in arrays.items() if n.startswith(f"{unit}/")}


def read(path: str | Path, fold: int, seed: int) -> tuple[Arrays, dict]:
    """One unit's arrays and notes from a file that :func:`write` made.

    Raises
    ------
    UserError
        The file is damaged or has no such unit.
    """
    unit = f"{fold}/{seed}"
    with _opened(path) as (file, head):
        if unit not in head["notes"]:
            raise UserError(f"{path}: has no fold {fold}, seed {seed}; delete it and run again")
        names = file.keys()  # the handle itself cannot be iterated
        arrays = _of_unit({n: file.get_tensor(n) for n in names if n.startswith(f"{unit}/")}, unit)
        if integrity.tensors_digest(arrays) != head["digests"][unit]:
            raise integrity.damaged(path, f"fold {fold}, seed {seed}")
        return arrays, head["notes"][unit]


def notes(path: str | Path) -> dict[tuple[int, int], dict]:
    """The notes of every unit (fold, seed) in a file that :func:`write` made; only the file's head is read.

    Raises
    ------
    UserError
        The file is damaged.
    """
    with _opened(path) as (_, head):
        return {tuple(map(int, unit.split("/"))): unit_notes for unit, unit_notes in head["notes"].items()}


def about(path: str | Path) -> dict:
    """The ``about`` that :func:`write` was given; a :class:`UserError` where the file is damaged."""
    with _opened(path) as (_, head):
        return head["about"]


@contextlib.contextmanager
def _opened(path: str | Path):
    """The open file and its head."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            yield file, integrity.unsealed(file.metadata()["units"])
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the study that makes it") from None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as fault:
        raise UserError(f"{path}: not a whole safetensors file ({fault}); delete it and run again") from None
