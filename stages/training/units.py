"""The units (fold x seed) of a job: computed through the scratch store, written to a file and read from it."""

import contextlib
import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..runtime import disk
from ..runtime.errors import UserError
from ..runtime.pool import side_by_side
from ..runtime.reporting import log, progress
from ..stores import integrity
from ..stores.scratch import Unit

Arrays = dict[str, np.ndarray]


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

    So many ``workers`` (processes) compute the missing units side by side, with the same results.
    """
    torch_version = importlib.metadata.version("torch").split("+")[0]
    places = {
        (fold, seed): Unit(stage, depends(fold, seed) | {"fold": fold, "seed": seed, "torch": torch_version}, root)
        for fold, seed in units
    }
    results = {unit: place.load() for unit, place in places.items()}
    missing = [unit for unit, done in results.items() if done is None]

    def make(fold: int, seed: int) -> tuple[Arrays, dict]:
        place = places[fold, seed]
        done = work(fold, seed, place)
        place.save(*done)
        return done

    workers = min(workers, len(missing))
    if workers > 1:
        for unit in progress(side_by_side(make, missing, workers), stage, len(missing)):
            results[unit] = places[unit].load()
    else:
        for unit in progress(missing, stage):
            results[unit] = make(*unit)
    log.info("%d units: %d made, %d found in %s", len(units), len(missing), len(units) - len(missing), root)
    return results


def write(
    path: str | Path, results: dict[tuple[int, int], tuple[Arrays, dict]], keep: str, about: dict | None = None
) -> None:
    """Write all units to one safetensors file.

    Of the arrays those whose names begin with ``keep`` are kept, as ``fold/seed/...``; the notes stand in the head as
    JSON, beside ``about``, which holds for all units.
    """
    from safetensors.numpy import save_file

    arrays = {
        f"{f}/{s}/{n.removeprefix(keep)}": a
        for (f, s), (unit_arrays, _) in results.items()
        for n, a in unit_arrays.items()
        if n.startswith(keep)
    }
    arrays = {n: np.asarray(a, order="C") for n, a in arrays.items()}
    notes = {f"{f}/{s}": notes for (f, s), (_, notes) in results.items()}
    digests = {unit: integrity.tensors_digest(_of_unit(arrays, unit)) for unit in notes}
    head = {"about": about or {}, "notes": notes, "digests": digests}
    with disk.writing(path) as temporary:
        save_file(arrays, temporary, metadata={"units": integrity.sealed(head)})  # several keys: in random order


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
