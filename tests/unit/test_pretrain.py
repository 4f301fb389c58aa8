"""The stage pretrain: masks, clusters, both recipes, and going on after a kill bit by bit the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import pretrain
from stages.encoders.speech import SpeechEncoder
from stages.encoders.text import TextEncoder
from stages.pretraining import bert, codebooks, ctc, descriptors, distil, distil_text, hubert
from stages.pretraining.__main__ import ship
from stages.pretraining.loop import batch_at
from stages.runtime.errors import UserError
from stages.stores.audio import AudioStore, AudioWriter, digest
from stages.stores.scratch import Unit
from stages.training import loop
from tests.unit.catalogue import shipped

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
ROOT = Path(__file__).parents[2]
TINY = {
    "width": 32,
    "layers": 2,
    "heads": 2,
    "conv_widths": [16] * 7,
    "conv_norm": "group",
    "clusters": 8,
    "steps": 12,
    "batch_seconds": 3.0,
    "target_layer": 1,
}
SEEN = {"source": "tones", "seed": 1, "utterances": 3, "names": ["U1_0", "U1_1", "U2_0"]}
SENTENCES = [f"the {a} {b} runs {c}" for a in ("old", "red") for b in ("dog", "fox", "cat") for c in ("now", "far")]


def tiny_hubert(**changes):
    return hubert.HubertPretraining.model_validate(shipped(hubert.HubertPretraining, **TINY | changes))


def tones(count=12):
    """Clips that differ in pitch and glide, int16."""
    rng = np.random.default_rng(0)
    clips = []
    for _ in range(count):
        times = np.arange(int(rng.integers(9_000, 20_000))) / 16_000
        pitch = rng.uniform(100, 1000) * (1 + rng.uniform(-0.3, 0.3) * np.sin(6 * times))
        wave = np.sin(2 * np.pi * np.cumsum(pitch) / 16_000) + 0.1 * rng.standard_normal(len(times))
        clips.append((8000 * wave).astype(np.int16))
    return clips


def audio():
    return pretrain.audio_of([f"t{i}" for i in range(12)], tones(), {"source": "tones"})


def units(root):
    return lambda iteration: Unit("pretrain", {"iteration": iteration}, root)


def run(section, root):
    return hubert.pretrain(section, audio()[0], torch.device("cpu"), units(root))[0].state_dict()


def test_masks_follow_fairseq():
    from stages.pretraining.span_mask import span_mask

    frames = torch.tensor([200, 150, 37, 4] * 100)
    generator = torch.Generator().manual_seed(0)
    mask = span_mask(frames, 200, 0.8, 10, generator)
    assert mask.shape == (400, 200)
    assert mask.any(1).all()
    assert not mask[torch.arange(200) >= frames[:, None]].any()
    share = mask[::4].float().mean().item()  # 16 spans of 10 among 191 places, without replacement
    inner = 1 - np.prod([(191 - 10 - i) / (191 - i) for i in range(16)])
    assert share == pytest.approx(inner, abs=0.03)
    runs = torch.diff(mask[::4].int(), prepend=torch.zeros(100, 1, dtype=torch.int), dim=1)
    for row in range(100):
        starts = (runs[row] == 1).nonzero()[:, 0]
        ends = (runs[row] == -1).nonzero()[:, 0]
        assert all(e - s >= 10 for s, e in zip(starts.tolist(), ends.tolist(), strict=False))
    again = span_mask(frames, 200, 0.8, 10, torch.Generator().manual_seed(0))
    assert torch.equal(mask, again)


def test_an_epoch_takes_every_batch_once_in_its_own_order():
    batches = [np.array([i, -i]) for i in range(7)]
    taken = [int(batch_at(3, batches, step)[0]) for step in range(21)]
    epochs = [taken[:7], taken[7:14], taken[14:]]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert taken != [int(batch_at(4, batches, step)[0]) for step in range(21)]
    assert taken[10] == batch_at(3, batches, 10)[0]


def test_targets_stand_at_the_encoders_frames():
    from stages.encoders.acoustics import mfcc

    encoder = SpeechEncoder.build(hubert.config_of(tiny_hubert()))
    data, _ = audio()
    at = codebooks.mfcc_at(encoder, data)(3)
    assert len(at) == encoder.frames(data.lengths[3])
    assert np.array_equal(at[7], mfcc(data.read(3))[14])
    told = codebooks.prosody_at(encoder, data)
    assert [len(values) for values in told] == [encoder.frames(n) for n in data.lengths]
    whole = np.concatenate(told)
    assert np.nanmean(whole, 0) == pytest.approx(0, abs=1e-3)


def test_prosody_is_told_over_a_tenth_of_a_second_and_over_a_second():
    from stages.encoders.acoustics import egemaps

    wave = audio()[0].read(3)
    raw = egemaps(wave)[:, :11].astype(np.float64)
    told = descriptors.prosody(wave)
    assert told.shape == (len(raw), descriptors.COLUMNS)
    assert told[14, :10] == pytest.approx(raw[9:20, :10].mean(0), rel=1e-4, abs=1e-4)
    second = np.pad(raw, ((50, 50), (0, 0)), "edge")[60:161]
    assert told[60, 12:19] == pytest.approx(second[:, :7].mean(0), rel=1e-4, abs=1e-4)
    assert told[60, 19:26] == pytest.approx(second[:, :7].std(0), rel=1e-3, abs=1e-3)
    pitch = second[:, 10][second[:, 10] > 0]
    assert told[60, 26:] == pytest.approx([len(pitch) / 101, pitch.mean(), pitch.std()], rel=1e-3)
    zero, wanted = torch.zeros(5, 12), torch.zeros(5, 12)
    wanted[:, 11], wanted[0, 0], wanted[1, 0] = 2.0, 2.0, torch.nan  # smooth L1 of 2: 1.5
    assert descriptors.loss(zero, wanted, 0).item() == pytest.approx((5 * 3 * 1.5 + 1.5) / (5 * (10 + 6) - 1))
    silent = descriptors.prosody(np.zeros(16_000, np.float32))
    assert np.isnan(silent[:, [11, 27, 28]]).all() and (silent[:, [10, 26]] == 0).all()


def test_the_loss_falls_and_the_result_is_loaded_again(tmp_path):
    section = tiny_hubert(steps=60, prosody=0.0)
    encoder, notes = hubert.pretrain(section, audio()[0], torch.device("cpu"), units(tmp_path))
    assert notes["iteration_1"]["last_loss"] < notes["iteration_1"]["first_loss"] - 0.2
    assert notes["iteration_1"]["last_loss"] < np.log(8)
    started = time.perf_counter()
    again, _ = hubert.pretrain(section, audio()[0], torch.device("cpu"), units(tmp_path))
    assert time.perf_counter() - started < 20
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_clusters_are_found_on_the_threads_that_the_section_says(tmp_path):
    """Another number would round differently; whatever else there is in the process may have set one."""
    import faiss

    before = faiss.omp_get_max_threads()
    found = []
    for threads in (1, 3):
        faiss.omp_set_num_threads(threads)
        found.append(run(tiny_hubert(steps=2, threads=2), tmp_path / str(threads)))
        assert faiss.omp_get_max_threads() == 2
    faiss.omp_set_num_threads(before)
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]), name


class Killed(Exception):
    pass


@pytest.mark.parametrize(("iterations", "after"), [(1, 1), (1, 10), (2, 31)])
def test_interrupted_equals_uninterrupted(tmp_path, monkeypatch, iterations, after):
    """Stopped right after a checkpoint, of which there are two per step here: the 31st belongs to iteration 2."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    section = tiny_hubert(iterations=iterations)
    whole = run(section, tmp_path / "whole")
    mark, marks = Unit.mark, []

    def stopping(self, arrays, notes):
        mark(self, arrays, notes)
        marks.append(1)
        if len(marks) == after:
            raise Killed

    monkeypatch.setattr(Unit, "mark", stopping)
    with pytest.raises(Killed):
        run(section, tmp_path / "parts")
    torch.manual_seed(99)  # nothing may hang on the state that a fresh process would not have
    resumed = run(section, tmp_path / "parts")
    assert len(marks) == 2 * 12 * iterations
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


