"""Predictions of training rows by models that have not seen their speakers."""

import numpy as np

from ..runtime.errors import UserError
from .labelled_set import Fold


def parts(speakers: np.ndarray, positions: np.ndarray, count: int) -> list[np.ndarray]:
    """``positions`` in ``count`` sorted parts of similar size; no speaker is in two.

    The largest speaker first, each into the smallest part. Utterances whose speaker is unknown stay together: any two
    of them may be one person's.

    Parameters
    ----------
    speakers
        Names, str [utterances]; '' where unknown.

    Raises
    ------
    UserError
        There are fewer speakers than parts.
    """
    names, sizes = np.unique(speakers[positions], return_counts=True)
    if len(names) < count:
        raise UserError(
            f"cross_folds: {count} parts, but the training rows have {len(names)} speakers; set it to no more than that"
        )
    part, filled = {}, [0] * count
    for i in np.lexsort((names, -sizes)):
        smallest = int(np.argmin(filled))
        part[names[i]], filled[smallest] = smallest, filled[smallest] + int(sizes[i])
    where = np.array([part[name] for name in speakers[positions]])
    return [np.sort(positions[where == i]) for i in range(count)]


def inner_folds(fold: Fold, speakers: np.ndarray, count: int) -> list[Fold]:
    """For every part of the training rows a fold that tests it and trains on the others; validation stays the same."""
    found = parts(speakers, fold.train, count)
    return [Fold(fold.number, np.sort(np.setdiff1d(fold.train, held)), fold.val, held) for held in found]


def cross_fitted(inputs, fold: Fold, count: int, unit, predicted_by) -> np.ndarray:
    """What models say of the training rows of ``fold`` whose speakers they have not seen.

    A model that is done is kept beside the unit's checkpoint until the unit is.

    Parameters
    ----------
    count
        Of the models, each of which leaves one part of the speakers out.
    predicted_by
        Trains on an inner fold, with a share of the unit, and gives the outputs of its test rows.

    Returns
    -------
    numpy.ndarray
        float32 [utterances, outputs], NaN outside the training rows.
    """
    found = np.full((len(inputs.utterances), inputs.outputs), np.nan, np.float32)
    for number, inner in enumerate(inner_folds(fold, inputs.speakers, count)):
        share = unit.share(f"cross-{number}") if unit else None
        done = share.load() if share else None
        if done is None:
            done = {"outputs": np.asarray(predicted_by(inner, share), np.float32)}, {}
            if share:
                share.save(*done)
        found[inner.test] = done[0]["outputs"]
    return found
