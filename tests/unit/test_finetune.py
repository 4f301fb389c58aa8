"""The recipe ``finetune``: it learns, trains what its row says and nothing else, and comes back as it was."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from stages.encoders import load_speech, prefix, specs
from stages.recipes import finetune
from stages.recipes.augmentation import Augmentation
from stages.recipes.fine_tuning import balanced
from stages.recipes.labelled_set import Examples, Fold
from stages.runtime.errors import UserError
from stages.stores.scratch import Unit
from stages.training import batches, loop
from tests.unit.catalogue import shipped
from tests.unit.small_stores import built_in, sources
from tests.unit.test_fine_tuning import unseen, whisper

torch.set_num_threads(1)
CLASSES = ["high", "low", "middle"]
HERTZ = [2400, 300, 900]
FOLD = Fold(1, np.arange(12), np.arange(12, 18), np.arange(18, 24))


def tones():
    """Clips of three pitches in noise, of 0.2 to 0.4 s; int16."""
    rng = np.random.default_rng(5)
    waves = []
    for i in range(24):
        seconds = np.arange(rng.integers(3_200, 6_400)) / 16_000
        wave = 0.5 * np.sin(2 * np.pi * HERTZ[i % 3] * rng.uniform(0.97, 1.03) * seconds)
        waves.append((16_000 * (wave + 0.02 * rng.standard_normal(len(wave)))).astype(np.int16))
    return waves


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """{encoder: inputs as the recipes see them}, each made when first asked for."""
    made, waves = {}, tones()
    makers = {"whisper": whisper, "built-in": built_in, "unseen": lambda folder: unseen(folder, "wav2vec2-conformer")}

    def corpus(encoder: str, task: str = "emotion"):
        if encoder not in made:
            folder = tmp_path_factory.mktemp(encoder)
            made[encoder] = sources(folder, makers[encoder](folder), [len(wave) for wave in waves], waves=waves)
        inputs, examples = made[encoder], Examples.__new__(Examples)
        examples.task, examples.classes, examples.dimensions = task, CLASSES, ["arousal", "valence"]
        examples.manifest = pd.DataFrame(
            {"utterance": inputs.utterances, "emotion": [CLASSES[i % 3] for i in range(24)]}
        )
        examples.protocol = examples.manifest
        high = np.array(HERTZ)[np.arange(24) % 3] / 1000
        examples.targets = np.arange(24) % 3
        if task == "dimensions":
            examples.targets = np.stack([1 + 2 * high, 7 - high], 1).astype(np.float32)
        inputs.examples, inputs.outputs = examples, examples.outputs
        return inputs

    return corpus


def row(**changes):
    quick = {"batch": 4, "epochs": 30, "patience": 30, "hidden": 0, "learning_rate": 0.03, "tuned_blocks": 1}
    quick |= {"encoder_learning_rate": 1e-3, "dropout": 0.0}
    return finetune.Finetune.model_validate(shipped(finetune.Finetune, **quick | changes))


def trained(inputs, settings, unit=None, seed=1):
    outputs, arrays, notes = finetune.train(settings, inputs, FOLD, seed, unit)
    kept = {name.removeprefix("model/"): values for name, values in arrays.items()}
    return outputs, kept, notes


WAYS = {
    "all, attention": ("whisper", {"tuned_blocks": -1, "freeze_cnn": False, "pooling": "attention"}),
    "from the CNN, deviation": ("built-in", {"tuned_blocks": -1, "pooling": "mean+std", "accumulate": 2, "epochs": 60}),
    "top block": ("whisper", {"label_smoothing": 0.1}),
    "frozen": ("whisper", {"tuned_blocks": 0}),
    "adapters": ("built-in", {"tuned_blocks": 2, "lora_rank": 4, "encoder_learning_rate": 0.01}),
    "adapters everywhere": ("whisper", {"tuned_blocks": -1, "lora_rank": 4, "lora_dropout": 0.1}),
    "another family": ("unseen", {"tuned_blocks": 2, "epochs": 40, "learning_rate": 0.01}),
    "changed at random": ("whisper", {"noise": 0.5, "gain": 6.0, "mask_prob": 0.2, "mask_length": 2}),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_learns_what_its_row_says_and_comes_back(corpora, way):
    encoder, changes = WAYS[way]
    inputs, settings = corpora(encoder), row(**changes)
    outputs, kept, notes = trained(inputs, settings)
    test = outputs[len(FOLD.val) :]
    assert inputs.examples.score(FOLD.test, test) > 0.6, "chance is 1/3"
    assert notes["class weights"] == dict.fromkeys(CLASSES, 1.0)
    predict = finetune.restored(settings, inputs, kept)
    np.testing.assert_allclose(predict(FOLD.scored), outputs, atol=2e-5)
    alone = np.concatenate([predict(np.array([position])) for position in FOLD.scored])
    np.testing.assert_allclose(alone, outputs, atol=1e-4)
    before = inputs.speech_encoder()
    boundary, names = finetune._frozen(settings, before), before.state_dict()
    assert {f"network/encoder.{name}" for name in names} <= set(kept)
    changed = {name for name in names if not np.array_equal(kept[f"network/encoder.{name}"], names[name].numpy())}
    below = [module for part, modules in before.parts().items() if _at_most(part, boundary) for module in modules]
    fixed = {id(p) for module in below for p in module.parameters()}
    assert not {name for name, p in before.named_parameters() if id(p) in fixed} & changed
    assert bool(changed) == (settings.tuned_blocks != 0)
    if settings.lora_rank:
        assert all("fc" in name or "dense" in name for name in changed)


def _at_most(part: str, boundary: str) -> bool:
    order = ["", "conv", *map(str, range(100))]
    return order.index(part) <= order.index(boundary)


def test_dimensions_are_learnt_in_their_units(corpora):
    inputs = corpora("built-in", "dimensions")
    outputs, kept, _ = trained(inputs, row(task="dimensions", epochs=20, patience=20))
    assert inputs.examples.score(FOLD.test, outputs[len(FOLD.val) :]) > 0.5
    assert kept["scaling/low"].tolist() == pytest.approx([1.6, 4.6])
    again = finetune.restored(row(task="dimensions"), inputs, kept)(FOLD.scored)
    np.testing.assert_allclose(again, outputs, atol=2e-5)


@pytest.mark.parametrize("way", ["changed at random", "adapters everywhere"])
def test_an_interrupted_training_ends_bit_for_bit_the_same(corpora, tmp_path, monkeypatch, way):
    encoder, changes = WAYS[way]
    inputs, settings = corpora(encoder), row(**changes | {"epochs": 4, "dropout": 0.3})
    whole, wanted, notes = trained(inputs, settings)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    drawn, real = [], batches.bucketed

    def killed(*arguments):
        drawn.append(1)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(batches, "bucketed", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(inputs, settings, Unit("t", {}, tmp_path))
    outputs, kept, again = trained(inputs, settings, Unit("t", {}, tmp_path))
    assert len(drawn) == 5 and again == notes
    np.testing.assert_array_equal(outputs, whole)
    for name, values in wanted.items():
        np.testing.assert_array_equal(kept[name], values)


def test_class_weights_give_every_class_the_same_sum():
    assert balanced(np.array([0, 0, 0, 2]), 3).tolist() == pytest.approx([4 / 9, 0, 4 / 3])
    labels = np.repeat([0, 1, 2], [5, 1, 14])
    weights = balanced(labels, 3)
    assert [weights[c] * (labels == c).sum() for c in range(3)] == pytest.approx([20 / 3] * 3)


def test_the_loss_by_hand(corpora):
    examples = corpora("built-in").examples
    examples.targets = np.array([0, 0, 0, 1, 2, 2] * 4)
    logits, positions = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.5]]), np.array([0, 3])
    log_p = logits.log_softmax(1)
    loss, _, notes = finetune._loss(row(), examples, FOLD, "cpu")
    heavy, light = 12 / 6, 12 / (3 * 6)
    assert notes["class weights"] == pytest.approx({"high": light, "low": heavy, "middle": 1.0})
    wanted = -(light * log_p[0, 0] + heavy * log_p[1, 1]) / (light + heavy)
    assert float(loss(logits, positions)) == pytest.approx(float(wanted), rel=1e-6)
    plain, _, notes = finetune._loss(row(class_weights="none", label_smoothing=0.3), examples, FOLD, "cpu")
    smooth = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    assert notes == {}
    assert float(plain(logits, positions)) == pytest.approx(float(-(smooth * log_p).sum(1).mean()), rel=1e-6)


def test_soft_labels_are_the_votes_of_training_rows(corpora):
    examples = corpora("built-in").examples
    with pytest.raises(UserError, match="no votes of raters"):
        finetune._loss(row(soft_labels=True), examples, FOLD, "cpu")
    votes = {"high": [3, ""], "low": [1, ""], "middle": ["", ""], "other": [4, 2]}
    for name, (first, second) in votes.items():
        examples.manifest[f"votes_{name}"] = [first, second, *[1] * 22]
    soft = examples.soft(FOLD.train)
    assert soft[0].tolist() == [0.75, 0.25, 0.0]
    assert soft[1].tolist() == [0.0, 1.0, 0.0], "a row without a vote for a class keeps its label"
    assert np.isnan(soft[FOLD.scored]).all() and np.isfinite(soft[FOLD.train]).all()
    loss, _, _ = finetune._loss(row(soft_labels=True, class_weights="none"), examples, FOLD, "cpu")
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    log_p = logits.log_softmax(1)[0]
    assert float(loss(logits, np.array([0]))) == pytest.approx(float(-(0.75 * log_p[0] + 0.25 * log_p[1])), rel=1e-6)


def test_augmentation_is_drawn_from_the_seed():
    change = Augmentation(noise=1.0, snr=(10.0, 10.0), gain=6.0)
    wave = np.sin(np.arange(16_000) / 5).astype(np.float32)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(change.changed(wave))
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0.1 and found[0].dtype == np.float32
    factor = found[0] @ wave / (wave @ wave)  # noise is as good as orthogonal
    assert 0.5 < factor < 2.0
    rest = found[0] / factor - wave
    assert 10 * np.log10(np.square(wave).mean() / np.square(rest).mean()) == pytest.approx(10, abs=0.3)
    assert not Augmentation() and Augmentation().changed(wave) is wave


def test_the_frozen_part_is_read_where_the_store_has_it(corpora, monkeypatch):
    """And the losses are those of an encoder that runs from the waveforms."""
    inputs, settings = corpora("built-in"), row(epochs=2)
    _, _, notes = trained(inputs, settings)
    monkeypatch.setattr(prefix, "in_store", lambda *_: False)
    _, _, computed = trained(inputs, settings)
    assert computed["history"]["loss"] == pytest.approx(notes["history"]["loss"], abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "layer"),
    [
        ({"tuned_blocks": -1, "lora_rank": 4}, "0"),
        ({"tuned_blocks": -1}, "conv"),
        ({"tuned_blocks": 2, "lora_rank": 4}, "1"),
        ({"tuned_blocks": 99}, "0"),
        ({"tuned_blocks": 0}, "3"),
    ],
)
def test_a_store_of_the_layers_that_a_row_reads_is_enough(corpora, tmp_path, changes, layer):
    whole, settings = corpora("built-in"), row(epochs=1, **changes)
    spec, waves = built_in(tmp_path), tones()
    needed = specs.BuiltinSpeech.model_validate(spec | {"layers": ["needed"]})
    layers = specs.chosen(specs.with_layers(needed, settings.layers_read()["speech"]), 3, True)
    inputs = sources(tmp_path, spec | {"layers": layers}, [len(wave) for wave in waves], waves=waves)
    assert inputs.speech.layers == [layer]
    inputs.examples, inputs.outputs = whole.examples, whole.outputs
    np.testing.assert_array_equal(trained(inputs, settings)[0], trained(whole, settings)[0])


def test_a_bundle_of_a_fine_tuned_whisper_predicts_what_training_did(corpora, tmp_path):
    from stages.encoders.specs import Features
    from stages.prediction import bundle
    from stages.prediction.clips import Clip, Request
    from stages.prediction.predictor import Predictor
    from stages.prediction.trained_system import assembled
    from stages.training import units
    from tests.unit.catalogue import PARAMS, resolved

    inputs, settings = corpora("whisper"), row(epochs=2)
    outputs, arrays, notes = finetune.train(settings, inputs, FOLD, 1, None)
    weights = load_speech(specs.load(inputs.params, "small")).weights
    about = {"row": settings.model_dump(), "labels": CLASSES, "encoders": {"speech": {"name": "small"}}}
    about["encoders"]["speech"]["weights"] = weights
    units.write(tmp_path / "models.safetensors", {(1, 1): (arrays, notes)}, "model/", about)
    whole = {key: value for key, value in resolved(PARAMS).items() if key in ("features", "ingest")}
    whole["features"]["dtype"] = "float32"  # as in the stores of this test
    encoders = yaml.safe_load(Path(inputs.params).read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(whole | encoders))
    trained_system = assembled(
        str(tmp_path / "params.yaml"), "study", "finetune", [tmp_path / "models.safetensors"], {}
    )
    features = Features.model_validate(whole["features"])
    clips = [Clip(Request(f"{p}.wav", "", ""), inputs.audio.raw(int(p)), 0.0, 1.0) for p in FOLD.scored]
    predictor = Predictor(trained_system, features)
    np.testing.assert_allclose(predictor.outputs(clips)[0], outputs, atol=1e-4)
    bundle.write(tmp_path / "bundle", trained_system, predictor)
    opened = bundle.read(tmp_path / "bundle")
    again = Predictor(opened, features)
    bundle.check(tmp_path / "bundle", again)
    np.testing.assert_allclose(again.predict(clips), predictor.predict(clips), atol=1e-6)


def test_the_lines_of_the_docs_are_enough(tmp_path):
    from stages.parameters import whole
    from tests.unit.catalogue import PARAMS
    from tests.unit.small_corpus import ROOT

    blocks = [part.split("```")[0] for part in (ROOT / "docs/fine-tuning.md").read_text().split("```yaml\n")[1:]]
    (tmp_path / "params.yaml").write_text(PARAMS.read_text() + "".join(blocks))
    values = whole.load(str(tmp_path / "params.yaml"))
    assert values["rows"]["mine"]["finetune"]["tuned_blocks"] == 1
    assert len(blocks) == 2 and values["systems"]["adapted"]["lora_rank"] == 8
    for encoder in ("whisper-mine", "wavlm-mine"):
        text = "".join(blocks).replace("hubert-small", encoder).replace("linear, finetune]", "finetune, adapted, soft]")
        (tmp_path / "params.yaml").write_text(PARAMS.read_text() + text)
        assert whole.load(str(tmp_path / "params.yaml"))["studies"]["mine"]["speech"] == encoder
    (tmp_path / "params.yaml").write_text(PARAMS.read_text() + "".join(blocks).replace("hubert-small", "mfcc"))
    with pytest.raises(UserError, match="'mfcc' cannot be fine-tuned; name a transformers, Whisper or built-in one"):
        whole.load(str(tmp_path / "params.yaml"))


def test_only_what_may_need_the_waveforms_is_given_them(tmp_path):
    from stages.parameters import whole
    from stages.workflow.plan import Plan
    from stages.workflow.training_jobs import system_inputs
    from tests.unit.catalogue import resolved, write_params

    changes = {"systems": {"audio-alone": {"recipe": "regressor", "modality": "audio", "use_text": False}}}
    for encoder, heard in (("whisper-tiny", True), ("wav2vec2-base", True), ("hubert-small", False)):
        study = resolved(write_params(tmp_path))["studies"]["default"] | {"systems": ["audio-alone"], "changes": {}}
        path = write_params(tmp_path, studies={"mine": study | {"speech": encoder, "trials": {}}}, **changes)
        found = system_inputs(Plan(whole.load(path)), "mine", "audio-alone", "1of1")
        assert ("audio" in found) == heard, encoder
