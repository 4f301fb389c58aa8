"""Ceilings: how well an oracle does that sees the planted cues themselves, by voice, by words and by both.

The oracle knows the generative process. It learns, from a large sample drawn by the same process without synthesis,
the joint Gaussian of (heard emotion, cues) of plain and of contradictory utterances; the posterior of what was heard
is then a mixture of two Gaussians in closed form. Simulated raters on draws from it give the expected label and the
probability of each class, whose decisions are scored on the corpus' own utterances and (noisy) labels.
"""

from dataclasses import dataclass

import numpy as np

from . import raters
from .couplings import DIMENSIONS
from .latents import generator

SAMPLE = 20_000
"""Simulated utterances that the oracle learns from."""
TUNING = 2_000
"""Of these, the ones on which its decision rules are chosen."""
DRAWS = 200
"""Draws from the posterior of each utterance."""

MERGED = np.array([0, 1, 1, 2, 3])
"""From :data:`raters.CLASSES` to angry, happy (with excited), neutral, sad."""


@dataclass(frozen=True)
class _Part:
    weight: float
    mean: np.ndarray
    offset: np.ndarray
    slope: np.ndarray
    root: np.ndarray
    precision: np.ndarray
    logdet: float


def _fit(heard: np.ndarray, cues: np.ndarray, contradicts: np.ndarray) -> list[_Part]:
    parts = []
    for flag in (False, True):
        mine = contradicts == flag
        if not mine.any():
            continue
        joint = np.cov(np.hstack([heard[mine], cues[mine]]).T)
        precision = np.linalg.inv(joint[3:, 3:])
        slope = precision @ joint[3:, :3]
        mean = cues[mine].mean(0)
        rest = joint[:3, :3] - joint[:3, 3:] @ slope
        logdet = np.linalg.slogdet(joint[3:, 3:])[1]
        offset = heard[mine].mean(0) - mean @ slope
        parts.append(_Part(mine.mean(), mean, offset, slope, np.linalg.cholesky(rest), precision, logdet))
    return parts


def _expect(parts: list[_Part], cues: np.ndarray, biases: np.ndarray, rng) -> tuple[np.ndarray, np.ndarray]:
    """The expected ratings [count, 3] and the probabilities [count, 4] of the merged classes, given agreement."""
    logs = []
    for part in parts:
        away = cues - part.mean
        logs.append(np.log(part.weight) - 0.5 * (part.logdet + ((away @ part.precision) * away).sum(1)))
    from scipy.special import softmax

    odds = softmax(np.stack(logs, 1), axis=1)
    ratings, classes = [], []
    for start in range(0, len(cues), 500):
        block = slice(start, start + 500)
        count = len(cues[block])
        noise = rng.standard_normal((count, DRAWS, 3))
        second = (rng.random((count, DRAWS)) > odds[block, :1])[..., None]
        drawn = [(cues[block] @ p.slope + p.offset)[:, None] + noise @ p.root.T for p in parts]
        heard = np.where(second, drawn[-1], drawn[0])
        labels = raters.rate(heard.reshape(-1, 3), biases, rng)
        ratings.append(labels.ratings.reshape(count, DRAWS, 3).mean(1))
        votes = labels.emotion.reshape(count, DRAWS)
        shares = np.stack([(votes == c).sum(1) for c in range(len(raters.CLASSES))], 1) + 0.01
        merged = np.stack([shares[:, c == MERGED].sum(1) for c in range(4)], 1)
        classes.append(merged / merged.sum(1, keepdims=True))
    return np.concatenate(ratings), np.concatenate(classes)


def concordance(true: np.ndarray, predicted: np.ndarray) -> float:
    """Lin's concordance correlation coefficient (population moments) of two [count]."""
    shared = np.mean((true - true.mean()) * (predicted - predicted.mean()))
    return float(2 * shared / (true.var() + predicted.var() + (true.mean() - predicted.mean()) ** 2))


def _classification(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    confusion = np.zeros((4, 4))
    np.add.at(confusion, (true, predicted), 1)
    hits, actual, said = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    present = actual > 0
    return {
        "uar": float((hits[present] / actual[present]).mean()),
        "wa": float(hits.sum() / confusion.sum()),
        "macro_f1": float((2 * hits[present] / (actual + said)[present]).mean()),
    }


def _decisions(probabilities: np.ndarray, priors: np.ndarray, power: float) -> np.ndarray:
    return (probabilities / priors**power).argmax(1)


def ceilings(settings) -> dict[str, dict[str, float]]:
    """``{modality: {metric: value}}`` for prosody, words and both, on the corpus' own utterances.

    Every metric gets the decision rule that is best for it on the oracle's sample: for classes the largest
    probability over prior^power (power 1 is best for UAR in theory, 0 for WA); for CCC the expected rating with
    its variance matched to the labels', a scale fixed on that sample, because of all multiples of a prediction
    with correlation R that one has the highest CCC (R instead of 2R^2 / (1 + R^2)). It is used only where it
    raises CCC on that sample. Emotion is scored where the raters agreed, excited merged with happy. A system may
    pass a ceiling by the chance of a finite corpus, not otherwise.
    """
    from . import corpus

    own = corpus.planned(settings)
    sample = corpus.simulate(settings, SAMPLE, "oracle")
    biases = raters.panel(settings.seed, settings.raters)
    rng = generator(settings.seed, "ceilings")
    labels = raters.rate(sample.heard[:TUNING], biases, rng)
    results = {}
    telling = 5 if settings.sentences else 8  # words that are fixed tell nothing
    views = {"prosody": slice(0, 5), "words": slice(5, telling), "both": slice(0, telling)}
    for modality, view in views.items():
        seen = sample.seen[:, view]
        parts = _fit(sample.heard, seen, sample.contradicts)
        tuning, tuning_odds = _expect(parts, seen[:TUNING], biases, rng)
        rated, odds = _expect(parts, own.seen[:, view], biases, rng)
        scores = {}
        agreed = labels.emotion >= 0
        truth = MERGED[labels.emotion[agreed]]
        priors = np.bincount(truth, minlength=4) / len(truth)
        mine = own.labels.emotion >= 0
        powers = (0.0, 0.25, 0.5, 0.75, 1.0)
        tried = [_classification(truth, _decisions(tuning_odds[agreed], priors, p)) for p in powers]
        for metric in ("uar", "wa", "macro_f1"):
            best = powers[int(np.argmax([score[metric] for score in tried]))]
            said = _decisions(odds[mine], priors, best)
            scores[metric] = _classification(MERGED[own.labels.emotion[mine]], said)[metric]
        for i, name in enumerate(DIMENSIONS):
            true, plain = labels.ratings[:, i], tuning[:, i]
            scale = true.std() / plain.std()
            matched = plain.mean() + scale * (plain - plain.mean())
            if concordance(true, matched) <= concordance(true, plain):
                scale = 1.0
            said = plain.mean() + scale * (rated[:, i] - plain.mean())
            scores[f"ccc_{name}"] = concordance(own.labels.ratings[:, i], said)
        results[modality] = scores
    return results
