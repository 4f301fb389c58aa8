"""Controls: what the speaker alone, or shuffled labels, can give."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from stages.metrics.scores import uar
from stages.recipes import control, linear
from stages.recipes.labelled_set import Examples, Fold
from tests.unit.catalogue import shipped

SPEAKERS, EACH, CLASSES = 8, 40, 4


def inputs():
    """320 utterances; three of four of a speaker's have the class of his own, and the features show the class."""
    rng = np.random.default_rng(0)
    examples = Examples.__new__(Examples)
    examples.task, examples.classes, examples.dimensions = "emotion", list("abcd"), []
    speaker = np.repeat(np.arange(SPEAKERS), EACH)
    examples.targets = np.where(
        rng.random(len(speaker)) < 0.75, speaker % CLASSES, rng.integers(0, CLASSES, len(speaker))
    )
    names, gender = np.char.add("s", speaker.astype(str)), np.where(speaker % 2, "male", "female")
    examples.manifest = pd.DataFrame({"speaker": names, "gender": gender, "duration": 1.0})
    x = np.eye(CLASSES)[examples.targets] + 0.1 * rng.normal(size=(len(speaker), CLASSES))
    normaliser = SimpleNamespace(arrays=lambda _: {})
    frames = SimpleNamespace(layers=["0"], pooled=lambda _: x[:, None], normaliser=normaliser)
    return SimpleNamespace(examples=examples, frames=lambda *_: frames), speaker


def score(recipe, row, fold):
    made, _ = inputs()
    outputs, _, _ = recipe.train(row, made, fold, 1, None)
    return uar(made.examples.targets[fold.scored], outputs.argmax(1))


def folds():
    """A fold that divides every speaker, and one of unseen speakers."""
    _, speaker = inputs()
    i = np.arange(len(speaker))
    divided = Fold(1, i[i % 4 < 2], i[i % 4 == 2], i[i % 4 == 3])
    return divided, Fold(1, i[speaker < 4], i[speaker == 4], i[speaker > 4])


def test_the_speaker_alone_gives_much_where_speakers_are_divided_and_little_where_not():
    divided, apart = folds()
    row = control.Control.model_validate(shipped(control.Control, sees="speaker"))
    assert score(control, row, divided) > 0.7
    assert score(control, row, apart) < 0.45


def test_shuffled_labels_end_at_chance():
    divided, _ = folds()
    found = {
        labels: score(linear, linear.Linear.model_validate(shipped(linear.Linear, labels=labels)), divided)
        for labels in ("true", "shuffled")
    }
    assert found["true"] > 0.95
    assert found["shuffled"] < 0.5
