"""The encoders that ship: small, whole, each with its card, and deaf to none of what emotion needs."""

import numpy as np
import pytest

from stages.corpora import planted
from stages.encoders import checkpoint
from stages.pretraining.__main__ import SHIPPED, card
from tests.unit.catalogue import shipped

torch = pytest.importorskip("torch")
NAMES = ("hubert", "hubert-ctc", "bert")


@pytest.fixture(scope="module")
def speech():
    """Two utterances of one sentence, one of them 6 dB louder and half an octave higher, through the speech encoder."""
    from stages.corpora.planted import espeak
    from stages.encoders.batching import collate
    from stages.encoders.speech import SpeechEncoder

    clause = {"text": "the old teacher called us", "range": 50, "rate": 180, "effort": 0.2}
    jobs = [
        espeak.Job(f"u{i}", variant, 1.0, (espeak.Clause(**clause, pitch=pitch, loudness=loudness),), i)
        for i, (variant, pitch, loudness) in enumerate(
            (v, p, loud) for v in ("f1", "m2", "f3", "m4", "f5", "m7") for p in (40, 65) for loud in (-33.0, -27.0)
        )
    ]
    waves = [espeak.render(job).astype(np.float32) / 32768 for job in jobs]
    encoder = SpeechEncoder.load(SHIPPED / "hubert.safetensors")
    states, frames = [], []
    with torch.inference_mode():
        for wave in waves:
            layers, count = encoder(*collate([wave]))
            states.append(torch.stack([layer[0].mean(0) for layer in layers]).numpy())
            frames.append(int(count))
    return np.stack(states), jobs


def test_they_are_small_and_have_cards():
    files = [SHIPPED / f"{name}.safetensors" for name in NAMES]
    assert sum(path.stat().st_size for path in files) < 8e6
    for path in files:
        assert path.with_suffix(".md").read_text() == card(path)
        assert {str(t.dtype) for t in checkpoint.tensors(path).values()} <= {"torch.float16", "torch.int64"}


def test_pan_finds_its_eight_hidden_states():
    assert checkpoint.header(SHIPPED / "hubert.safetensors")["config"]["num_hidden_layers"] >= 8


def test_they_have_heard_nothing_of_a_corpus():
    settings = planted.Planted.model_validate(shipped(planted.Planted, speakers=100, sessions=50, utterances=6000))
    texts = {row["text"] for row in planted.utterances(settings)}
    digests = {checkpoint.sentence_digest(text) for text in texts}
    for name in ("bert", "hubert-ctc"):
        seen = checkpoint.header(SHIPPED / f"{name}.safetensors")["notes"]["seen"]
        assert len(seen["sentence_sha256"]) >= 2000 and not digests & set(seen["sentence_sha256"])


def test_speech_tells_loud_from_soft_and_high_from_low(speech):
    """In some layer the difference of the pair is along one direction in all six voices."""
    states, jobs = speech
    for part, pick in (("loudness", lambda c: c.loudness), ("pitch", lambda c: c.pitch)):
        values = np.array([pick(job.clauses[0]) for job in jobs])
        high = values == values.max()
        best = 0.0
        for layer in range(states.shape[1]):
            away = states[high, layer] - states[~high, layer]
            unit = away / np.linalg.norm(away, axis=1, keepdims=True)
            best = max(best, np.linalg.norm(unit.mean(0)))
        assert best > 0.7, part


def test_the_half_is_the_whole_up_to_its_last_block():
    from stages.encoders import specs
    from stages.encoders.speech import SpeechEncoder, load_speech

    path = SHIPPED / "hubert.safetensors"
    spec = specs.BuiltinSpeech.model_validate(shipped(specs.BuiltinSpeech, pretrain="hubert", truncate_layers=4))
    half, whole = load_speech(spec, path), SpeechEncoder.load(path)
    wave = torch.from_numpy(np.random.default_rng(0).normal(0, 0.03, (1, 16_000)).astype(np.float32))
    with torch.inference_mode():
        short, long = (encoder(wave, torch.tensor([16_000]))[0] for encoder in (half, whole))
        normed = whole.model.encoder.layer_norm(long[4])  # a pre-norm model's final norm stays
    assert len(short) == 5 and len(long) == 9
    for a, b in zip(short[:4], long[:4], strict=True):
        assert torch.equal(a, b)
    assert torch.allclose(short[4], normed, atol=1e-6)
