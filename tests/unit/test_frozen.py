"""Regressors on frozen layers, on a store of which each layer carries one dimension."""

import json

import numpy as np
import pandas as pd
import pytest

from stages.corpora.manifest import write_manifest
from stages.metrics.scores import ccc
from stages.metrics.trainings import trainings
from stages.pages.importance import figures
from stages.recipes import system_config, training_job
from stages.recipes.new_audio import NewAudio
from stages.recipes.training_inputs import Inputs
from stages.stores.feature_writer import FeatureWriter
from stages.stores.scratch import Unit
from stages.training import units
from tests.unit.catalogue import shipped
from tests.unit.small_study import DIMENSIONS, manifest_rows, protocol_frame

CARRIES = {"0": "valence", "1": "arousal", "2": "dominance"}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("frozen"))


def stored(folder) -> dict:
    """Files of a corpus of ten speakers, made in ``folder``; speech and text are the same store."""
    rng = np.random.default_rng(0)
    write_manifest(folder / "manifest.csv", manifest_rows(each=12))
    rows = pd.read_csv(folder / "manifest.csv", dtype={"session": str}, keep_default_na=False)
    protocol_frame(rows).to_csv(folder / "protocol.csv", index=False)
    lengths, spec = rng.integers(8, 14, len(rows)), {"hop": 0.02, "weights": "", "manifest": ""}
    writer = FeatureWriter(folder / "speech.h5", list(rows["utterance"]), lengths, dict.fromkeys(CARRIES, 6), spec)
    for i, length in enumerate(lengths):
        for layer, dimension in CARRIES.items():
            writer.put(i, layer, rng.normal(float(rows[dimension][i]) - 4, 0.5, (length, 6)))
    writer.close()
    names = {"manifest": "manifest.csv", "protocol": "protocol.csv", "speech": "speech.h5", "text": "speech.h5"}
    return {kind: folder / name for kind, name in names.items()}


def trained(paths, recipe: str, unit=None, **changes):
    """CCC of each dimension in fold 1, the row, test outputs, arrays, notes, inputs."""
    settings = system_config.settings_class(recipe)
    row = settings.model_validate(shipped(settings, **changes))
    inputs = Inputs(paths, "", "dimensions")
    fold = inputs.examples.fold(1)
    outputs, arrays, notes = system_config.module(recipe).train(row, inputs, fold, 1, unit)
    test = outputs[len(fold.val) :]
    scores = [ccc(inputs.examples.truth[fold.test, i], test[:, i]) for i in range(3)]
    chosen = [inputs.utterances[i] for i in fold.test]
    new_audio = NewAudio(
        "", {"speech": paths["speech"], "text": paths["speech"]}, {}, chosen, [""] * len(chosen), [], 3
    )
    kept = {name.removeprefix("model/"): values for name, values in arrays.items()}
    found = system_config.module(recipe).restored(row, new_audio, kept)(np.arange(len(chosen)))
    np.testing.assert_allclose(found, test, atol=1e-4)
    return dict(zip(DIMENSIONS, scores, strict=True)), outputs, arrays, notes


@pytest.mark.parametrize("sees", ["speech", "text"])
def test_a_frozen_regressor_hears_the_last_layer(paths, sees):
    scores, *_ = trained(paths, "srinivasan", sees=sees, hidden=16, embedding=8, epochs=15, learning_rate=1e-2)
    assert scores["dominance"] > 0.9 and max(scores["arousal"], scores["valence"]) < 0.4


