"""Every recipe that trains a network learns eight utterances by heart, as judged by what it writes for test rows."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from stages import adapt
from stages.encoders import prefix
from stages.encoders.dropout import drop_out
from stages.encoders.speech import SpeechEncoder
from stages.encoders.text import SPECIAL, TextEncoder
from stages.pretraining.hubert import HubertPretraining, config_of
from stages.recipes import system_config
from stages.recipes.labelled_set import Examples, Fold
from tests.unit.catalogue import shipped

torch.set_num_threads(1)
WORDS = ["go", "no", "hat", "sun", "red", "pig", "mud", "elk"]
EMBEDDING = 8


def speech_encoder(**changes):
    sizes = {"width": 32, "layers": 2, "heads": 2, "conv_widths": [16] * 7}
    section = HubertPretraining.model_validate(shipped(HubertPretraining, **sizes | changes))
    torch.manual_seed(0)
    encoder = SpeechEncoder.build(config_of(section))
    encoder.untouched = prefix.digests(encoder)
    return encoder


def text_encoder():
    config = {"vocab_size": 13, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return TextEncoder.build(config | {"intermediate_size": 64}, [*SPECIAL, *WORDS])


class Store:
    """Random frames whose mean tells utterances apart, of lengths 24 to 38; a block's are twice as wide."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.frames = [rng.normal(0.5 * rng.normal(size=16), 1, (24 + 2 * i, 16)).astype(np.float32) for i in range(8)]
        self.normaliser = SimpleNamespace(arrays=lambda prefix: {})  # the frames are normal as they are
        self.offsets, self.width = np.cumsum([0, *map(len, self.frames)]), 16

    def read(self, layer, index):
        return self.frames[index] if layer == "conv" else np.tile(self.frames[index], 2)

    def padded(self, positions):
        found = [torch.from_numpy(self.frames[p]) for p in positions]
        return torch.nn.utils.rnn.pad_sequence(found, batch_first=True), torch.tensor([len(f) for f in found])


def eight(task: str):
    """Inputs as the recipes see them, and a fold whose training rows are also validated and tested."""
    examples, rng = Examples.__new__(Examples), np.random.default_rng(1)
    examples.task, examples.classes, examples.dimensions = task, list("abcd"), ["arousal", "valence", "dominance"]
    examples.manifest = pd.DataFrame({"utterance": [f"u{i}" for i in range(8)]})
    examples.targets = np.arange(8) % 4 if task == "emotion" else rng.uniform(1, 7, (8, 3)).astype(np.float32)
    store, everyone = Store(), np.arange(8)
    inputs = SimpleNamespace(examples=examples, speech=store, rows=lambda store: everyone, frames=lambda *_: store)
    inputs.device = "cpu"
    inputs.speech_encoder, inputs.text_encoder = speech_encoder, text_encoder
    inputs.transcripts = pd.DataFrame({"text": WORDS, "reference": WORDS})
    inputs.texts = WORDS
    inputs.noted = {}
    inputs.note_seen = inputs.noted.__setitem__
    views = {"embedding": rng.normal(size=(8, EMBEDDING)), "predicted": np.zeros((8, 3))}
    inputs.before = lambda *_: {name: view.astype(np.float32) for name, view in views.items()}
    inputs.utterances, inputs.outputs = examples.names(everyone), examples.outputs
    return inputs, Fold(1, everyone, everyone, everyone[:0])


