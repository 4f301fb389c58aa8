"""How a system's trainings went: curves, whether the limit on epochs cut them off, the weights of the layers."""

from pathlib import Path

import numpy as np

from stages import units


def trainings(paths: list[Path]) -> dict:
    """What the model files of all parts of a system note of their units (fold and seed).

    ``units``: how many; ``capped``: how many were still improving when the limit on epochs ended them; ``curves``:
    per epoch the mean training loss and validation score over the units that reached it, and their number; ``layers``:
    names, mean weight and its standard deviation over units; ``elsewhere``: the file that the predictions came in,
    where no training of ours made them. What a recipe does not have is None.
    """
    notes = [one for path in paths for _, one in sorted(units.notes(path).items())]
    histories = [one["history"] for one in notes if "history" in one]
    weights = [one["layer weights"] for one in notes if "layer weights" in one]
    return {
        "units": len(notes),
        "capped": sum(bool(history["capped"]) for history in histories),
        "curves": _curves(histories) if histories else None,
        "layers": _layers(notes[0]["layers"], np.array(weights)) if weights else None,
        "elsewhere": notes[0].get("made elsewhere"),
    }


def _curves(histories: list[dict]) -> list[dict]:
    rows = []
    for epoch in range(max(len(history["loss"]) for history in histories)):
        reached = [history for history in histories if len(history["loss"]) > epoch]
        scores = [history["score"][epoch] for history in reached if len(history["score"]) > epoch]
        loss = float(np.mean([history["loss"][epoch] for history in reached]))
        score = float(np.mean(scores)) if scores else None
        rows.append({"epoch": epoch + 1, "loss": loss, "score": score, "units": len(reached)})
    return rows


def _layers(names: list[str], weights: np.ndarray) -> list[dict]:
    """``weights`` is [units, layers]."""
    means, spread = weights.mean(0), weights.std(0, ddof=1) if len(weights) > 1 else np.zeros(len(names))
    return [{"layer": n, "weight": float(m), "sd": float(s)} for n, m, s in zip(names, means, spread, strict=True)]
