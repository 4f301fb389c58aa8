"""The trainings of a system: curves, whether the limit on epochs ended them, the weights of the layers."""

from pathlib import Path

import numpy as np
from scipy.stats import t

from ..training import units


def trainings(paths: list[Path]) -> dict:
    """What the model files of all parts of a system record about their units (fold and seed).

    ``units``: how many; ``capped``: how many were still improving when the limit on epochs ended them; ``curves``:
    per epoch the mean training loss and validation score over the units that reached it, and their number; ``layers``:
    names, mean weight, its standard deviation over units and the 95 % interval of the mean (Student's t), of every
    model that a unit consists of (``of``: its dimension, empty where there is one); ``fit``: of a teacher, {``train``
    or ``val``: {dimension: ``ccc`` and ``rho`` of those rows, means over units}}; ``gates``: of a student, the
    ``rows`` of every unit and whom each dimension ``closed`` the gate on (stages/recipes/gate.py); ``elsewhere``: the
    file that the predictions came in, where no training of ours made them; ``parameters``: of the model, ``all`` and
    those ``trained``; ``unspelt``: the utterances with too few frames for CTC. What a recipe does not have is None.
    """
    notes = [one for path in paths for _, one in sorted(units.notes(path).items())]
    histories = [history for one in notes for history in _histories(one)]
    weights: dict[str, list] = {}
    for one in notes:
        found = one.get("layer weights", {})
        for name, values in (found if isinstance(found, dict) else {"": found}).items():
            weights.setdefault(name, []).append(values)
    return {
        "units": len(notes),
        "capped": sum(bool(history["capped"]) for history in histories),
        "curves": _curves(histories) if histories else None,
        "layers": [row for name, found in weights.items() for row in _layers(name, notes[0]["layers"], np.array(found))]
        or None,
        "fit": _fit([one["fit"] for one in notes if "fit" in one]),
        "gates": [{key: one["gate"][key] for key in ("rows", "closed")} for one in notes if "gate" in one] or None,
        "elsewhere": notes[0].get("made elsewhere"),
        "parameters": notes[0].get("parameters"),
        "unspelt": _unspelt([one["unspelt"] for one in notes if "unspelt" in one]),
    }


def _unspelt(found: list[list[str]]) -> list[str] | None:
    """The names of utterances that CTC could not learn in any unit, sorted."""
    return sorted(set().union(*found)) or None


def _fit(units: list[dict]) -> dict | None:
    if not units:
        return None
    return {
        part: {
            name: {key: float(np.mean([unit[part][name][key] for unit in units])) for key in ("ccc", "rho")}
            for name in units[0][part]
        }
        for part in ("train", "val")
    }


def _histories(note: dict) -> list[dict]:
    return [note["history"]] if "history" in note else list(note.get("histories", {}).values())


def _curves(histories: list[dict]) -> list[dict]:
    rows = []
    for epoch in range(max(len(history["loss"]) for history in histories)):
        reached = [history for history in histories if len(history["loss"]) > epoch]
        scores = [history["score"][epoch] for history in reached if len(history["score"]) > epoch]
        loss = float(np.mean([history["loss"][epoch] for history in reached]))
        score = float(np.mean(scores)) if scores else None
        rows.append({"epoch": epoch + 1, "loss": loss, "score": score, "units": len(reached)})
    return rows


def _layers(of: str, names: list[str], weights: np.ndarray) -> list[dict]:
    """``weights`` is [units, layers]."""
    count, means = len(weights), weights.mean(0)
    spread = weights.std(0, ddof=1) if count > 1 else np.zeros(len(names))
    half = t.ppf(0.975, count - 1) * spread / count**0.5 if count > 1 else np.full(len(names), np.nan)
    return [
        {"of": of, "layer": n, "weight": float(m), "sd": float(s)}
        | ({"low": float(m - h), "high": float(m + h)} if count > 1 else {"low": None, "high": None})
        for n, m, s, h in zip(names, means, spread, half, strict=True)
    ]
