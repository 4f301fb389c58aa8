"""De Oliveira 2023's regressor: FT => FRZ (Figure 3), a fine-tuned speech encoder frozen under a new head."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stages.parameters import whole
from stages.recipes import regressor
from stages.recipes.regressor import Regressor
from stages.runtime.errors import UserError
from stages.workflow import stored_layers
from stages.workflow.plan import Plan
from stages.workflow.training_jobs import system_inputs
from tests.unit.catalogue import shipped, write_params
from tests.unit.small_trainings import Noise
from tests.unit.test_recipes import eight, speech_encoder, text_encoder

HOW = {"learning_rate": 1e-2, "epochs": 3, "batch": 8}


def inputs_of(**more):
    """The inputs of eight utterances with audio, and what a training says that it has seen."""
    inputs, fold = eight("dimensions")
    inputs.scratch, inputs.audio, inputs.outputs = None, Noise(map(len, inputs.speech.frames)), 3
    inputs.speech.attributes = {"dtype": "float32"}
    for name, value in more.items():
        setattr(inputs, name, value)
    return inputs, fold


def kept(arrays: dict) -> dict:
    """A unit's arrays as its file gives them."""
    return {name.removeprefix("model/"): values for name, values in arrays.items() if name.startswith("model/")}


def part(arrays: dict, name: str) -> dict:
    """The weights of one part of the model."""
    prefix = f"model/network/{name}."
    return {key.removeprefix(prefix): values for key, values in arrays.items() if key.startswith(prefix)}


@pytest.fixture(scope="module")
def fine_tuned() -> dict:
    row = Regressor.model_validate(shipped(Regressor, use_text=False, modality="audio", **HOW))
    inputs, fold = inputs_of()
    _, arrays, _ = regressor.train(row, inputs, fold, 1, None)
    assert list(inputs.noted) == ["fine-tuned encoders"] and len(inputs.noted["fine-tuned encoders"]) == 8
    return arrays


def test_frozen_encoders_end_as_they_began_to_the_bit(fine_tuned):
    """The speech encoder is the one fine-tuned alone, the text encoder the untuned one; the head alone has learnt."""
    row = Regressor.model_validate(shipped(Regressor, tune="head", start="alone", **HOW))
    inputs, fold = inputs_of(before=lambda *_: kept(fine_tuned))
    outputs, arrays, notes = regressor.train(row, inputs, fold, 1, None)
    speech = part(arrays, "speech")
    untuned = speech_encoder().state_dict()
    assert speech.keys() == untuned.keys() == part(fine_tuned, "speech").keys()
    for name, values in part(fine_tuned, "speech").items():
        np.testing.assert_array_equal(speech[name], values)
    moved = {name for name, values in untuned.items() if not np.array_equal(values.numpy(), speech[name])}
    assert any("layers.1" in name for name in moved) and not any("feature_extractor" in name for name in moved)
    head = [values for name in ("first", "out") for values in part(arrays, name).values()]
    assert notes["parameters"]["trained"] == sum(values.size for values in head) < notes["parameters"]["all"]
    assert not inputs.noted
    again, _ = inputs_of(before=None)
    np.testing.assert_allclose(regressor.restored(row, again, kept(arrays))(fold.scored), outputs, atol=1e-4)


def test_a_frozen_text_encoder_is_the_untuned_one_and_the_head_learns():
    def opened():
        torch.manual_seed(7)
        return text_encoder()

    row = Regressor.model_validate(shipped(Regressor, tune="head", **HOW | {"epochs": 40, "patience": 40}))
    inputs, fold = inputs_of(text_encoder=opened)
    _, arrays, notes = regressor.train(row, inputs, fold, 1, None)
    for name, values in opened().state_dict().items():
        np.testing.assert_array_equal(part(arrays, "text")[name], values.numpy())
    assert notes["history"]["loss"][-1] < notes["history"]["loss"][0] - 0.2


NAMES = ["deoliveira2023-distil", "deoliveira2023-distil-text-frozen"]
STUDY = {"corpus": "planted", "protocol": "sessions", "speech": "hubert-small", "text": "bert-small"}
STUDY |= {"transcripts": "gold", "seeds": [1], "parts": 5, "systems": NAMES, "changes": {}, "trials": {}}


def test_the_plan_knows_that_a_row_starts_from_another_systems_models(tmp_path):
    path = write_params(tmp_path, studies={"frozen": STUDY}, active=["frozen"])
    plan = Plan(whole.load(path), path)
    found = system_inputs(plan, "frozen", NAMES[1], "2of5")
    assert found["start"] == "data/train/frozen/deoliveira2023-distil/2of5.safetensors"
    assert Path(found["audio"]).name == "audio.h5" and "audio" not in system_inputs(plan, "frozen", NAMES[0], "2of5")
    assert stored_layers.stored(plan) == {"planted": {"hubert-small": ["conv"]}}


FAULTS = {
    "not there": ({"systems": NAMES[1:]}, "'deoliveira2023-distil' is not in studies.frozen.systems"),
    "with text": ({"changes": {NAMES[0]: {"use_text": True}}}, "does not fine-tune a speech encoder alone"),
    "of itself": ({"changes": {NAMES[1]: {"start": NAMES[1]}}}, "does not fine-tune a speech encoder alone"),
    "another": ({"changes": {NAMES[0]: {"speech": "hubert-half"}}}, "fine-tunes another speech encoder"),
    "tuned": ({"changes": {NAMES[1]: {"tune": "all"}}}, "gives a frozen encoder; set tune: head"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_start_that_cannot_be_is_refused(tmp_path, fault):
    changes, message = FAULTS[fault]
    with pytest.raises(UserError, match=message):
        whole.load(write_params(tmp_path, studies={"frozen": STUDY | changes}, active=["frozen"]))
