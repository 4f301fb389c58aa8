"""The probe's forms on stores whose classes lie in one of the two alone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from stages.corpora.manifest import write_manifest
from stages.metrics.scores import uar
from stages.recipes import system_config
from stages.recipes.new_audio import NewAudio
from stages.recipes.training_inputs import Inputs
from stages.runtime.errors import UserError
from stages.stores.feature_writer import FeatureWriter
from stages.training import units
from tests.unit.catalogue import shipped
from tests.unit.small_study import CLASSES, manifest_rows, protocol_frame


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Speech (50 frames a second) tells angry and happy from the rest, descriptors (100) happy and sad."""
    folder, rng = tmp_path_factory.mktemp("probe"), np.random.default_rng(0)
    write_manifest(folder / "manifest.csv", manifest_rows(each=12))
    rows = pd.read_csv(folder / "manifest.csv", dtype={"session": str}, keep_default_na=False)
    protocol_frame(rows).to_csv(folder / "protocol.csv", index=False)
    seconds, told = rng.integers(10, 20, len(rows)), {"speech": ("angry", "happy"), "beside": ("happy", "sad")}
    for kind, hop, layers in (("speech", 0.02, ["local", "0", "1"]), ("beside", 0.01, ["0"])):
        spec = {"hop": hop, "weights": "", "manifest": ""}
        lengths = seconds * round(0.02 / hop) + (kind == "beside")
        writer = FeatureWriter(folder / f"{kind}.h5", list(rows["utterance"]), lengths, dict.fromkeys(layers, 6), spec)
        for i, (name, length) in enumerate(zip(rows["emotion"], lengths, strict=True)):
            for layer in layers:
                writer.put(
                    i,
                    layer,
                    rng.normal(2.0 * (name in told[kind]) * (layer != "0" or kind == "beside"), 1, (length, 6)),
                )
        writer.close()
    names = {"manifest": "manifest.csv", "protocol": "protocol.csv", "speech": "speech.h5", "beside": "beside.h5"}
    return {kind: folder / name for kind, name in names.items()}


def trained(paths, recipe: str, **changes):
    """The row, test UAR in fold 1, test outputs, arrays, notes and inputs."""
    settings = system_config.settings_class(recipe)
    row = settings.model_validate(
        shipped(settings, **{"hidden": 16, "learning_rate": 1e-2, "epochs": 15, "normalise": "global"} | changes)
    )
    inputs = Inputs(paths, "", "emotion")
    fold = inputs.examples.fold(1)
    outputs, arrays, notes = system_config.module(recipe).train(row, inputs, fold, 1, None)
    test = outputs[len(fold.val) :]
    return row, uar(inputs.examples.truth[fold.test], test.argmax(1)), test, arrays, notes, inputs


@pytest.mark.parametrize(
    ("recipe", "changes", "low", "high"),
    [
        ("probe", {}, 0.3, 0.75),
        ("probe", {"network": "lstm", "activation": "relu"}, 0.3, 0.75),
        ("probe", {"layers": ["0"]}, 0.0, 0.45),
        ("fusion", {}, 0.9, 1.0),
        ("fusion", {"dropout_at": "before", "wrap": True, "clip_value": 1.0, "weights": "softmax"}, 0.9, 1.0),
    ],
)
def test_a_form_finds_what_it_hears_and_is_restored(paths, recipe, changes, low, high):
    row, score, test, arrays, notes, inputs = trained(paths, recipe, **changes)
    assert low <= score <= high
    assert notes["layers"] == changes.get("layers", ["local", "1"])
    fold = inputs.examples.fold(1)
    chosen = [inputs.utterances[i] for i in fold.test]
    stores = {kind: paths[kind] for kind in ("speech", "beside")}
    new_audio = NewAudio("", stores, {"speech": "x"}, chosen, [""] * len(chosen), [], len(CLASSES))
    kept = {name.removeprefix("model/"): values for name, values in arrays.items()}
    found = system_config.module(recipe).restored(row, new_audio, kept)(np.arange(len(chosen)))
    np.testing.assert_allclose(found, test, atol=1e-5)


