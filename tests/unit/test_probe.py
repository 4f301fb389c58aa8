"""The probe's forms on stores whose classes lie in one of the two alone."""

from argparse import Namespace

import numpy as np
import pandas as pd
import pytest

from stages.corpora.manifest import write_manifest
from stages.errors import UserError
from stages.metrics.scores import uar
from stages.recipes import system
from stages.recipes.inputs import FILES, Inputs
from stages.recipes.unseen import Unseen
from stages.stores.features import FeatureWriter
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
    settings = system.settings_class(recipe)
    row = settings.model_validate(
        settings.shipped(**{"hidden": 16, "learning_rate": 1e-2, "epochs": 15, "normalise": "global"} | changes)
    )
    inputs = Inputs(Namespace(params="", **{n.replace("-", "_"): paths.get(n) for n in FILES}), "emotion")
    fold = inputs.examples.fold(1)
    outputs, arrays, notes = system.module(recipe).train(row, inputs, fold, 1, None)
    test = outputs[len(fold.val) :]
    return row, uar(inputs.examples.truth[fold.test], test.argmax(1)), test, arrays, notes, inputs


@pytest.mark.parametrize(
    ("recipe", "changes", "low", "high"),
    [
        ("probe", {}, 0.3, 0.75),
        ("probe", {"network": "lstm"}, 0.3, 0.75),
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
    unseen = Unseen("", stores, {"speech": "x"}, chosen, [""] * len(chosen), [], len(CLASSES))
    kept = {name.removeprefix("model/"): values for name, values in arrays.items()}
    found = system.module(recipe).restored(row, unseen, kept)(np.arange(len(chosen)))
    np.testing.assert_allclose(found, test, atol=1e-5)


def test_a_layer_that_is_not_stored_is_named(paths):
    with pytest.raises(UserError, match="no layer '7'"):
        trained(paths, "probe", layers=["7"])
