"""How reliable predicted probabilities and ratings are."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that minimises the cross-entropy of ``labels`` under logits / T, within 0.05 to 20.

    Fitted on validation rows only (Guo et al. 2017). The loss is convex in 1/T, so it has one minimum.
    """
    rows = np.arange(len(labels))

    def loss(log_t: float) -> float:
        return -float(log_softmax(logits / np.exp(log_t), axis=-1)[rows, labels].mean())

    bounds = np.log(0.05), np.log(20.0)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9}).x))


def quality(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> dict:
    """Expected calibration error (equal-width bins), Brier score, and the bins for a reliability plot.

    ``bins`` in the result: one [mean confidence, accuracy, count] per non-empty bin.
    """
    confidence, chosen = probabilities.max(-1), probabilities.argmax(-1)
    right = (chosen == labels).astype(np.float64)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    table = []
    for i in np.unique(place):
        inside = place == i
        table.append([float(confidence[inside].mean()), float(right[inside].mean()), int(inside.sum())])
    ece = sum(abs(c - a) * n for c, a, n in table) / len(labels)
    truth = np.eye(probabilities.shape[-1])[labels]
    return {"ece": float(ece), "brier": float(((probabilities - truth) ** 2).sum(-1).mean()), "bins": table}


def calibrated(predictions, bins: int) -> dict | None:
    """ECE and Brier score of the test rows, as they are and at the temperature fitted on the validation rows.

    The temperature is fitted per fold and seed, on that unit's own validation rows. None if there are no logits,
    or a unit has no labelled validation rows.
    """
    columns = [name for name in predictions.columns if name.startswith("logit_")]
    if not columns:
        return None
    classes = {name.removeprefix("logit_"): i for i, name in enumerate(columns)}
    rows = predictions[predictions["true_emotion"].isin(classes)]
    plain, fitted, labels, temperatures = [], [], [], []
    for _, unit in rows.groupby(["fold", "seed"], sort=True):
        val, test = unit[unit["role"] == "val"], unit[unit["role"] == "test"]
        if not len(test):
            continue
        if not len(val):
            return None
        t = temperature(val[columns].to_numpy(float), val["true_emotion"].map(classes).to_numpy(int))
        logits = test[columns].to_numpy(float)
        plain.append(softmax(logits, axis=-1))
        fitted.append(softmax(logits / t, axis=-1))
        labels.append(test["true_emotion"].map(classes).to_numpy(int))
        temperatures.append(t)
    if not labels:
        return None
    y = np.concatenate(labels)
    return {
        "plain": quality(np.concatenate(plain), y, bins),
        "scaled": quality(np.concatenate(fitted), y, bins),
        "temperature": [float(min(temperatures)), float(max(temperatures))],
    }


def agreement(true: np.ndarray, pred: np.ndarray) -> dict:
    """The parts of a CCC: rho, C_b, bias (mean error, label units) and slope of the truth on the predictions.

    The slope is None if the predictions are constant.
    """
    from .scores import ccc_parts

    t, p = np.asarray(true, np.float64), np.asarray(pred, np.float64)
    rho, c_b = ccc_parts(t, p)
    variance = ((p - p.mean()) ** 2).mean()
    slope = float(((t - t.mean()) * (p - p.mean())).mean() / variance) if variance > 0 else None
    return {"rho": rho, "c_b": c_b, "bias": float(p.mean() - t.mean()), "slope": slope}
