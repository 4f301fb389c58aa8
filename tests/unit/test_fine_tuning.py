"""Whisper and encoders of any other family are fine-tuned as those of wav2vec 2.0 are, and with the frozen values."""

import numpy as np
import pytest
import torch

from stages.encoders import load_speech, lora, specs
from stages.recipes.speech_input import SpeechInput
from stages.runtime.errors import UserError
from tests.unit.catalogue import shipped
from tests.unit.small_corpus import shared
from tests.unit.small_stores import EVERYONE, LENGTHS, losses, sources
from tests.unit.test_encoders import KINDS, UNSEEN, small, unseen_folder

torch.set_num_threads(1)


def whisper_folder(folder, **changes):
    """A random Whisper encoder of three blocks, in transformers' layout."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    shape = {"d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
    torch.manual_seed(0)
    model = WhisperEncoder(WhisperConfig(num_mel_bins=80, **shape | changes))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embed_positions" not in name:
                parameter.mul_(4)  # as deep in effect as a trained one
            elif parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder / "whisper")
    return folder / "whisper"


def whisper(folder, window="clip", **changes):
    return shipped(
        specs.Whisper, source=str(whisper_folder(folder, **changes)), revision="", window=window, layers=["all"]
    )


def unseen(folder, kind):
    made, _ = unseen_folder(folder, kind, **UNSEEN[kind][0])
    return shipped(specs.Transformers, source=str(made), revision="", layers=["all"])


@pytest.mark.parametrize("window", ["clip", "30s"])
def test_whisper_taken_apart_gives_the_stored_values(tmp_path, window):
    """In a padded batch, alone, from the convolutions on and from every block on."""
    lengths = [6_000, 1, 12_345, 8_000] if window == "clip" else [6_000, 8_000]
    inputs = sources(tmp_path, whisper(tmp_path, window), lengths)
    everyone, encoder = np.arange(len(lengths)), inputs.speech_encoder()
    with torch.no_grad():
        for boundary in ("", "conv", "0", "2", "3"):
            encoder = inputs.speech_encoder()
            speech = SpeechInput(inputs, encoder, boundary)
            assert speech.stored == (boundary == "3")
            together, counts = speech.hidden(everyone)
            assert counts.tolist() == [encoder.frames(n) for n in lengths]
            first = int(boundary) if boundary.isdigit() else 0
            assert [state is None for state in together] == [i < first for i in range(4)]
            for i in everyone:
                alone, _ = speech.hidden(np.array([i]))
                for layer in range(first, 4):
                    stored = torch.from_numpy(inputs.speech.read(str(layer), i))
                    torch.testing.assert_close(alone[layer][0], stored, atol=2e-5, rtol=1e-4)
                    torch.testing.assert_close(together[layer][i, : counts[i]], stored, atol=2e-5, rtol=1e-4)


def test_whisper_beyond_thirty_seconds_goes_window_by_window(tmp_path):
    lengths = [480_000 + 16_000, 480_000, 5_000, 480_000 - 4_000]
    inputs = sources(tmp_path, whisper(tmp_path, encoder_layers=2), lengths)
    encoder = inputs.speech_encoder()
    assert [encoder.inside(n) for n in lengths] == [1575, 1500, 41, 1500]
    with torch.no_grad():
        for boundary in ("", "1"):
            states, counts = SpeechInput(inputs, encoder, boundary).hidden(np.arange(4))
            assert counts.tolist() == [1550, 1500, 16, 1488]
            for i, count in enumerate(counts):
                stored = torch.from_numpy(inputs.speech.read("2", i))
                torch.testing.assert_close(states[2][i, :count], stored, atol=2e-5, rtol=1e-4)


def test_whisper_trains_the_same_from_what_was_kept(tmp_path):
    inputs = sources(tmp_path, whisper(tmp_path, attention_dropout=0.1, activation_dropout=0.1))
    for boundary in ("conv", "0", "2", "3"):
        kept = losses(inputs, boundary, kept=True, stored=boundary == "3")
        assert len(kept) == 4 and kept[-1] != kept[0]
        assert kept == pytest.approx(losses(inputs, boundary, kept=False), abs=1e-5)


def test_whisper_masks_and_freezes(tmp_path):
    inputs = sources(tmp_path, whisper(tmp_path))
    encoder = inputs.speech_encoder()
    waves = [inputs.audio.read(i) for i in EVERYONE]
    plain, lengths = SpeechInput(inputs, encoder, "conv").from_waves(waves)
    mask = torch.zeros(len(LENGTHS), 80, dtype=torch.bool)
    mask[3, 4:9] = True
    hidden, _ = SpeechInput(inputs, encoder, "conv").from_waves(waves, lambda lengths, size: mask[:, :size])
    assert (plain[-1][3, : lengths[3]] - hidden[-1][3, : lengths[3]]).abs().max() > 0.1
    torch.testing.assert_close(plain[-1][2], hidden[-1][2], atol=1e-5, rtol=1e-5)
    hidden[-1].square().mean().backward()
    without = {name for name, p in encoder.model.named_parameters() if p.grad is None}
    assert without == {"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "embed_positions.weight"}


def test_released_whisper_is_the_frozen_one(tmp_path):
    source = shared("weights/whisper-tiny-encoder")
    spec = shipped(specs.Whisper, source=str(source), revision="", window="clip", layers=["all"])
    inputs = sources(tmp_path, spec, [16_000, 5_000, 20_123])
    with torch.no_grad():
        states, counts = SpeechInput(inputs, inputs.speech_encoder(), "").hidden(np.arange(3))
    for i, count in enumerate(counts):
        for layer in range(5):
            stored = torch.from_numpy(inputs.speech.read(str(layer), i))
            assert (states[layer][i, :count] - stored).norm() <= 1e-4 * stored.norm()


@pytest.mark.parametrize("kind", UNSEEN)
def test_an_encoder_never_seen_is_fine_tuned(tmp_path, kind):
    inputs = sources(tmp_path, unseen(tmp_path, kind), [16_000, 9_999, 12_345])
    everyone = np.arange(3)
    with torch.no_grad():
        states, counts = SpeechInput(inputs, inputs.speech_encoder(), "").hidden(everyone)
        for i in everyone:
            for layer in range(3):
                stored = torch.from_numpy(inputs.speech.read(str(layer), i))
                torch.testing.assert_close(states[layer][i, : counts[i]], stored, atol=1e-5, rtol=1e-4)
    encoder = inputs.speech_encoder()
    speech = SpeechInput(inputs, encoder.train(), "1")
    assert not speech.stored and SpeechInput(inputs, inputs.speech_encoder(), "2").stored
    speech.hidden(everyone)[0][-1].square().mean().backward()
    trained = {name for name, p in encoder.model.named_parameters() if p.grad is not None}
    assert trained and all(".layers.1." in name for name in trained)
    with pytest.raises(UserError, match="nothing is known of its CNN"):
        SpeechInput(inputs, inputs.speech_encoder(), "conv")


@pytest.mark.parametrize("kind", [*KINDS, "whisper"])
def test_adapters_begin_as_nothing_learn_and_are_merged(tmp_path, kind):
    encoder = load_speech(specs.Whisper.model_validate(whisper(tmp_path))) if kind == "whisper" else small(kind)
    before = {name: values.clone() for name, values in encoder.state_dict().items()}
    waves, lengths = 0.1 * torch.randn(2, 9_000), torch.tensor([9_000, 7_000])

    def last():
        conv, frames = encoder.frontend(waves, lengths)
        return encoder.context(conv, frames)[-1][1, :20]

    with torch.no_grad():
        untouched = last()
        lora.insert(encoder, 2, 4, 8.0, 0.0)
        torch.testing.assert_close(last(), untouched, atol=2e-6, rtol=1e-5)
    tuned = [(name, p) for name, p in encoder.named_parameters() if p.requires_grad]
    assert len(tuned) == 4 and all(".2." in name and "lora" in name for name, _ in tuned)
    optimiser = torch.optim.SGD([p for _, p in tuned], 1.0)
    for _ in range(2):  # in the first step one factor is zero, so the other has no gradient
        last().square().mean().backward()
        optimiser.step()
    assert all(p.grad.abs().max() > 0 for _, p in tuned)
    with torch.no_grad():
        adapted = last()
        assert (adapted - untouched).abs().max() > 1e-3
        lora.merge(encoder)
        torch.testing.assert_close(last(), adapted, atol=1e-5, rtol=1e-5)
    after = encoder.state_dict()
    assert list(after) == list(before)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert len(changed) == 2 and all(".2." in name and name.endswith("weight") for name in changed)
