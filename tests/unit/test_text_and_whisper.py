"""Text encoders, and Whisper's encoder as a feature extractor."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages.encoders import specs
from stages.runtime.errors import UserError
from tests.unit.catalogue import shipped

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
SHARED = Path(__file__).parents[3] / "shared"


def clips(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [(0.1 * rng.standard_normal(n) + 0.02).astype(np.float32) for n in lengths]


def relative(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


def small_text(vocabulary=None):
    from stages.encoders.text import SPECIAL, TextEncoder

    torch.manual_seed(0)
    words = vocabulary or [*SPECIAL, "good", "day", "bad", "##s", "d", "##a"]
    config = {"vocab_size": len(words), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return TextEncoder.build(config | {"intermediate_size": 32}, words, 8).eval()


def test_text_round_trip_and_batches(tmp_path):
    from stages.encoders.text import SPECIAL, TextEncoder

    encoder = small_text()
    encoder.save(tmp_path / "text.safetensors", {"seen": {}})
    again = TextEncoder.load(tmp_path / "text.safetensors", 8)
    texts = ["Good DAYS", "", "bad " * 20]
    ids, mask = again.tokenise(texts)
    assert ids.tolist()[0][:5] == [2, 5, 6, 8, 3]
    assert ids.tolist()[1][:2] == [2, 3]
    assert mask.sum(1).tolist() == again.lengths(texts) == [5, 2, 8]
    with torch.no_grad():
        states = again(ids, mask)
        assert len(states) == 3
        for i, text in enumerate(texts):
            single = encoder(*encoder.tokenise([text]))
            for state, wanted in zip(states, single, strict=True):
                assert relative(state[i, : wanted.shape[1]], wanted[0]) <= 1e-5
        assert relative(again.mean_state(ids, mask)[2], single[-1][0].mean(0)) <= 1e-5
        bad = torch.zeros_like(mask)
        bad[2, 3:5] = 1
        alone = encoder(ids[2:], bad[2:])[-1][0, 3:5].mean(0)
        assert relative(again.mean_state(ids[2:], bad[2:])[0], alone) <= 1e-5
    assert again.vocabulary == encoder.vocabulary == [*SPECIAL, "good", "day", "bad", "##s", "d", "##a"]
    from stages.encoders.speech import SpeechEncoder

    with pytest.raises(UserError, match="a text encoder where a speech encoder"):
        SpeechEncoder.load(tmp_path / "text.safetensors")


@pytest.mark.skipif(not (SHARED / "weights/minilm-l3").exists(), reason="needs ../shared/weights/minilm-l3")
def test_minilm():
    from stages.encoders import load_text

    folder = SHARED / "weights/minilm-l3"
    spec = specs.Text.model_validate(shipped(specs.Text, source=str(folder), revision=""))
    encoder = load_text(spec)
    assert (encoder.depth, encoder.width) == (3, 384)
    texts = ["I am so happy today!", "What a joyful day.", "The train leaves at nine.", ""]
    ids, mask = encoder.tokenise(texts)
    assert ids[3, :3].tolist() == [101, 102, 0]
    with torch.no_grad():
        last, means = encoder(ids, mask)[-1], encoder.mean_state(ids, mask)
        single = encoder(*encoder.tokenise(texts[:1]))[-1]
    assert relative(last[0, : single.shape[1]], single[0]) <= 1e-4
    close = torch.nn.functional.cosine_similarity(means[0], means[1:3])
    assert close[0] > close[1] + 0.2
    stored = json.loads((folder / "config.json").read_text())
    assert stored["num_hidden_layers"] == encoder.depth


@pytest.mark.skipif(
    not (SHARED / "weights/whisper-tiny-encoder").exists(), reason="needs ../shared/weights/whisper-tiny-encoder"
)
@pytest.mark.parametrize("window", ["30s", "clip"])
def test_whisper(window):
    from transformers import WhisperFeatureExtractor

    from stages.encoders.whisper import load_whisper

    folder = SHARED / "weights/whisper-tiny-encoder"
    spec = specs.Whisper.model_validate(shipped(specs.Whisper, source=str(folder), revision="", window=window))
    encoder = load_whisper(spec)
    waves = clips([16_000, 5_000, 320, 1], seed=1) if window == "clip" else clips([16_000])
    with torch.no_grad():
        found = encoder(waves)
        singles = [encoder([wave])[0] for wave in waves]
        assert [len(f[0]) for f in found] == [encoder.frames(len(w)) for w in waves]
        for states, single in zip(found, singles, strict=True):
            assert len(states) == encoder.depth + 1
            for state, wanted in zip(states, single, strict=True):
                assert relative(state, wanted) <= 1e-4
        together = encoder._windows(waves)  # as on a GPU
        for states, single in zip(together, singles, strict=True):
            for state, wanted in zip(states, single, strict=True):
                assert relative(state, wanted) <= 1e-4
        if window == "30s":
            mel = WhisperFeatureExtractor.from_pretrained(folder)(
                waves[0], sampling_rate=16_000, return_tensors="pt"
            ).input_features
            states = encoder.model(mel, output_hidden_states=True).hidden_states
            for state, wanted in zip(found[0], states, strict=True):
                assert relative(state, wanted[0, :50]) <= 1e-4
            long = encoder([np.concatenate([np.zeros(480_000, np.float32), waves[0]])])[0][-1]
            assert len(long) == 1550
            assert relative(long[1500:], found[0][-1]) <= 1e-5
