"""The control that every system is held against: logistic or ridge regression on frozen features pooled over time.

An utterance is described by the means of its channels and, of speech, by their standard deviations, which are most of
what descriptors such as eGeMAPS have to say (its own functionals are means and spreads).

Layer (one, or all side by side) and strength are chosen on the validation speakers, anew in every fold.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..config.settings import setting
from .system_config import TASK, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Linear(System):
    """Deterministic, so one seed stands for all."""

    recipe: Literal["linear"] = setting("the recipe: stages/recipes/linear.py")
    task: TASK = setting("what is predicted")
    sees: Literal["speech", "text"] = setting("which features; text: of the study's transcripts")
    layers: list[str] = setting("layers to choose from; all: every numbered one", min_length=1)
    pooling: Literal["mean", "mean+std"] = setting("over frames or tokens: mean, or standard deviation beside it")
    labels: Literal["true", "shuffled"] = setting("shuffled: of the training rows, which must end at chance")
    normalise: Literal["global", "speaker"] = setting("feature normalisation; speaker is transductive")
    strengths: list[float] = setting("inverse regularisation strengths C to choose from")
    inputs: ClassVar = ("speech",)
    deterministic: ClassVar = True

    def files(self) -> tuple[str, ...]:
        return (self.sees,)

    def layers_read(self) -> dict[str, list[str]]:
        return {self.sees: self.layers}


def train(row: Linear, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, outputs], the chosen model's arrays, notes."""
    examples, frames = inputs.examples, inputs.frames(row.layers, 0, row.normalise, fold, row.sees)
    pooled, every = frames.pooled(row.pooling), list(range(len(frames.layers)))
    labels = examples.targets[fold.train]
    if row.labels == "shuffled":
        labels = np.random.default_rng([seed, fold.number]).permutation(labels)
    candidates = {name: [i] for i, name in enumerate(frames.layers)} | ({"all": every} if len(every) > 1 else {})
    best = None
    for name, layers in candidates.items():
        x = pooled[:, layers].reshape(len(pooled), -1)
        mean, scale = x[fold.train].mean(0), x[fold.train].std(0) + 1e-6
        for strength in row.strengths:
            model = {"layers": np.array(layers), "mean": mean, "scale": scale}
            model |= _fitted(row.task, (x[fold.train] - mean) / scale, labels, strength)
            score = examples.score(fold.val, _outputs(model, pooled[fold.val], examples.outputs))
            if best is None or score > best[0] + 1e-12:
                best = (score, name, strength, model)
    score, name, strength, model = best
    outputs = _outputs(model, pooled[fold.scored], examples.outputs)
    arrays = {f"model/{key}": values for key, values in model.items()}
    notes = {"layer": name, "strength": strength, "validation": score, "tried": len(candidates) * len(row.strengths)}
    return outputs.astype(np.float32), arrays | frames.normaliser.arrays(f"model/normaliser/{row.sees}/"), notes


def restored(row: Linear, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    pooled = inputs.frames(row.layers, 0, row.normalise, arrays, row.sees).pooled(row.pooling)
    return lambda positions: _outputs(arrays, pooled[positions], inputs.outputs).astype(np.float32)


def _fitted(task: str, x: np.ndarray, y: np.ndarray, strength: float) -> dict[str, np.ndarray]:
    """``weights`` [scores, columns], ``bias`` and, of a classification, ``classes`` that the scores belong to."""
    if task == "emotion":
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=strength, max_iter=500, class_weight="balanced").fit(x, y)
        return {"weights": model.coef_, "bias": model.intercept_, "classes": model.classes_}
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1 / strength).fit(x, y)
    return {"weights": np.atleast_2d(model.coef_), "bias": np.atleast_1d(model.intercept_)}


def _outputs(model: dict[str, np.ndarray], pooled: np.ndarray, count: int) -> np.ndarray:
    """Class scores [rows, count] (a class that training lacks scores lowest) or predicted values.

    ``pooled`` is [rows, layers, columns]. The scores are log-probabilities.
    """
    x = pooled[:, model["layers"]].reshape(len(pooled), -1)
    scores = (x - model["mean"]) / model["scale"] @ model["weights"].T + model["bias"]
    if "classes" not in model:
        return scores
    if scores.shape[1] == 1:  # two classes share one score
        scores = np.hstack([-scores, scores]) / 2
    from scipy.special import log_softmax

    outputs = np.full((len(x), count), -1e3)
    outputs[:, model["classes"]] = log_softmax(scores, axis=1)
    return outputs