def test_each_dimension_weighs_the_layer_that_carries_it(paths, tmp_path):
    how = {"epochs": 12, "learning_rate": 3e-2, "weights": "softmax", "patience": 12}
    unit = Unit("t", {}, tmp_path / "scratch")
    scores, outputs, arrays, notes = trained(paths, "layers", unit, **how)
    assert min(scores.values()) > 0.8
    for layer, dimension in CARRIES.items():
        assert int(np.argmax(notes["layer weights"][dimension])) == int(layer)
    assert not list((tmp_path / "scratch").rglob("*.safetensors"))
    part = unit.share("arousal")  # as a run leaves it that was killed between two dimensions
    part.save({"outputs": np.zeros(len(outputs), np.float32)}, {"layer weights": [1, 0, 0], "history": {}})
    *_, again, _, resumed = trained_without_restoring(paths, unit, how)
    assert resumed["layer weights"]["arousal"] == [1, 0, 0]
    np.testing.assert_array_equal(again[:, 1:], outputs[:, 1:])

    units.write(tmp_path / "m.safetensors", {(1, s): (arrays, notes) for s in (1, 2)}, "model/")
    found = trainings([tmp_path / "m.safetensors"])
    rows = found["layers"]
    assert [(row["of"], row["layer"]) for row in rows] == [(d, layer) for d in DIMENSIONS for layer in CARRIES]
    assert rows[0]["weight"] == pytest.approx(notes["layer weights"]["arousal"][0]) == rows[0]["low"]
    assert json.loads(json.dumps(found))["units"] == 2 and len(found["curves"]) == 12
    drawn = figures("layers", rows, 2)
    assert len(drawn) == 3 and f"layer 1 {rows[1]['weight']:.3f} ({rows[1]['low']:.3f} to" in drawn[0].spoken


@pytest.mark.parametrize("normalise", ["global", "speaker"])
def test_a_test_part_that_is_added_trains_nothing(paths, tmp_path, normalise):
    """Its rows are predicted by the models that there are; the rows tested before keep their predictions."""
    settings = system_config.settings_class("layers")
    how = {"epochs": 2, "learning_rate": 1e-2, "normalise": normalise}
    row = settings.model_validate(shipped(settings, **how))
    rows = pd.read_csv(paths["manifest"], dtype=str, keep_default_na=False)

    def run(scratch: str, **parts) -> pd.DataFrame:
        table = rows[["utterance", "emotion"]].assign(fold=1, reason="", leaks="", apart="")
        table["part"] = rows["session"].map({session: part for part, session in parts.items()}).fillna("")
        role = rows["session"].map({"1": "out", "2": "val", "3": "out", "4": "train", "5": "train"})
        table["role"] = role.mask(table["part"] != "", "test")
        table.loc[table["role"] == "out", "reason"] = "of no part"
        table.to_csv(tmp_path / "protocol.csv", index=False)
        inputs = Inputs(paths | {"protocol": tmp_path / "protocol.csv"}, "", "dimensions")
        out = [tmp_path / name for name in ("predictions.csv", "models.safetensors")]
        training_job.train_and_write(training_job.Job("s", "1of1", tmp_path / scratch, *out), row, inputs, [1], 1)
        return pd.read_csv(out[0]).set_index("utterance")

    before = run("scratch", near="1")
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "scratch").rglob("*.safetensors")}
    after = run("scratch", near="1", far="3")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "scratch").rglob("*.safetensors")} == made
    far = set(rows.loc[rows["session"] == "3", "utterance"])
    assert set(after.index) - set(before.index) == far
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    anew, predicted = run("another", near="1", far="3"), [f"pred_{name}" for name in DIMENSIONS]
    assert after.loc[sorted(far), predicted].std().min() > 0
    np.testing.assert_allclose(after.loc[sorted(far), predicted], anew.loc[sorted(far), predicted], atol=1e-4)


def trained_without_restoring(paths, unit, how):
    settings = system_config.settings_class("layers")
    row = settings.model_validate(shipped(settings, **how))
    inputs = Inputs(paths, "", "dimensions")
    return row, *system_config.module("layers").train(row, inputs, inputs.examples.fold(1), 1, unit)


def test_intervals_of_layer_weights_are_students(tmp_path):
    weights = [[0.2, 0.8], [0.4, 0.6], [0.3, 0.7]]
    made = {
        (1, s): ({"model/x": np.zeros(1)}, {"layers": ["0", "1"], "layer weights": w}) for s, w in enumerate(weights)
    }
    units.write(tmp_path / "m.safetensors", made, "model/")
    first, _ = trainings([tmp_path / "m.safetensors"])["layers"]
    half = 4.302653 * 0.1 / 3**0.5
    assert (first["of"], first["weight"], first["sd"]) == ("", pytest.approx(0.3), pytest.approx(0.1))
    assert (first["low"], first["high"]) == (pytest.approx(0.3 - half), pytest.approx(0.3 + half))
