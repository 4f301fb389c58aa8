"""Controls that see no audio: the majority class (or mean rating), the duration alone, the speaker alone."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..config.settings import setting
from .system_config import TASK, System

if TYPE_CHECKING:
    from .recipe_inputs import TrainingInputs


class Control(System):
    """What a system must beat to have learnt anything."""

    recipe: Literal["control"] = setting("the recipe: stages/recipes/control.py")
    task: TASK = setting("what is predicted")
    sees: Literal["nothing", "duration", "speaker"] = setting(
        "nothing: majority class or mean; duration: seconds alone; speaker: who, and sex",
    )
    deterministic: ClassVar = True


def train(row: Control, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, outputs], no arrays to keep, notes."""
    examples = inputs.examples
    y = examples.targets[fold.train]
    if row.sees == "nothing":
        if row.task == "emotion":
            counts = np.bincount(y, minlength=examples.outputs)
            constant = np.log(np.maximum(counts, 0.5) / counts.sum())
        else:
            constant = y.mean(0)
        outputs = np.tile(constant, (len(fold.scored), 1))
    else:
        features = _features(row.sees, examples.manifest)
        mean, scale = features[fold.train].mean(0), features[fold.train].std(0) + 1e-9
        features = (features - mean) / scale
        if row.task == "emotion":
            from sklearn.linear_model import LogisticRegression

            model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(features[fold.train], y)
            outputs = np.full((len(fold.scored), examples.outputs), -1e3)
            scores = np.log(model.predict_proba(features[fold.scored]) + 1e-12)
            outputs[:, model.classes_] = scores
        else:
            from sklearn.linear_model import LinearRegression

            outputs = LinearRegression().fit(features[fold.train], y).predict(features[fold.scored])
    return outputs.astype(np.float32), {}, {"rows": len(fold.train)}


def _features(sees: str, manifest) -> np.ndarray:
    """What a model of the duration, or of the speaker, goes by: [utterances, columns]."""
    if sees == "duration":
        seconds = np.log(manifest["duration"].astype(float).to_numpy())[:, None]
        return np.hstack([seconds, seconds**2])
    known = manifest[["speaker", "gender"]].to_numpy(str)
    return np.hstack([(column[:, None] == np.unique(column)).astype(float) for column in known.T])