def test_bert_interrupted_equals_uninterrupted(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    section = bert.BertPretraining.model_validate(
        shipped(
            bert.BertPretraining,
            width=16,
            layers=2,
            heads=2,
            steps=60,
            batch=8,
            learning_rate=5e-3,
        )
    )

    def work(folder):
        unit = Unit("pretrain", {}, tmp_path / folder)
        return bert.pretrain(section, SENTENCES, torch.device("cpu"), unit)

    whole, notes = work("whole")
    assert notes["training"]["last_loss"] < notes["training"]["first_loss"] - 0.5
    mark, marks = Unit.mark, []

    def stopping(self, arrays, notes):
        mark(self, arrays, notes)
        marks.append(1)
        if len(marks) == 50:
            raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Unit, "mark", stopping)
        work("parts")
    resumed, _ = work("parts")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_vocabulary_spells_any_word():
    from stages.encoders.text import tokeniser_of

    vocabulary = bert.vocabulary_of(SENTENCES, 1000)
    assert vocabulary[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert vocabulary.index("the") < vocabulary.index("old") < vocabulary.index("red") < vocabulary.index("cat")
    tokeniser = tokeniser_of(vocabulary)
    assert tokeniser.tokenize("The old zebra!") == ["the", "old", "z", "##e", "##b", "##r", "##a", "!"]
    assert len(bert.vocabulary_of(SENTENCES, 100)) >= 100


def test_corruption_is_80_10_10():
    ids = torch.randint(5, 1000, (400, 50), generator=torch.Generator().manual_seed(1))
    ids[:, 0], ids[:, -1] = 2, 3
    mask = torch.ones_like(ids)
    mask[:, 40:] = 0
    generator = torch.Generator().manual_seed(0)
    masked, wanted = bert.corrupt(ids, mask, 0.15, 1000, 5, 4, generator)
    chosen = wanted >= 0
    assert not chosen[:, 0].any()
    assert not chosen[:, 40:].any()
    assert chosen[:, 1:40].float().mean().item() == pytest.approx(0.15, abs=0.01)
    assert torch.equal(masked[~chosen], ids[~chosen])
    assert torch.equal(wanted[chosen], ids[chosen])
    assert (masked[chosen] == 4).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (masked[chosen] == ids[chosen]).float().mean().item() == pytest.approx(0.1, abs=0.02)
    weights = torch.ones(1000)
    weights[500:] = 9.0
    _, wanted = bert.corrupt(ids, mask, 0.1, 1000, 5, 4, generator, weights)
    chosen = wanted[wanted >= 0]
    assert ((wanted >= 0).sum(1) == 4).all() and not (wanted >= 0)[:, 40:].any()  # a tenth of 40 pieces
    assert (chosen >= 500).float().mean().item() == pytest.approx(0.89, abs=0.03)  # 9 : 1, a few without replacement
    _, one = bert.corrupt(ids[:1, :3], mask[:1, :3], 1e-9, 1000, 5, 4, generator)
    assert (one >= 0).sum() == 1


def test_halves_share_a_sentence_and_belong_together():
    mask = torch.ones(6, 20, dtype=torch.long)
    mask[3:, 11:] = 0
    first, second = bert.halves(mask, torch.Generator().manual_seed(0))
    assert torch.equal(first + second, mask) and (first.sum(1) > 0).all() and (second.sum(1) > 0).all()
    assert (first.diff(dim=1) <= 0).all()  # the first pieces
    rows = torch.eye(4, 8)
    assert bert.matching(rows, rows).item() == pytest.approx(np.log(1 + 3 * np.exp(-10)), abs=1e-5)
    assert bert.matching(rows, rows.flip(0)).item() == pytest.approx(10 + np.log(1 + 3 * np.exp(-10)), abs=1e-5)


def test_ctc_spells_goes_on_and_ships(tmp_path):
    """A small HuBERT learns to spell tones; its file keeps the head, and is a start for the next training."""
    clips, _ = audio()
    section = tiny_hubert(steps=2)
    hubert.pretrain(section, clips, torch.device("cpu"), units(tmp_path))[0].save(
        tmp_path / "tiny-whole.safetensors", {"recipe": section.model_dump(), "seen": SEEN}
    )
    changes = {"source": str(tmp_path / "tiny-whole.safetensors"), "steps": 150, "batch_seconds": 3.0, "held_out": 0.2}
    how = ctc.CtcTraining.model_validate(shipped(ctc.CtcTraining, **changes))
    spoken = ctc.Spoken(clips, ["a b"] * 12, [f"U{i // 2}" for i in range(12)])
    encoder, notes = ctc.train(how, spoken, torch.device("cpu"), Unit("pretrain", {"ctc": 1}, tmp_path))
    assert notes["held_out"] == ["U5"] and notes["wer"] == 0.0
    assert notes["training"]["curve"][-1] < notes["training"]["curve"][0] / 4

    start = {"source": how.source, "notes": {"recipe": section.model_dump(), "seen": SEEN}}
    encoder.save(
        tmp_path / "spells-whole.safetensors", {"recipe": how.model_dump(), "seen": SEEN, "start": start} | notes
    )
    out = ship(tmp_path / "spells-whole.safetensors", tmp_path)
    again = SpeechEncoder.load(out)
    assert out.name == "spells.safetensors" and again.letters["bias"].shape == (29,)
    for name, value in encoder.letters.items():
        assert torch.equal(again.letters[name], value.half().float())
    card = out.with_suffix(".md").read_text()
    assert "WER 0.0 %" in card and "## hubert" in card and "3 utterances of 2 voices" in card


def test_the_gap_of_distillation_is_l1_and_cosine():
    wanted = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    predicted = torch.tensor([[4.0, -3.0], [0.0, 1.0]])  # at right angles; the same direction, one too short
    by_hand = ((1 + 7) / 2 + (0 + 1) / 2) / 2 + 0.5 * (np.log(1 + np.exp(0)) + np.log(1 + np.exp(-1))) / 2
    assert distil.gap(predicted, wanted, 0.5).item() == pytest.approx(by_hand, rel=1e-6)


def test_a_distilled_encoder_begins_with_the_teachers_blocks_and_comes_nearer(tmp_path):
    whole = hubert.pretrain(tiny_hubert(layers=4, steps=1), audio()[0], torch.device("cpu"), units(tmp_path))[0]
    whole.letters = {"weight": torch.zeros(29, 32), "bias": torch.zeros(29)}
    whole.save(tmp_path / "whole.safetensors", {})
    changes = {"source": str(tmp_path / "whole.safetensors"), "targets": [2, 4], "batch_seconds": 3.0}

    def distilled(**more):
        section = distil.Distillation.model_validate(shipped(distil.Distillation, **changes | more))
        found = distil.pretrain(section, audio()[0], torch.device("cpu"), units(tmp_path / str(section.steps)))
        return *found, section

    begun, _, _ = distilled(steps=1, learning_rate=1e-12, layers=1)
    assert begun.depth == 1 and not begun.letters
    for name, value in begun.state_dict().items():
        assert torch.allclose(value, whole.state_dict()[name], atol=1e-9), name
    student, notes, section = distilled(steps=150, layers=1)
    assert notes["training"]["last_loss"] < 0.8 * notes["training"]["first_loss"]
    student.save(tmp_path / "student.safetensors", {"recipe": section.model_dump(), "seen": SEEN} | notes)
    assert SpeechEncoder.load(tmp_path / "student.safetensors").depth == 1
    with pytest.raises(UserError, match=r"targets: 6: .* has 4 blocks"):
        distilled(targets=[2, 6])
    with pytest.raises(ValueError, match="must be fewer than the deepest of targets, 2"):
        distilled(targets=[1, 2], layers=2)


def test_a_thin_text_encoder_follows_its_teacher(tmp_path):
    settings = {"width": 32, "layers": 2, "heads": 4, "steps": 5, "batch": 8, "vocabulary": 120}
    section = bert.BertPretraining.model_validate(shipped(bert.BertPretraining, **settings))
    teacher, _ = bert.pretrain(section, SENTENCES, torch.device("cpu"), Unit("pretrain", {"text": 1}, tmp_path))
    teacher.save(tmp_path / "teacher.safetensors", {})
    changes = {"source": str(tmp_path / "teacher.safetensors"), "width": 16, "layers": 1, "batch": 8, "steps": 200}

    def thinner(**more):
        section = distil_text.TextDistillation.model_validate(shipped(distil_text.TextDistillation, **changes | more))
        unit = Unit("pretrain", section.model_dump(), tmp_path)
        return distil_text.pretrain(section, SENTENCES, torch.device("cpu"), unit)

    student, notes = thinner()
    assert (student.width, student.depth, student.vocabulary) == (16, 1, teacher.vocabulary)
    assert notes["training"]["last_loss"] < 0.3 * notes["training"]["first_loss"]
    student.save(tmp_path / "thin.safetensors", notes)
    again = TextEncoder.load(tmp_path / "thin.safetensors")
    ids, mask = again.tokenise(["the old dog runs now", "a"])
    assert torch.allclose(again(ids, mask)[-1], student(ids, mask)[-1], atol=1e-5)
    with pytest.raises(UserError, match="has 2 blocks, which must be a multiple of layers \\(3\\), and 4 heads"):
        thinner(layers=3)


@pytest.fixture
def place(tmp_path):
    entries = {"tiny": shipped(hubert.HubertPretraining, **TINY | {"steps": 120})}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"pretrain": entries}))
    writer = AudioWriter(tmp_path / "audio.h5")
    for i, clip in enumerate(tones()):
        writer.add(f"t{i}", clip, digest(clip))
    writer.close()
    return tmp_path


