"""Intervals by resampling speakers: utterances of one speaker are not independent, so speakers are the clusters.

Each metric is a function of sums of per-utterance statistics (confusion counts, moments, edit counts). Summed per
speaker once, a resampled test set is a matrix product, and a thousand of them cost milliseconds.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..runtime.errors import UserError

NAME = "expanded percentiles"
FEW = 50
"""With fewer test speakers, a report says how often its intervals contain the true value."""


class Sums(NamedTuple):
    """Per-speaker sums of one system and metric: ``values`` [seeds, speakers, ...] and the metric of summed ones."""

    values: np.ndarray
    score: Callable[[np.ndarray], np.ndarray]


def speaker_draws(speakers: int, draws: int, seed: int) -> np.ndarray:
    """How often each speaker is drawn [draws, speakers]: ``speakers`` times with replacement, in each draw.

    Depends on its three arguments alone, so systems that were tested on the same speakers share their draws.
    """
    return np.random.default_rng(seed).multinomial(speakers, np.full(speakers, 1 / speakers), size=draws)


def resampled(sums: Sums, counts: np.ndarray) -> np.ndarray:
    """The metric of every draw [draws], averaged over seeds; all seeds use the same ``counts`` [draws, speakers]."""
    seeds, speakers = sums.values.shape[:2]
    rest = sums.values.shape[2:]
    flat = np.moveaxis(sums.values, 1, 0).reshape(speakers, -1).astype(np.float64)
    drawn = (counts.astype(np.float64) @ flat).reshape(len(counts), seeds, *rest)
    return sums.score(drawn).mean(1)


def interval(values: np.ndarray, confidence: float, speakers: int) -> tuple[float, float]:
    """The expanded percentile interval of resampled values (Hesterberg 2015, section 3.3).

    The percentiles are further out than the nominal ones: they use the t distribution with ``speakers`` - 1 degrees of
    freedom, and correct the bootstrap's variance, which is too small by (speakers - 1) / speakers. With ten speakers
    plain percentiles cover 89 % and these 94 % (``python -m tests.bench.coverage``); with a hundred the two agree.
    """
    from scipy.special import ndtr, stdtrit

    reach = np.sqrt(speakers / (speakers - 1)) * stdtrit(speakers - 1, 0.5 + confidence / 2)
    tail = 100 * ndtr(-reach)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def error(values: np.ndarray, speakers: int) -> float:
    """The standard error from the spread of resampled values, corrected for the bootstrap's underestimation."""
    return float(values.std() * np.sqrt(speakers / (speakers - 1)))


def p_value(difference: float, differences: np.ndarray, speakers: int) -> float:
    """Two-sided p-value of no difference: Student's t over the bootstrap's :func:`error`.

    Never below 2 ** (1 - speakers), the smallest p-value of a sign-flip test with so few speakers: two speakers who
    happen to differ in the same way prove nothing.
    """
    spread = error(differences, speakers)
    if not spread and not difference:
        return 1.0
    from scipy.special import stdtr

    found = float(2 * stdtr(speakers - 1, -abs(difference) / spread)) if spread else 0.0
    return max(found, 2.0 ** (1 - speakers))


def detectable(differences: np.ndarray, confidence: float, speakers: int, power: float = 0.8) -> float:
    """The smallest true difference that a comparison with this spread would find with ``power`` (t theory)."""
    from scipy.special import stdtrit

    reach = stdtrit(speakers - 1, [0.5 + confidence / 2, power]).sum()
    return float(reach * error(differences, speakers))


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down correction of p-values tested together, in the given order."""
    corrected = [0.0] * len(p_values)
    running = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = running
    return corrected


def read_coverage(path: Path) -> list[dict]:
    """How often :func:`interval` contained the true value in simulations: rows ``metric, speakers, coverage``.

    Raises
    ------
    UserError
        There is no such table, or it is damaged.
    """
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            rows = [row for row in csv.DictReader(handle) if row["interval"] == NAME]
        return [
            {"metric": row["metric"], "speakers": int(row["speakers"]), "coverage": float(row["coverage"])}
            for row in rows
        ]
    except (OSError, KeyError, TypeError, ValueError) as fault:
        raise UserError(f"{path}: {fault!r}; restore it with 'git checkout {path}'") from None


def covered(rows: list[dict], metric: str, speakers: int) -> dict | None:
    """The simulation with the most speakers that are not more than ``speakers``; None if all have more."""
    own = sorted((row for row in rows if row["metric"] == metric), key=lambda row: row["speakers"])
    below = [row for row in own if row["speakers"] <= speakers]
    return below[-1] if below else None
