"""Intervals by resampling speakers: utterances of one speaker are not independent, so speakers are the clusters.

Each metric is a function of sums of per-utterance statistics (confusion counts, moments, edit counts). Summed per
speaker once, a resampled test set is a matrix product, and a thousand of them cost milliseconds.
"""

from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np


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
    """The metric of every draw [draws], averaged over seeds; ``counts`` [draws, speakers] serve all seeds alike."""
    seeds, speakers = sums.values.shape[:2]
    rest = sums.values.shape[2:]
    flat = np.moveaxis(sums.values, 1, 0).reshape(speakers, -1).astype(np.float64)
    drawn = (counts.astype(np.float64) @ flat).reshape(len(counts), seeds, *rest)
    return sums.score(drawn).mean(1)


def percentiles(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """The central interval that holds ``confidence`` of the values (percentile bootstrap)."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def p_value(differences: np.ndarray) -> float:
    """Two-sided bootstrap p-value of no difference: twice the smaller tail beyond zero, counting one more draw."""
    below = (np.count_nonzero(differences <= 0) + 1) / (len(differences) + 1)
    above = (np.count_nonzero(differences >= 0) + 1) / (len(differences) + 1)
    return float(min(1.0, 2 * min(below, above)))


def detectable(differences: np.ndarray, confidence: float, power: float = 0.8) -> float:
    """The smallest true difference that a comparison with this spread would find with ``power`` (normal theory)."""
    normal = NormalDist()
    return float((normal.inv_cdf(0.5 + confidence / 2) + normal.inv_cdf(power)) * differences.std())


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down correction of p-values tested together, in the given order."""
    corrected = [0.0] * len(p_values)
    running = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = running
    return corrected