OFTEN = """
import runpy
from stages.training import loop
loop.CHECKPOINT_SECONDS = -1
runpy.run_module("stages.pretrain", run_name="__main__", alter_sys=True)
"""
"""The stage with a checkpoint after every step."""


def command(place, out):
    options = ["--params", "params.yaml", "--encoder", "tiny", "--audio", "audio.h5", "--out", out]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen([sys.executable, "-c", OFTEN, *options], cwd=place, env=environment)


@pytest.mark.slow
def test_a_killed_process_goes_on(place):
    process = command(place, "killed.safetensors")
    deadline = time.monotonic() + 120
    while not list(place.glob("data/scratch/pretrain/*.checkpoint")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (place / "killed.safetensors").exists()
    assert command(place, "killed.safetensors").wait() == 0
    for file in place.glob("data/scratch/pretrain/*"):
        file.unlink()
    assert command(place, "whole.safetensors").wait() == 0
    assert (place / "killed.safetensors").read_bytes() == (place / "whole.safetensors").read_bytes()
    seen = SpeechEncoder.load(place / "whole.safetensors").notes["seen"]
    assert seen["source"] == "audio"
    assert seen["names"][:2] == ["t0", "t1"]
    assert seen["content"] == AudioStore(place / "audio.h5").content
    assert len(seen["utterance_sha256"]) == seen["utterances"] == 12


def test_bad_entries(place):
    text = (place / "params.yaml").read_text()
    (place / "params.yaml").write_text(text.replace("heads: 2", "heads: 3"))
    with pytest.raises(UserError, match=r"pretrain\.tiny.*width must be a multiple"):
        pretrain.read_pretraining(str(place / "params.yaml"), "tiny")
    with pytest.raises(UserError, match="did you mean 'tiny'"):
        pretrain.read_pretraining(str(place / "params.yaml"), "tinny")