def test_speakers_may_be_prefixes_of_names(paths):
    inputs = Inputs(paths, "", "emotion")
    fold, inputs.speakers = inputs.examples.fold(1), np.array(["one"] * len(inputs.utterances))
    assert len(inputs.frames(["1"], 0, "speaker", fold).normaliser.mean) == 1
    assert len(inputs.frames(["1"], 0, "speaker", fold, by="prefix").normaliser.mean) == 10
    del inputs.prefixes
    inputs.frames(["1"], 0, "none", fold)
    inputs.utterances[3] = "none"
    with pytest.raises(UserError, match="no prefix before a _; choose speaker"):
        inputs.frames(["1"], 0, "speaker", fold, by="prefix")


def test_a_layer_that_is_not_stored_is_named(paths):
    with pytest.raises(UserError, match="no layer '7'"):
        trained(paths, "probe", layers=["7"])


def test_units_side_by_side_are_the_units_one_after_another(paths, tmp_path):
    settings = system_config.settings_class("probe")
    row = settings.model_validate(shipped(settings, hidden=16, learning_rate=1e-2, epochs=3, normalise="global"))
    found = {}
    for workers in (1, 2):
        inputs = Inputs(paths, "", "emotion")

        def work(number, seed, unit, inputs=inputs):
            torch.set_num_threads(1)  # as in a job; the threads of this process are not there after the fork
            outputs, arrays, notes = system_config.module("probe").train(
                row, inputs, inputs.examples.fold(number), seed, unit
            )
            return arrays | {"outputs": outputs}, notes | {"process": os.getpid()}

        pairs = [(fold, seed) for fold in inputs.examples.folds[:2] for seed in (1, 2)]
        found[workers] = units.run("t", pairs, lambda *_: {}, work, tmp_path / str(workers), workers)
    assert list(found[1]) == list(found[2]) == pairs
    for unit in pairs:
        (alone, about), (beside, of_worker) = found[1][unit], found[2][unit]
        assert about.pop("process") == os.getpid() != of_worker.pop("process")
        assert about.pop("measured").keys() == of_worker.pop("measured").keys()
        assert about == of_worker and alone.keys() == beside.keys()
        assert all(np.array_equal(alone[name], beside[name]) for name in alone)
    assert not np.array_equal(found[1][1, 1][0]["outputs"], found[1][1, 2][0]["outputs"])


def test_a_fault_of_a_worker_is_the_fault_of_the_job(tmp_path):
    def refuse(fold, seed, unit):
        raise UserError(f"fold {fold}: no such layer")

    with pytest.raises(UserError, match="fold 1: no such layer"):
        units.run("t", [(1, 1), (1, 2)], lambda *_: {}, refuse, tmp_path, workers=2)
    with pytest.raises(UserError, match=r"lower train\.workers"):
        units.run("t", [(1, 1), (1, 2)], lambda *_: {}, lambda *_: os.kill(os.getpid(), 9), tmp_path, workers=2)
    assert "SERPENTINE_PARENT" not in os.environ


def test_workers_die_with_their_job(tmp_path):
    code = f"""
import time
from pathlib import Path
from stages.training import units
def work(fold, seed, unit):
    Path(f"{tmp_path}/{{seed}}").write_text(str(__import__("os").getpid()))
    time.sleep(60)
units.run("t", [(1, 1), (1, 2)], lambda *_: {{}}, work, "{tmp_path}", workers=2)
"""
    job = subprocess.Popen([sys.executable, "-c", code])
    begun = [tmp_path / "1", tmp_path / "2"]
    end = time.monotonic() + 30
    while not all(path.exists() and path.read_text() for path in begun):
        assert time.monotonic() < end and job.poll() is None
        time.sleep(0.02)
    workers = [int(path.read_text()) for path in begun]
    job.kill()
    job.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < end
        time.sleep(0.02)
