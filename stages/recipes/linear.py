"""The control that every system is held against: logistic or ridge regression on mean-pooled frozen features.

Layer (one, or all side by side) and strength are chosen on the validation speakers, anew in every fold.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from stages.recipes.system import TASK, System
from stages.settings import setting

if TYPE_CHECKING:
    from stages.recipes.inputs import Inputs


class Linear(System):
    """Deterministic, so one seed stands for all."""

    recipe: Literal["linear"] = setting("linear", "the recipe: stages/recipes/linear.py")
    task: TASK = setting("emotion", "what is predicted")
    normalise: Literal["global", "speaker"] = setting("global", "feature normalisation; speaker is transductive")
    strengths: list[float] = setting([0.001, 0.01, 0.1, 1.0], "inverse regularisation strengths C to choose from")
    inputs: ClassVar = ("speech",)
    deterministic: ClassVar = True


def train(row: Linear, inputs: "Inputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, outputs], the chosen model's arrays, notes."""
    from stages.recipes.frames import Frames

    examples, store = inputs.examples, inputs.speech
    layers = [name for name in store.layers if name.isdigit()]
    frames = Frames(store, inputs.rows(store), layers, 0, 0)
    frames.normalise(row.normalise, inputs.speakers, fold.train)
    pooled = frames.means()
    candidates = {name: pooled[:, i] for i, name in enumerate(layers)}
    if len(layers) > 1:
        candidates["all"] = pooled.reshape(len(pooled), -1)
    best = None
    for name, x in candidates.items():
        mean, scale = x[fold.train].mean(0), x[fold.train].std(0) + 1e-6
        x = (x - mean) / scale
        for strength in row.strengths:
            model = _fitted(row.task, x[fold.train], examples.targets[fold.train], strength)
            score = examples.score(fold.val, _outputs(model, x[fold.val], examples.outputs))
            if best is None or score > best[0] + 1e-12:
                best = (score, name, strength, model, x, mean, scale)
    score, name, strength, model, x, mean, scale = best
    outputs = _outputs(model, x[fold.scored], examples.outputs)
    arrays = {"model/weights": np.atleast_2d(model.coef_), "model/bias": np.atleast_1d(model.intercept_)}
    arrays |= {"model/mean": mean, "model/scale": scale}
    notes = {"layer": name, "strength": strength, "validation": score, "tried": len(candidates) * len(row.strengths)}
    return outputs.astype(np.float32), arrays, notes


def _fitted(task: str, x: np.ndarray, y: np.ndarray, strength: float):
    if task == "emotion":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=strength, max_iter=500, class_weight="balanced").fit(x, y)
    from sklearn.linear_model import Ridge

    return Ridge(alpha=1 / strength).fit(x, y)


def _outputs(model, x: np.ndarray, count: int) -> np.ndarray:
    """Class scores [rows, count] (a class that training lacks scores lowest) or predicted values."""
    if not hasattr(model, "classes_"):
        return model.predict(x)
    outputs = np.full((len(x), count), -1e3)
    outputs[:, model.classes_] = model.predict_log_proba(x)
    return outputs