RECIPES = {"teacher": "srinivasan", "student": "srinivasan"}
"""Recipes of the cases that do not bear their recipe's name."""
STUDENT = {"tuned_blocks": 6, "teacher": "t", "weight": 0.1}
CASES = {
    "regressor": {"learning_rate": 1e-3, "epochs": 60, "patience": 60, "batch": 8},
    "teacher": {"learning_rate": 1e-2, "epochs": 60, "hidden": 16, "embedding": EMBEDDING, "batch": 8, "sees": "both"},
    "student": {"learning_rate": 1e-2, "epochs": 60, "hidden": 16, "embedding": EMBEDDING, "batch": 8} | STUDENT,
    "gmp": {"learning_rate": 3e-3, "epochs": 40, "start": "", "hidden": 32, "batch": 8},
    "cmgi": {
        "learning_rate": 3e-3,
        "epochs": 60,
        "patience": 20,
        "alpha": 0.5,
        "width": 32,
        "heads": 2,
        "batch": 8,
        "accumulate": 1,
    },
}


@pytest.mark.parametrize("recipe", CASES)
def test_eight_utterances_are_learnt(recipe):
    settings = system_config.settings_class(RECIPES.get(recipe, recipe))
    row = settings.model_validate(shipped(settings, **CASES[recipe]))
    inputs, fold = eight(row.task)
    if recipe == "cmgi":
        first = {"task": "ctc", "emotion_weight": 0.5, "learning_rate": 3e-3, "epochs": 500, "batch": 8, "patience": 0}
        section = adapt.Adapt.model_validate(shipped(adapt.Adapt, **first))
        started, _ = adapt.adapted(section, inputs, fold, 1, None)
        inputs.start = lambda *_: started
    outputs, arrays, notes = system_config.module(row.recipe).train(row, inputs, fold, 1, None)
    outputs, columns = np.split(outputs, [inputs.outputs], axis=1)
    assert inputs.examples.score(fold.scored, outputs) > 0.95
    if recipe == "cmgi":
        assert notes["hypotheses"] == WORDS
        assert columns.shape == (8, 2) and (columns > 0).all() and (columns < 1).all()
    kept = {name.removeprefix("model/"): values for name, values in arrays.items() if name.startswith("model/")}
    again = system_config.module(row.recipe).restored(row, inputs, kept)(fold.scored)
    np.testing.assert_allclose(again, np.concatenate([outputs, columns], 1), atol=1e-4)


def test_networks_of_some_size_take_a_gpu():
    names = ["linear", "correlation", "probe", "fusion", "layers", "srinivasan", "regressor", "gmp", "cmgi"]
    classes = {name: system_config.settings_class(name) for name in names}
    takes = {name for name, one in classes.items() if one.model_validate(shipped(one)).takes_gpu}
    assert takes == {"srinivasan", "regressor", "gmp", "cmgi"}


def test_frozen_blocks_drop_nothing_out():
    encoder = speech_encoder(dropout=0.5)
    prefix.freeze(encoder, "1")
    encoder.train()
    conv, lengths = Store().padded([0, 1])
    (start, below, top), again = encoder.context(conv, lengths), encoder.context(conv, lengths)
    torch.testing.assert_close(below, again[1], atol=0, rtol=0)
    torch.testing.assert_close(start, again[0], atol=0, rtol=0)
    assert not torch.equal(top, again[2])


def test_encoders_drop_out_what_a_row_says_whatever_their_configuration():
    conv, lengths = Store().padded([0, 1])
    for encoder, words in ((speech_encoder(dropout=0.5), (conv, lengths)), (text_encoder(), None)):
        words = words or encoder.tokenise(["go no hat", "sun"])
        run = encoder.context if hasattr(encoder, "context") else encoder.forward
        for share in (0.1, 0.0):
            drop_out(encoder.train().modules(), share)
            same = [torch.equal(one, again) for one, again in zip(run(*words), run(*words), strict=True)]
            assert set(same) == {share == 0.0}, share
    settings, found = system_config.settings_class("regressor"), []
    for share in (0.0, 0.1):
        row = settings.model_validate(shipped(settings, dropout=0.0, encoder_dropout=share, epochs=1))
        inputs, fold = eight(row.task)
        found.append(system_config.module("regressor").train(row, inputs, fold, 1, None)[2]["history"]["loss"])
    assert found[0] != found[1]
