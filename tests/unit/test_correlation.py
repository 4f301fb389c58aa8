"""The recipe ``correlation`` on a store whose classes differ in how channels move together, and in nothing else."""

import numpy as np
import pandas as pd
import pytest

from stages.corpora.manifest import write_manifest
from stages.metrics.scores import uar
from stages.recipes import correlation, linear
from stages.recipes.new_audio import NewAudio
from stages.recipes.training_inputs import Inputs
from stages.runtime.errors import UserError
from stages.stores.feature_writer import FeatureWriter
from tests.unit.catalogue import shipped
from tests.unit.small_study import CLASSES, manifest_rows, protocol_frame

ROW = correlation.Correlation.model_validate(
    shipped(correlation.Correlation, components=[4, 12], penalties=[0.1, 1.0], normalise="global")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("correlation"), np.random.default_rng(0)
    write_manifest(folder / "manifest.csv", manifest_rows())
    rows = pd.read_csv(folder / "manifest.csv", dtype={"session": str}, keep_default_na=False)
    protocol_frame(rows).to_csv(folder / "protocol.csv", index=False)
    turns = {name: np.linalg.qr(rng.normal(size=(12, 12)))[0] * rng.uniform(0.3, 3, 12) for name in CLASSES}
    lengths = rng.integers(60, 90, len(rows))
    spec = {"hop": 0.02, "weights": "", "manifest": ""}
    writer = FeatureWriter(folder / "f.h5", rows["utterance"].tolist(), lengths, {"0": 12, "1": 12}, spec, "float32")
    for i, (name, length) in enumerate(zip(rows["emotion"], lengths, strict=True)):
        for layer in "01":
            frames = rng.normal(size=(length, 12)) @ turns.get(name, np.eye(12))
            writer.put(i, layer, frames - frames.mean(0) + rng.normal(size=12))
    writer.close()
    return folder


def opened(folder, role: str = "") -> Inputs:
    """Inputs of the folder; the labels of ``role`` in fold 1 are shuffled."""
    paths = {"manifest": folder / "manifest.csv", "protocol": folder / "protocol.csv", "speech": folder / "f.h5"}
    inputs = Inputs(paths, "", "emotion")
    if role:
        rows = getattr(inputs.examples.fold(1), role)
        inputs.examples.truth[rows] = np.random.default_rng(1).permutation(inputs.examples.truth[rows])
    return inputs


def trained(inputs: Inputs, row=ROW):
    fold = inputs.examples.fold(1)
    outputs, arrays, notes = correlation.train(row, inputs, fold, 1, None)
    val, test = np.split(outputs, [len(fold.val)])
    return val, test, arrays, notes


def test_classes_are_told_apart_by_what_the_mean_does_not_show(folder):
    inputs = opened(folder)
    truth = inputs.examples.truth[inputs.examples.fold(1).test]
    _, test, _, notes = trained(inputs)
    assert notes["tried"] == 4 and notes["validation"] == max(notes["candidates"].values())
    assert uar(truth, test.argmax(1)) > 0.9
    control = linear.Linear.model_validate(shipped(linear.Linear, pooling="mean"))
    means = linear.train(control, inputs, inputs.examples.fold(1), 1, None)[0][-len(truth) :]
    assert uar(truth, means.argmax(1)) < 0.5


def test_what_each_role_may_decide(folder):
    one = ROW.model_copy(update={"components": [12], "penalties": [0.1]})
    val, test, _, _ = trained(opened(folder), one)
    blind, same, *_ = trained(opened(folder, "test"), one)
    np.testing.assert_array_equal(val, blind)
    np.testing.assert_array_equal(test, same)
    other_val, other_test, _, notes = trained(opened(folder, "val"), one)
    np.testing.assert_array_equal(val.argmax(1), other_val.argmax(1))  # only the sharpness differs
    assert not np.array_equal(test, other_test) and notes["rows"] == len(val) + len(
        opened(folder).examples.fold(1).train
    )
    *_, notes = trained(opened(folder), one.model_copy(update={"refit": False}))
    assert notes["rows"] == len(opened(folder).examples.fold(1).train)


def test_a_restored_model_gives_the_same_outputs(folder):
    inputs = opened(folder)
    fold, names = inputs.examples.fold(1), inputs.utterances
    _, test, arrays, _ = trained(inputs)
    kept = {name.removeprefix("model/"): values for name, values in arrays.items()}
    chosen = [names[i] for i in fold.test]
    new_audio = NewAudio("", {"speech": folder / "f.h5"}, {"speech": "x"}, chosen, [""] * len(chosen), [], len(CLASSES))
    found = correlation.restored(ROW, new_audio, kept)(np.arange(len(chosen)))
    np.testing.assert_allclose(found, test, atol=1e-5)


def test_sharpness_finds_the_factor_that_labels_were_drawn_by():
    rng = np.random.default_rng(2)
    scores = rng.normal(0, 0.2, (20_000, 4))
    labels = (10 * scores + rng.gumbel(size=scores.shape)).argmax(1)
    assert correlation._sharpness(scores, labels) == pytest.approx(10, rel=0.05)


def test_one_speaker_is_refused(folder):
    inputs = opened(folder)
    inputs.speakers[:] = "same"
    with pytest.raises(UserError, match="leaves speakers out"):
        trained(inputs)
