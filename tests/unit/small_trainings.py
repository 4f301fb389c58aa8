"""Every training that fine-tunes an encoder, on the eight utterances of test_recipes, in a second or so."""

import numpy as np

from stages import adapt, retrain
from stages.recipes import system_config
from tests.unit.catalogue import shipped
from tests.unit.test_recipes import EMBEDDING, RECIPES, STUDENT, eight

CHAIN = {
    "adapt": (adapt.Adapt, adapt.adapted),
    "words": (adapt.Adapt, adapt.adapted),
    "retrain": (retrain.Retrain, retrain.retrained),
}
SMALL = {
    "regressor": {"learning_rate": 1e-3, "epochs": 6, "batch": 3},
    "teacher": {"learning_rate": 1e-2, "epochs": 6, "hidden": 16, "embedding": EMBEDDING, "batch": 3, "sees": "both"},
    "student": {"learning_rate": 1e-3, "epochs": 6, "hidden": 16, "embedding": EMBEDDING, "batch": 3} | STUDENT,
    "gmp": {"learning_rate": 1e-3, "epochs": 6, "start": "", "hidden": 32, "batch": 3},
    "cmgi": {"learning_rate": 1e-3, "epochs": 6, "start": "", "width": 32, "heads": 2, "batch": 2, "accumulate": 3},
    "words": {"learning_rate": 1e-3, "epochs": 6, "task": "ctc", "batch": 2, "accumulate": 3, "freeze_cnn": False},
    "adapt": {"learning_rate": 1e-3, "epochs": 6, "lstm": 16, "hidden": 16, "batch": 3},
    "retrain": {"learning_rate": 1e-3, "epochs": 6, "hidden": 16, "batch": 3},
}


class Noise:
    """Waveforms that give as many frames as the store of test_recipes has."""

    def __init__(self, frames):
        self.clips = [np.random.default_rng(i).normal(0, 1, 400 + 320 * (n - 1)) for i, n in enumerate(frames)]
        self.offsets = np.cumsum([0, *map(len, self.clips)])

    def read(self, row):
        return self.clips[row].astype(np.float32)


def settings_of(name: str, **changes):
    model = CHAIN[name][0] if name in CHAIN else system_config.settings_class(RECIPES.get(name, name))
    return model.model_validate(shipped(model, **SMALL[name] | changes))


def trained(name: str, unit=None, begin=None, **changes) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and notes of a training: what a unit of the job holds. ``begin``: arrays that it starts from."""
    row = settings_of(name, **changes)
    inputs, fold = eight("emotion" if name in CHAIN else row.task)
    inputs.scratch, inputs.audio = None, Noise(map(len, inputs.speech.frames))
    inputs.speech.attributes = {"dtype": "float32"}
    inputs.start = lambda *_: begin
    if name not in CHAIN:
        outputs, arrays, notes = system_config.module(row.recipe).train(row, inputs, fold, 1, unit)
        return arrays | {"outputs": np.asarray(outputs)}, notes
    inputs.examples.manifest["gender"] = ["female", "male"] * 4
    counts, rng = np.array([len(f) for f in inputs.speech.frames]), np.random.default_rng(4)
    labels = {"labels/rows": np.arange(8), "labels/counts": counts, "labels/-3/5": rng.integers(0, 5, counts.sum())}
    inputs.labels = lambda *_: labels
    return CHAIN[name][1](row, inputs, fold, 1, unit)
