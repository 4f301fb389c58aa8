"""Pan 2024's pseudo-labels: how they are made, judged and refused, and what retraining makes of them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from stages.cluster import Cluster, clustered
from stages.guards import contamination
from stages.guards.seen import pack
from stages.models.gmp import Classifier
from stages.pretraining.span_mask import span_mask
from stages.recipes import codebooks
from stages.recipes.labelled_set import Fold
from stages.retrain import PseudoLabels, Retrain, retrained
from stages.runtime.errors import UserError
from stages.training import units
from tests.unit.catalogue import shipped
from tests.unit.small_stores import sources
from tests.unit.small_study import SmallStudy, predictions
from tests.unit.small_trainings import settings_of, trained
from tests.unit.test_fine_tuning import whisper
from tests.unit.test_recipes import eight, speech_encoder

torch.set_num_threads(1)
SQUARE = np.array([[0, 0], [0, 2], [9, 0], [9, 2], [9, 4]], np.float32)


def fitted(**changes) -> tuple[dict, dict]:
    """Labels and notes of the eight utterances: four train, two validate, two are tested."""
    section = Cluster.model_validate(shipped(Cluster, **{"layers": [-1], "scales": [4], "start": ""} | changes))
    inputs, _ = eight("emotion")
    inputs.scratch = None
    names = inputs.examples.manifest["utterance"]
    inputs.examples.manifest = inputs.examples.manifest.assign(
        speaker=[f"s{i // 2}" for i in range(8)], gender=["female", "male"] * 4, text=""
    )
    inputs.examples.protocol = pd.DataFrame(
        {"utterance": names, "fold": 1, "role": ["train"] * 4 + ["val"] * 2 + ["test"] * 2}
    )
    fold = Fold(1, np.arange(4), np.array([4, 5]), np.array([6, 7]))
    return clustered(section, inputs, fold, 1, None)


def test_centroids_of_five_points():
    """Two columns of points: means at heights 1 and 2, squared distances 1, 1, 4, 0, 4."""
    found = codebooks.k_means(SQUARE, 5, 2, 10, 1)
    assert len(set(found.labels[:2])) == 1 and len(set(found.labels[2:])) == 1 and found.labels[0] != found.labels[4]
    assert found.figures == {"inertia": 2.0, "splits": 0, "on": "cpu"}
    alone = codebooks.k_means(SQUARE, 2, 1, 10, 1)
    assert alone.figures["inertia"] == 1.0 and len(alone.labels) == 5, "fitted on the first two, all are labelled"
    with pytest.raises(UserError, match="9 centroids for 5 frames; lower the scale"):
        codebooks.k_means(SQUARE, 5, 9, 10, 1)


def test_an_empty_centroid_is_counted_as_a_split():
    twice = np.repeat(SQUARE[:1], 6, 0)
    assert codebooks.k_means(np.concatenate([twice, SQUARE[4:]]), 7, 3, 5, 1).figures["splits"] > 0


@pytest.mark.parametrize(("scale", "kind"), [(2, "uint8"), (256, "uint8"), (257, "uint16")])
def test_labels_take_the_smallest_type(scale, kind):
    frames = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    labels = codebooks.k_means(frames, 300, scale, 2, 1).labels
    assert labels.dtype == kind and labels.max() <= scale - 1


def test_perplexity_and_mutual_information():
    assert codebooks.perplexity(np.array([0, 1, 2, 3]), 4) == pytest.approx(4.0)
    uneven = np.array([0, 0, 0, 1])
    assert codebooks.perplexity(uneven, 4) == pytest.approx(0.75**-0.75 * 0.25**-0.25)
    known = {"emotion": np.array([5, 5, 5, 2]), "gender": np.array([0, 1, -1, -1]), "speaker": np.full(4, -1)}
    found = codebooks.judged(uneven, known, 4)
    assert (found["empty"], found["commonest"]) == (2, 0.75)
    assert found["nmi emotion"] == pytest.approx(1.0) and found["nmi gender"] == pytest.approx(0.0, abs=1e-12)
    assert "nmi speaker" not in found, "nothing is known of it"


def test_a_collapsed_codebook_is_refused():
    labels = np.array([0] * 97 + [1, 2, 3])
    codebooks.refuse_collapsed(np.arange(64) % 4, 4, 0.9, "here")
    with pytest.raises(UserError, match=r"here: the codebook of 4 has collapsed: .* is 1\.2, less than 0\.5"):
        codebooks.refuse_collapsed(labels, 4, 0.5, "here")


def test_shuffled_labels_keep_their_frequencies():
    labels = np.random.default_rng(0).integers(0, 5, 200).astype(np.uint8)
    found = codebooks.shuffled(labels, 1)
    assert found.dtype == np.uint8 and (np.bincount(found) == np.bincount(labels)).all() and (found != labels).any()


def test_frames_in_a_file_give_the_same_labels(tmp_path):
    assert isinstance(codebooks.frame_store((2, 3), 0.0, tmp_path), np.memmap) and not list(tmp_path.iterdir())
    assert not isinstance(codebooks.frame_store((2, 3), 1.0, tmp_path), np.memmap)
    (memory, in_memory), (file, in_file) = fitted(memory_gb=1.0), fitted(memory_gb=0.0)
    assert in_memory == in_file and all(np.array_equal(memory[name], file[name]) for name in memory)


def test_all_layers_and_scales_at_once_equal_one_by_one():
    arrays, notes = fitted(layers=[-1, -3], scales=[4, 8])
    assert set(arrays) == {"labels/rows", "labels/counts"} | {f"labels/{n}/{k}" for n in (-1, -3) for k in (4, 8)}
    assert arrays["labels/counts"].tolist() == [24, 26, 28, 30, 32, 34], "training and validation rows, none of test"
    assert all(len(arrays[name]) == 174 for name in arrays if name.count("/") == 2)
    for layer, scale in ((-1, 8), (-3, 4)):
        alone, noted = fitted(layers=[layer], scales=[scale])
        key = f"{layer}/{scale}"
        assert np.array_equal(alone[f"labels/{key}"], arrays[f"labels/{key}"])
        assert noted["quality"][key] == notes["quality"][key]
    assert {"nmi emotion", "nmi gender", "nmi speaker"} <= set(notes["quality"]["-1/4"]), "sentences are not known"
    assert "nmi sentence" not in notes["quality"]["-1/4"]


def test_a_layer_deeper_than_the_encoder_is_refused():
    fitted(layers=[-3])  # what the first of two blocks takes
    with pytest.raises(UserError, match=r"cluster layers: -4, but the encoder has 2 blocks; take -1 to -3"):
        fitted(layers=[-4])


def test_a_codebook_over_test_utterances_declares_it():
    _, notes = fitted()
    assert notes["seen"] == ["u0", "u1", "u2", "u3"] and "leaks" not in notes and notes["frames"] == 108
    arrays, notes = fitted(fit="all")
    assert notes["leaks"] == [f"u{i}" for i in range(8)] and "seen" not in notes
    assert notes["frames"] == 108 + 66 + 74 and len(arrays["labels/-1/4"]) == 174


def test_a_declared_leak_is_scored_and_marked(tmp_path):
    names = [f"u{i}" for i in range(8)]
    manifest = pd.DataFrame({"utterance": names})
    protocol = pd.DataFrame({"utterance": names, "fold": 1, "role": ["train"] * 6 + ["test"] * 2})
    notes = {"seen": {"adapt gmp": pack(names[:6], names)}, "leaks": {"cluster gmp": pack(names, names)}}
    units.write(tmp_path / "m.safetensors", {(1, 1): ({"model/w": np.zeros(1)}, notes)}, "model/")
    fair, leaky = contamination.fitted_components([tmp_path / "m.safetensors"], manifest, protocol)
    assert fair == {"what": "adapt gmp", "seen": "6 training rows per fold"}
    assert leaky["seen"] == "8 rows per fold, tested ones among them" and leaky["leak"] == contamination.LEAK
    undeclared = {"seen": {"cluster gmp": pack(names, names)}}
    units.write(tmp_path / "m.safetensors", {(1, 1): ({"model/w": np.zeros(1)}, undeclared)}, "model/")
    with pytest.raises(UserError, match="fitted on u6, u7, which is a test utterance"):
        contamination.fitted_components([tmp_path / "m.safetensors"], manifest, protocol)


def test_what_a_declared_leak_helped_is_marked_in_the_report(tmp_path):
    """Of two systems alike, the one whose codebook has seen test utterances."""
    study = SmallStudy(tmp_path, {"linear": {}, "pan2024-leaky-ams": {"start": ""}})
    names, folds = study.rows["utterance"].tolist(), study.roles.groupby("fold")["utterance"].unique()
    for name in study.values["systems"]:
        train, key = {}, "leaks" if name == "pan2024-leaky-ams" else "seen"
        for fold in folds.index:
            rows = study.roles.query("fold == @fold")
            seen = rows if key == "leaks" else rows[rows["role"] == "train"]
            train[int(fold), 1] = ({}, {"seen": {}} | {key: {"cluster leaky": pack(seen["utterance"], names)}})
        units.write(tmp_path / f"{name}.safetensors", train, "model/")
        frame = predictions(study.rows, study.roles, "emotion", 1.0)
        ended = study.evaluate(name, study.predict(name, frame), more=("--models", tmp_path / f"{name}.safetensors"))
        assert ended.returncode == 0, ended.stderr
    ended = study.report(study.values["systems"])
    assert ended.returncode == 0, ended.stderr
    out = tmp_path / "report" / "small"
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["pan2024-leaky-ams"]["uar"]["watermark"] == contamination.LEAK
    assert "watermark" not in metrics["linear"]["uar"]
    lines = (out / "results.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("| pan2024-leaky-ams (leaky)")]
    assert [line for line in lines if line.startswith("| linear ")] and "linear (leaky)" not in "".join(lines)
    page = (out / "index.html").read_text()
    assert "Declared to be fitted on test rows too: pan2024-leaky-ams." in page


def labels_of(counts=(3, 2), found=(0, 0, 1, 1, 1), **changes) -> PseudoLabels:
    """The labels at scale 2 of a training utterance of three frames and a validation one of two."""
    section = Retrain.model_validate(shipped(Retrain, **{"least_perplexity": 0.0} | changes))
    fold = Fold(1, np.array([0]), np.array([1]), np.array([], int))
    arrays = {"labels/rows": np.array([0, 1]), "labels/counts": np.array(counts)}
    arrays["labels/-3/2"] = np.array(found, np.uint8)
    return PseudoLabels(arrays, section, fold, np.array([3, 2]), 1)


def test_pseudo_labels_are_one_per_frame():
    found = labels_of()
    assert found.scales == [2] and found.of(2, 0).tolist() == [0, 0, 1] and found.of(2, 1).tolist() == [1, 1]
    for changes, message in (
        ({"counts": (2, 3)}, "cluster gmp: 2 labels for the 3 frames of an utterance"),
        ({"found": (0, 0, 1, 1)}, "cluster gmp: 4 labels for 5 frames"),
        ({"layer": -2}, "cluster gmp: has no pseudo-labels of layer -2; add it to its layers"),
        ({"least_perplexity": 0.96}, "cluster gmp, layer -3: the codebook of 2 has collapsed"),
    ):
        with pytest.raises(UserError) as refused:
            labels_of(**changes)
        assert message in str(refused.value)


def test_shuffling_is_of_training_frames_alone():
    moved = [labels_of(found=(0, 1, 1, 0, 0), shuffle=True).of(2, position) for position in (0, 1)]
    assert sorted(moved[0]) == [0, 1, 1] and moved[1].tolist() == [0, 0]


def test_the_commonest_unit_of_training_is_what_accuracy_is_held_against():
    fold = Fold(1, np.array([0]), np.array([1]), np.array([], int))
    assert labels_of(found=(0, 0, 1, 0, 1)).commonest(2, fold) == 0.5
    _, notes = trained("retrain")
    found = notes["masked accuracy on validation rows"]
    assert found.keys() == {"5"} and found["5"].keys() == {"accuracy", "commonest unit"}
    assert found["5"]["accuracy"] > found["5"]["commonest unit"] > 0.2, "it has learnt these very labels"


@pytest.mark.parametrize("least", [1, 2, 3])
def test_at_least_so_many_spans_are_masked(least):
    """A probability near zero asks for none; spans of one frame never overlap, so they can be counted."""
    generator = torch.Generator().manual_seed(1)
    mask = span_mask(torch.tensor([20, 2]), 20, 1e-9, 1, generator, least)
    assert mask.sum(1).tolist() == [least, min(least, 2)]


def test_a_bilstm_before_pooling_hears_no_padding():
    torch.manual_seed(0)
    model = Classifier(speech_encoder(), 8, 4).eval()
    hidden, lengths = torch.randn(2, 6, 32), torch.tensor([6, 3])
    together, alone = model(hidden, lengths), model(hidden[1:, :3], lengths[1:])
    torch.testing.assert_close(together[1:], alone, atol=1e-6, rtol=1e-5)
    by_hand = model.project(model.lstm(hidden[1:, :3])[0].mean(1))
    torch.testing.assert_close(alone, by_hand, atol=1e-6, rtol=1e-5)
    assert model.project[0].in_features == 8 and Classifier(speech_encoder(), 8).project[0].in_features == 32


def test_the_last_stage_pools_the_layer_that_is_set():
    """Blocks above it then stay as they were."""
    start = {name: value.numpy() for name, value in speech_encoder().state_dict().items()}
    arrays, _ = trained("gmp", layer=-2, epochs=1)
    moved = {n.removeprefix("model/network/body.speech.") for n, a in arrays.items() if "body.speech" in n}
    assert moved == set(start)
    same = {name for name in start if np.array_equal(start[name], arrays[f"model/network/body.speech.{name}"])}
    assert {name for name in start if ".layers.1." in name} <= same
    assert not {name for name in start if ".layers.0." in name and "k_proj.bias" not in name} & same
    with pytest.raises(UserError, match="gmp layer: -4, but the encoder has 2 blocks; take -1 to -3"):
        trained("gmp", layer=-4)
    assert settings_of("gmp").layer == -1


def test_whisper_is_clustered_and_retrained(tmp_path):
    """Its blocks see more frames than an utterance has; labels and masks are of its own."""
    lengths = [6_000, 9_000, 12_345, 8_000]
    inputs, (few, _) = sources(tmp_path, whisper(tmp_path), lengths), eight("emotion")
    inputs.examples, inputs.device = few.examples, "cpu"
    names = [f"u{i}" for i in range(4)]
    known = {"utterance": names, "speaker": "s", "gender": "female", "text": ""}
    inputs.examples.manifest = pd.DataFrame(known)
    inputs.examples.targets = np.arange(4) % 2
    inputs.examples.protocol = pd.DataFrame({"utterance": names, "fold": 1, "role": ["train"] * 3 + ["val"]})
    fold = Fold(1, np.arange(3), np.array([3]), np.array([], int))
    section = {"layers": [-1, -4], "scales": [4], "start": ""}
    arrays, _ = clustered(Cluster.model_validate(shipped(Cluster, **section)), inputs, fold, 1, None)
    frames = [inputs.speech_encoder().frames(n) for n in lengths]
    assert arrays["labels/counts"].tolist() == frames and len(arrays["labels/-4/4"]) == sum(frames)
    inputs.labels = lambda *_: arrays
    row = settings_of("retrain", layer=-4, epochs=1, mask_length=3)
    again, notes = retrained(row, inputs, fold, 1, None)
    assert len(notes["history"]["loss"]) == 1 and any("layers.0" in name for name in again)
