"""Fine-tuning from what the frozen part of an encoder puts out, kept, is fine-tuning from the waveforms."""

import numpy as np
import pytest
import torch

from stages import adapt
from stages.recipes.speech_input import SpeechInput
from stages.runtime.errors import UserError
from stages.training import weights
from tests.unit.small_stores import EVERYONE, LENGTHS, built_in, losses, sources
from tests.unit.small_trainings import settings_of
from tests.unit.test_encoders import KINDS
from tests.unit.test_recipes import eight, text_encoder

torch.set_num_threads(1)


@pytest.mark.parametrize("kind", KINDS)
def test_same_losses_as_from_the_waveforms(tmp_path, kind):
    inputs = sources(tmp_path, built_in(tmp_path, kind))
    for boundary in ("conv", "0", "2", "3"):
        wanted = losses(inputs, boundary, kept=False)
        assert len(wanted) == 4 and wanted[-1] != wanted[0]
        assert losses(inputs, boundary, kept=True) == pytest.approx(wanted, abs=1e-5)


def test_same_losses_from_half_precision(tmp_path):
    inputs = sources(tmp_path, built_in(tmp_path), dtype="float16")
    for boundary in ("conv", "2"):
        found, wanted = losses(inputs, boundary, kept=True), losses(inputs, boundary, kept=False)
        assert found != wanted and found == pytest.approx(wanted, abs=1e-3)


def test_frames_are_masked_after_the_stored_output(tmp_path):
    """As in Pan 2024's retraining: the mask embedding stands in for the projected output, stored or not."""
    inputs = sources(tmp_path, built_in(tmp_path))
    encoder, states = inputs.speech_encoder(), []
    mask = torch.zeros(len(EVERYONE), encoder.frames(max(LENGTHS)), dtype=torch.bool)
    mask[:, 1:7] = True
    with torch.no_grad():
        for frozen in ("conv", ""):
            conv, lengths = SpeechInput(inputs, encoder, frozen).entry(EVERYONE)
            plain, masked = encoder.context(conv, lengths), encoder.context(conv, lengths, mask)
            states.append([masked[-1][i, :n] for i, n in enumerate(lengths)])
            assert (plain[-1] - masked[-1]).abs().max() > 0.1
    for found, wanted in zip(*states, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("boundary", ["conv", "2"])
def test_what_was_trained_below_is_computed_once(tmp_path, boundary, monkeypatch):
    """The store's layer is another encoder's then, and must not be read."""
    inputs = sources(tmp_path, built_in(tmp_path))
    encoder = inputs.speech_encoder()
    with torch.no_grad():
        encoder.model.feature_extractor.conv_layers[3].conv.weight.mul_(1.5)
    assert SpeechInput(inputs, inputs.speech_encoder(), boundary).stored
    speech = SpeechInput(inputs, encoder.train(), boundary)
    assert not speech.stored
    with torch.no_grad():
        found, lengths = speech.entry(EVERYONE)
        assert encoder.training
        encoder.eval()
        for i in range(len(LENGTHS)):
            wave = torch.from_numpy(inputs.audio.read(i))[None]
            conv, frames = encoder.frontend(wave, torch.tensor([LENGTHS[i]]))
            wanted = conv if boundary == "conv" else encoder.context(conv, frames)[2]
            torch.testing.assert_close(found[i, : lengths[i]], wanted[0], atol=0, rtol=0)
            assert np.abs(found[i, : lengths[i]].numpy() - inputs.speech.read(boundary, i)).max() > 0.01
    monkeypatch.setattr(encoder, "frontend", lambda *_: pytest.fail("computed again"))
    torch.testing.assert_close(speech.entry(EVERYONE)[0], found, atol=0, rtol=0)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("tmp")]
    del inputs.__dict__["audio"]
    inputs.paths["audio"] = None
    with pytest.raises(UserError, match="not those of the feature store"):
        SpeechInput(inputs, encoder, boundary)


def test_cmgi_predicts_with_the_cnn_that_its_first_stage_trained(tmp_path):
    """The paper's own way: the CNN trains in stage 1, then is frozen, and the store's output is not its own."""
    from stages.recipes import cmgi

    inputs = sources(tmp_path, built_in(tmp_path))
    from_eight, fold = eight("emotion")
    inputs.examples, inputs.transcripts, inputs.outputs = from_eight.examples, from_eight.transcripts, 4
    inputs.text_encoder = text_encoder
    first = settings_of("words", epochs=1, batch=4, accumulate=1)
    begun, _ = adapt.adapted(first, inputs, fold, 1, None)
    inputs.start = lambda *_: begun
    row = settings_of("cmgi", epochs=1, batch=4, accumulate=1, start="adapt/cmgi")
    outputs, arrays, _ = cmgi.train(row, inputs, fold, 1, None)
    kept = {name.removeprefix("model/"): values for name, values in arrays.items()}
    again = cmgi.restored(row, inputs, kept)(fold.scored)
    np.testing.assert_allclose(again, outputs, atol=1e-6, rtol=0)
    cnn = "network/speech.model.feature_extractor.conv_layers.3.conv.weight"
    untouched = inputs.speech_encoder().model.feature_extractor.conv_layers[3].conv.weight.detach().numpy()
    assert np.abs(kept[cnn] - untouched).max() > 1e-4
    untouched_cnn = {n: v for n, v in kept.items() if ".feature_extractor." not in n}
    for name, values in weights.network(torch.nn.ModuleDict({"speech": inputs.speech_encoder()})).items():
        untouched_cnn.setdefault(name.removeprefix("model/"), values)
    other = cmgi.restored(row, inputs, untouched_cnn)(fold.scored)
    assert np.abs(other - outputs).max() > 1e-4


def test_a_layer_that_is_not_stored_is_named(tmp_path):
    inputs = sources(tmp_path, built_in(tmp_path, layers=("conv", "3")))
    speech = SpeechInput(inputs, inputs.speech_encoder(), "2")
    with pytest.raises(UserError, match=r"no layer '2' \(there are: 3, conv\); add it to encoders\.small\.layers"):
        speech.hidden(EVERYONE)
