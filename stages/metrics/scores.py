"""The metrics, as fractions: UAR, WA, macro F1, CCC and WER.

The functions of confusion matrices, moments and edit counts take leading axes, so that the bootstrap can score
thousands of resampled test sets at once; the ones of plain sequences score one test set.
"""

import numpy as np

CLASS_METRICS = ("uar", "wa", "macro_f1")
DIMENSIONS = ("arousal", "valence", "dominance")
METRICS = (*CLASS_METRICS, *(f"ccc_{name}" for name in DIMENSIONS), "wer")
"""All metric names, in the order of every table."""


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of the metric is the better one (only WER)."""
    return metric == "wer"


# --- classes -----------------------------------------------------------------------------------------------------


def confusion(true, pred, classes) -> np.ndarray:
    """Counts [classes, classes]: rows are the truth, columns the predictions, both in the order of ``classes``."""
    position = {name: i for i, name in enumerate(classes)}
    size = len(position)
    cells = [position[t] * size + position[p] for t, p in zip(true, pred, strict=True)]
    return np.bincount(cells, minlength=size * size).reshape(size, size)


def uar_of(counts: np.ndarray) -> np.ndarray:
    """Unweighted average recall [...] of confusion matrices [..., classes, classes].

    The mean of the recalls of the classes that occur in the truth, i.e. balanced accuracy.
    """
    support = counts.sum(-1)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    present = support > 0
    return np.where(present, hits / np.maximum(support, 1), 0.0).sum(-1) / np.maximum(present.sum(-1), 1)


def wa_of(counts: np.ndarray) -> np.ndarray:
    """Weighted accuracy [...], i.e. plain accuracy, of confusion matrices [..., classes, classes]."""
    return np.diagonal(counts, axis1=-2, axis2=-1).sum(-1) / np.maximum(counts.sum((-2, -1)), 1)


def macro_f1_of(counts: np.ndarray) -> np.ndarray:
    """Mean F1 [...] over the classes that occur in truth or predictions (scikit-learn's macro average)."""
    both = counts.sum(-1) + counts.sum(-2)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    present = both > 0
    return np.where(present, 2 * hits / np.maximum(both, 1), 0.0).sum(-1) / np.maximum(present.sum(-1), 1)


_OF = {"uar": uar_of, "wa": wa_of, "macro_f1": macro_f1_of}


def of_confusion(metric: str, counts: np.ndarray) -> np.ndarray:
    """A class metric [...] of confusion matrices [..., classes, classes]."""
    return _OF[metric](counts)


def _all_classes(true, pred) -> list[str]:
    return sorted(set(true) | set(pred))


def uar(true, pred) -> float:
    """Balanced accuracy over the classes that occur in ``true``; predictions of other classes count as wrong."""
    return float(uar_of(confusion(true, pred, _all_classes(true, pred))))


def wa(true, pred) -> float:
    """Accuracy."""
    return float(wa_of(confusion(true, pred, _all_classes(true, pred))))


def macro_f1(true, pred) -> float:
    """Mean F1 over the classes that occur in ``true`` or ``pred``, as scikit-learn's ``average="macro"``."""
    return float(macro_f1_of(confusion(true, pred, _all_classes(true, pred))))


# --- dimensions --------------------------------------------------------------------------------------------------


def ccc_parts(true, pred) -> tuple[float, float]:
    """Pearson's rho and the bias correction C_b of the concordance; their product is the CCC (Lin 1989).

    Population moments in float64. Where a variance vanishes rho is undefined and given as 0.0; where both do and
    the means agree as well, C_b is 0.0 too.
    """
    t, p = np.asarray(true, np.float64), np.asarray(pred, np.float64)
    t_mean, p_mean = t.mean(), p.mean()
    t_var, p_var = ((t - t_mean) ** 2).mean(), ((p - p_mean) ** 2).mean()
    spread = np.sqrt(t_var) * np.sqrt(p_var)
    rho = ((t - t_mean) * (p - p_mean)).mean() / spread if spread > 0 else 0.0
    below = t_var + p_var + (t_mean - p_mean) ** 2
    return float(rho), float(2 * spread / below) if below > 0 else 0.0


def ccc(true, pred) -> float:
    """Concordance correlation coefficient over the whole set, in float64 and covariance form (Lin 1989).

    ``2 cov / (var_true + var_pred + (mean_true - mean_pred)^2)`` with population moments. Returns 0.0 where the
    denominator vanishes (truth and predictions constant and equal), so never a NaN.
    """
    t, p = np.asarray(true, np.float64), np.asarray(pred, np.float64)
    t_mean, p_mean = t.mean(), p.mean()
    below = ((t - t_mean) ** 2).mean() + ((p - p_mean) ** 2).mean() + (t_mean - p_mean) ** 2
    return float(2 * ((t - t_mean) * (p - p_mean)).mean() / below) if below > 0 else 0.0


def moments(true: np.ndarray, pred: np.ndarray) -> np.ndarray:
    """Additive statistics [values, 6] whose sums determine the CCC: 1, t, p, t^2, p^2, tp.

    Subtract one constant from both sides first (their common centre), or large means eat the digits.
    """
    t, p = np.asarray(true, np.float64), np.asarray(pred, np.float64)
    return np.stack([np.ones_like(t), t, p, t * t, p * p, t * p], -1)


def ccc_of(sums: np.ndarray) -> np.ndarray:
    """CCC [...] of summed :func:`moments` [..., 6]; 0.0 where the denominator vanishes."""
    n, t, p, tt, pp, tp = np.moveaxis(sums, -1, 0)
    n = np.maximum(n, 1)
    below = (tt + pp) / n - 2 * (t / n) * (p / n)  # var + var + (difference of means)^2
    above = 2 * (tp / n - (t / n) * (p / n))
    sound = below > 1e-12 * np.maximum((tt + pp) / n, 1e-300)
    return np.where(sound, above / np.where(sound, below, 1.0), 0.0)


# --- words -------------------------------------------------------------------------------------------------------


def edits(references, hypotheses) -> np.ndarray:
    """Per utterance [utterances, 2]: word errors (substitutions, deletions, insertions), words of the reference.

    Both sides go through the plain normaliser of :mod:`stages.transcripts.text` (lower case, no tags, no punctuation),
    or a transcriber that punctuates would pay for that.
    """
    from ..transcripts.text import errors, words

    spoken = [words(text) for text in references]
    wrong = [errors(r, words(h)) for r, h in zip(spoken, hypotheses, strict=True)]
    return np.asarray([(w, len(r)) for w, r in zip(wrong, spoken, strict=True)], np.int64).reshape(-1, 2)


def wer_of(sums: np.ndarray) -> np.ndarray:
    """Word error rate [...] of summed :func:`edits` [..., 2]."""
    return sums[..., 0] / np.maximum(sums[..., 1], 1)


def wer(references, hypotheses) -> float:
    """Corpus-level word error rate: all errors over all words of the references, both normalised."""
    return float(wer_of(edits(references, hypotheses).sum(0)))
