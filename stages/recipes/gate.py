"""Srinivasan 2022's condition: which training utterances a student learns the teacher's embedding from (section 3.2).

The residual of utterance i in dimension j is r = w y_teacher + b - y, with w and b by least squares on the training
rows (equation 8); where any |r| exceeds so many standard deviations, the gate is closed.
"""

from dataclasses import dataclass

import numpy as np

from ..guards.seen import pack


@dataclass(frozen=True)
class Gate:
    """The gate over the training rows of a fold.

    Attributes
    ----------
    beyond : numpy.ndarray
        bool [training rows, dimensions]: the residual of that dimension closes the gate.
    slope, offset, sd : numpy.ndarray
        Of the regression, and standard deviation of its residuals [dimensions].
    """

    beyond: np.ndarray
    slope: np.ndarray
    offset: np.ndarray
    sd: np.ndarray

    @property
    def open(self) -> np.ndarray:
        """bool [training rows]."""
        return ~self.beyond.any(1)

    def notes(self, rows: list[str], dimensions: list[str], utterances: list[str]) -> dict:
        """What a unit keeps: the regression, the share dropped, and whom each dimension closed the gate on.

        ``rows`` are the names of the training rows, ``utterances`` those of the corpus; sets of names are packed
        (:func:`stages.guards.seen.pack`).
        """
        names = np.array(rows)
        return {
            "slope": self.slope.tolist(),
            "offset": self.offset.tolist(),
            "sd": self.sd.tolist(),
            "dropped": float(1 - self.open.mean()),
            "rows": pack(rows, utterances),
            "closed": {d: pack(names[self.beyond[:, i]].tolist(), utterances) for i, d in enumerate(dimensions)},
        }


def gate(predicted: np.ndarray, true: np.ndarray, train: np.ndarray, limit: float) -> Gate:
    """Fit equation 8 and close the gate where a residual is large.

    Parameters
    ----------
    predicted, true
        [utterances, dimensions], in the same units.
    train
        Positions that the regression is fitted on; no other row is read.
    limit
        In standard deviations of the training residuals; 0 never closes.
    """
    p, y = predicted[train].astype(np.float64), true[train].astype(np.float64)
    variance = p.var(0)
    slope = np.where(variance > 0, ((p - p.mean(0)) * (y - y.mean(0))).mean(0) / np.maximum(variance, 1e-12), 0.0)
    offset = y.mean(0) - slope * p.mean(0)
    residual = slope * p + offset - y
    sd = residual.std(0)
    return Gate((np.abs(residual) > limit * sd) & (limit > 0), slope, offset, sd)
