"""Soft labels from the raters' votes, and their score: predicted distributions compared with the raters' votes."""

import numpy as np
from scipy.special import softmax


def shares(manifest, protocol, classes: list[str]) -> np.ndarray | None:
    """Votes [utterances, classes] of the raters in the manifest's order; None if it has none.

    Votes (columns ``votes_<class>`` of the manifest) count for the class that the protocol merges theirs into, votes
    for none of ``classes`` for nothing.
    """
    votes = [name for name in manifest.columns if name.startswith("votes_")]
    if not votes:
        return None
    pairs = protocol[["utterance", "emotion"]].merge(manifest[["utterance", "emotion"]], on="utterance")
    merged = dict(zip(pairs["emotion_y"], pairs["emotion_x"], strict=True))
    found = np.zeros((len(manifest), len(classes)))
    for name in votes:
        own = name.removeprefix("votes_")
        target = merged.get(own, own)
        if target in classes:
            given = manifest[name].replace("", np.nan).astype(float).fillna(0).to_numpy()
            found[:, classes.index(target)] += given
    return found


def against_votes(predictions, manifest, protocol) -> dict | None:
    """Mean Jensen-Shannon divergence (Lin 1991, base 2: 0 is the same, 1 nothing in common) over the test rows.

    ``predicted``: of the softmax of the logits; ``chosen``: of the predicted class alone, which is the score of a hard
    label on the same rows; ``n_utterances``. Votes for no class of the protocol are excluded (:func:`shares`), and
    utterances with no other votes too. None if there are no votes or no logits.
    """
    logits = [name for name in predictions.columns if name.startswith("logit_")]
    given = shares(manifest, protocol, [name.removeprefix("logit_") for name in logits]) if logits else None
    if given is None:
        return None
    place = {utterance: i for i, utterance in enumerate(manifest["utterance"])}
    rows = predictions[predictions["role"] == "test"]
    truth = given[rows["utterance"].map(place).to_numpy()]
    values = rows[logits].to_numpy(float)
    used = (truth.sum(1) > 0) & np.isfinite(values).all(1)
    if not used.any():
        return None
    truth, values = truth[used] / truth[used].sum(1, keepdims=True), values[used]
    chosen = np.eye(len(logits))[values.argmax(1)]
    return {
        "predicted": float(divergence(truth, softmax(values, axis=-1)).mean()),
        "chosen": float(divergence(truth, chosen).mean()),
        "n_utterances": int(rows["utterance"][used].nunique()),
    }


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence [rows] of distributions [rows, classes], in bits."""
    middle = (p + q) / 2

    def to_middle(one: np.ndarray) -> np.ndarray:
        share = np.divide(one, middle, out=np.ones_like(one), where=one > 0)
        return (one * np.log2(share)).sum(-1)

    return (to_middle(p) + to_middle(q)) / 2
