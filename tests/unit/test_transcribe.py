"""Transcripts: gold, corrupted to a set word error rate, and Whisper's; through the command line."""

from types import SimpleNamespace

import jiwer
import numpy as np
import pandas as pd
import pytest
import soundfile

from stages.corpora import planted
from stages.corpora.manifest import read_manifest
from stages.recipes.training_inputs import Inputs
from stages.runtime.errors import UserError
from stages.transcripts import rates, text
from stages.transcripts.corruption import Corrupted, corrupt
from stages.transcripts.table import read_transcripts
from tests.unit.catalogue import shipped
from tests.unit.small_corpus import (
    ingest,
    inventory,
    make_corpus,
    read,
    refused,
    shared,
    stage,
    tone,
    write_params,
    write_table,
)

BAD = {"kind": "corrupted", "wer": 0.2, "substitutions": 0.6, "deletions": 0.25, "insertions": 0.15, "seed": 1}
WHISPER = {
    "kind": "whisper",
    "model": "tiny.en",
    "folder": "weights",
    "language": "en",
    "beam": 1,
    "temperatures": [0.4, 1.0],
    "compression_ratio": 2.4,
    "logprob": -1.0,
    "no_speech": 0.6,
    "seed": 1,
    "pace": 7.0,
    "window": "30s",
    "margin": 5.0,
    "batch": 4,
    "threads": 2,
    "precision": "fp32",
}


def transcribe(folder, source: str, run=stage, out: str = "t.csv", audio: bool = True):
    files = ["--texts", inventory()["texts"], "--decoded", "out/audio.csv", "--out", out]
    files += ["--audio", "out/audio.h5"] * audio
    error = run(folder, "transcribe", "--corpus", "mine", "--source", source, *files)
    return error if run is refused else (read(folder / out), error)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder)
    ingest(folder)
    return folder


def test_gold_is_the_manifests_text(corpus):
    rows, _ = transcribe(corpus, "gold", audio=False)
    assert list(rows[0]) == ["utterance", "text", "reference", "wer"]
    manifest = read(corpus / "out/manifest.csv")
    assert [(row["utterance"], row["text"]) for row in rows] == [(row["utterance"], row["text"]) for row in manifest]
    assert all(row["text"] == row["reference"] and row["wer"] == "0.0000" for row in rows)


def test_missing_transcripts_are_counted_or_refused(tmp_path):
    rows = make_corpus(tmp_path, sessions=1)
    rows[2]["text"] = ""
    write_table(tmp_path, rows)
    ingest(tmp_path)
    found, error = transcribe(tmp_path, "gold")
    assert "1 of 4 utterances have no transcript (u02 ...)" in error
    assert found[2] == {"utterance": "u02", "text": "", "reference": "", "wer": ""}
    write_table(tmp_path, [row | {"text": ""} for row in rows])
    ingest(tmp_path)
    write_params(tmp_path, transcripts={"bad": BAD})
    for source in ("gold", "bad"):
        error = transcribe(tmp_path, source, refused)
        assert "corpus mine: none of its 4 utterances has a transcript" in error and "whisper" in error


@pytest.fixture(scope="module")
def sentences():
    rows = planted.utterances(planted.Planted(**shipped(planted.Planted)))
    return {row["utterance"]: row["text"] for row in rows}


@pytest.mark.parametrize("wer", [0.0, 0.1, 0.2, 0.5, 0.8])
def test_corruption_meets_its_rate(sentences, wer):
    found = corrupt(sentences, Corrupted(**BAD | {"wer": wer}), "transcripts.bad")
    references = [" ".join(text.words(line)) for line in sentences.values()]
    assert jiwer.wer(references, [found[name] for name in sentences]) == pytest.approx(wer, abs=0.01)


def test_corruption_has_the_asked_mixture(sentences):
    found = corrupt(sentences, Corrupted(**BAD), "transcripts.bad")
    references = [" ".join(text.words(line)) for line in sentences.values()]
    out = jiwer.process_words(references, [found[name] for name in sentences])
    total = out.substitutions + out.deletions + out.insertions
    shares = np.array([out.substitutions, out.deletions, out.insertions]) / total
    assert shares == pytest.approx([0.6, 0.25, 0.15], abs=0.06)


def test_corruption_follows_from_seed_and_utterance(sentences):
    first = corrupt(sentences, Corrupted(**BAD), "t")
    backwards = corrupt(dict(reversed(sentences.items())), Corrupted(**BAD), "t")
    other = corrupt(sentences, Corrupted(**BAD | {"seed": 2}), "t")
    assert backwards == first and sum(first[name] != other[name] for name in first) > len(first) / 2


def test_corruption_that_cannot_be_is_refused():
    with pytest.raises(UserError, match="cannot be reached with this corpus' 2 words"):
        corrupt({"a": "yes yes"}, Corrupted(**BAD | {"wer": 0.2}), "transcripts.bad")


def test_corrupted_through_the_command_line(corpus):
    write_params(corpus, transcripts={"bad": BAD})
    rows, _ = transcribe(corpus, "bad")
    again, _ = transcribe(corpus, "bad", out="again.csv")
    assert rows == again and (corpus / "t.csv").read_bytes() == (corpus / "again.csv").read_bytes()
    references = [" ".join(text.words(row["reference"])) for row in rows]
    assert jiwer.wer(references, [row["text"] for row in rows]) == pytest.approx(0.2, abs=0.03)
    for row, reference in zip(rows, references, strict=True):
        assert float(row["wer"]) == pytest.approx(jiwer.wer(reference, row["text"]), abs=1e-4)
    write_params(corpus, transcripts={"bad": BAD | {"deletions": 0.5}})
    assert "make them sum to 1" in transcribe(corpus, "bad", refused)
    assert "did you mean 'bad'?" in transcribe(corpus, "bat", refused)


def test_models_read_every_source_alike(corpus, tmp_path):
    """A transcript without an error is the corpus' own to a model, in whatever capitals and punctuation."""
    write_params(corpus, transcripts={"right": BAD | {"wer": 0.0}, "gold": {"kind": "gold"}})
    gold, right = (transcribe(corpus, source)[0] for source in ("gold", "right"))
    assert [row["text"] for row in gold] != [row["text"] for row in right]
    heard = [row | {"text": row["text"].upper().replace(" ", ", ") + "!"} for row in gold]
    found = []
    for rows in (gold, right, heard):
        pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
        inputs = object.__new__(Inputs)
        inputs.paths, inputs.examples = (
            {"transcripts": tmp_path / "t.csv"},
            SimpleNamespace(manifest=pd.DataFrame(gold)),
        )
        found.append(inputs.texts)
    assert found[0] == found[1] == found[2] == [" ".join(text.words(row["reference"])) for row in gold]


def test_words_and_rates():
    assert text.words("Don’t STOP [LAUGHTER] it's 'fine'-ish, (cough) OK_yes!") == (
        ["don't", "stop", "it's", "fine", "ish", "ok", "yes"]
    )
    rates, whole = text.error_rates(["a b c d", "", "[LAUGHTER]", "x"], ["a c d e", "noise", "noise", ""])
    assert rates == [0.5, None, None, 1.0] and whole == pytest.approx(3 / 5)
    assert text.error_rates([""], ["a"]) == ([None], None)
    assert text.errors([], ["a", "b"]) == 2


WHISPER_FAULTS = {
    "no weights": ({}, "no weights at weights/tiny.en.pt; download https://"),
    "unknown model": ({"model": "tinny.en"}, "did you mean 'tiny.en'?"),
    "language": ({"language": "de"}, "tiny.en supports only English"),
}


@pytest.mark.parametrize("fault", WHISPER_FAULTS)
def test_whisper_that_cannot_run_says_why(corpus, fault):
    change, message = WHISPER_FAULTS[fault]
    write_params(corpus, transcripts={"w": WHISPER | change})
    assert message in transcribe(corpus, "w", refused)


def test_damaged_weights_are_refused(corpus):
    (corpus / "weights").mkdir()
    (corpus / "weights/tiny.en.pt").write_bytes(b"half of it")
    write_params(corpus, transcripts={"w": WHISPER})
    assert "SHA-256 differs" in transcribe(corpus, "w", refused)
    (corpus / "weights/tiny.en.pt").unlink()
    (corpus / "weights").rmdir()


def test_audio_of_another_ingest_is_refused(corpus, tmp_path):
    write_params(corpus, transcripts={"w": WHISPER})
    content = (corpus / "out/audio.csv").read_text()
    (corpus / "out/audio.csv").write_text(content.replace(read(corpus / "out/audio.csv")[3]["sha256"], 64 * "0"))
    assert "does not match out/audio.csv" in transcribe(corpus, "w", refused)
    (corpus / "out/audio.csv").write_text(content)


def test_killed_run_goes_on_where_it_was(corpus, monkeypatch):
    import whisper

    from stages.stores.audio import AudioStore
    from stages.transcripts import whisper_batches, whisper_transcripts

    monkeypatch.chdir(corpus)
    monkeypatch.setattr(whisper_transcripts, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(whisper_transcripts, "weights", lambda settings, where: corpus / "out/manifest.csv")
    monkeypatch.setattr(whisper, "load_model", lambda path, device: None)
    heard: list[str] = []

    def listen(model, settings, names, waves):
        if len(heard) == 8 and not resumed:
            raise KeyboardInterrupt
        heard.extend(names)
        return [{"text": name} for name in names]

    monkeypatch.setattr(whisper_batches, "listen", listen)
    settings, store = whisper_transcripts.Whisper(**WHISPER), AudioStore("out/audio.h5")
    resumed = False
    with pytest.raises(KeyboardInterrupt):
        whisper_transcripts.transcribe(settings, store, "t")
    resumed = True
    assert [row["text"] for row in whisper_transcripts.transcribe(settings, store, "t")] == store.utterances
    assert heard == store.utterances
    assert not list((corpus / "data/scratch/transcribe").iterdir())


@pytest.mark.slow
def test_whisper_hears_read_english_and_silence_alike_each_time(tmp_path):
    folder, model = shared("corpora/read_english"), shared("weights/whisper-tiny.en")
    names = {f"speechbrain_asr/spk1_snt{i}.flac" for i in (1, 3, 5)}
    chosen = [row for row in read(folder / "metadata.csv") if row["file"] in names]
    (tmp_path / "audio").mkdir()
    for row in chosen:
        (tmp_path / "audio" / row["file"].replace("/", "-")).symlink_to(folder / row["file"])
    rows = [{"file": row["file"].replace("/", "-"), "text": row["text"]} for row in chosen]
    noise = np.random.default_rng(1).normal(0, 1e-3, 16_000)
    soundfile.write(tmp_path / "audio/z-noise.wav", noise + 1e-3 * tone(1.0), 16_000)
    write_table(tmp_path, [*rows, {"file": "z-noise.wav", "text": ""}])
    write_params(tmp_path, transcripts={"w": WHISPER | {"folder": str(model)}})
    ingest(tmp_path)
    found, _ = transcribe(tmp_path, "w")
    assert list(found[0])[4:8] == ["avg_logprob", "no_speech_prob", "compression_ratio", "temperature"]
    assert list(found[0])[8:] == ["repetitive", "improbable", "silent", "rushed"]
    assert all(row[flag] == "0" for row in found[:3] for flag in ("repetitive", "improbable", "silent", "rushed"))
    spoken = [row for row in found if row["reference"]]
    assert len(spoken) == 3 and np.mean([float(row["wer"]) for row in spoken]) < 0.2
    assert all(row["text"] and -2 < float(row["avg_logprob"]) < 0 for row in spoken)
    assert found[-1]["utterance"] == "z-noise" and found[-1]["wer"] == ""
    transcribe(tmp_path, "w", out="again.csv")
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()


@pytest.fixture(scope="module")
def tiny():
    """Whisper tiny.en, and three clips of read English."""
    torch = pytest.importorskip("torch")
    import whisper

    folder, weights = shared("corpora/read_english"), shared("weights/whisper-tiny.en")
    torch.set_num_threads(1)
    model = whisper.load_model(str(weights / "tiny.en.pt"), device="cpu")
    names = [f"speechbrain_asr/spk1_snt{i}.flac" for i in (1, 5)]
    return model, names, [soundfile.read(folder / name, dtype="float32")[0] for name in names]


def heard(tiny, indices=(0, 1), waves=None, **changes):
    from stages.transcripts import whisper_batches, whisper_transcripts

    model, names, own = tiny
    settings = whisper_transcripts.Whisper(**WHISPER | {"threads": 1} | changes)
    return whisper_batches.listen(model, settings, [names[i] for i in indices], waves or [own[i] for i in indices])


@pytest.mark.slow
def test_a_batch_hears_what_whisper_hears_file_by_file(tiny):
    import whisper

    model, _, waves = tiny
    for wave, row in zip(waves, heard(tiny), strict=True):
        found = whisper.transcribe(model, wave, temperature=0.0, fp16=False)
        part = found["segments"][0]
        assert row["text"] == found["text"].strip()
        for name in ("avg_logprob", "no_speech_prob", "compression_ratio", "temperature"):
            assert row[name] == pytest.approx(part[name], abs=1e-4)
    together = heard(
        tiny, [0, 1], [waves[1][:8_000], waves[1]]
    )  # the first one's text ends early, and leaves the batch
    apart = heard(tiny, [1])[0]
    assert together[1]["text"] == apart["text"]
    assert together[1]["avg_logprob"] == pytest.approx(apart["avg_logprob"], abs=1e-5)
    short = heard(tiny, [0], window="clip")
    assert text.words(short[0]["text"], True) == text.words(heard(tiny, [0])[0]["text"], True)
    long = heard(tiny, [0], [np.concatenate([np.tile(waves[0], 6), np.tile(waves[1], 6)])])
    assert "child" in long[0]["text"].lower() and "sunday" in long[0]["text"].lower()


@pytest.mark.slow
def test_the_fallback_is_seeded_per_clip_and_its_failures_are_marked(tiny):
    always = {"logprob": 0.0, "no_speech": 2.0, "temperatures": [1.0], "pace": 0.5}  # nothing passes
    sampled, alone = heard(tiny, **always), heard(tiny, [1], **always)
    assert sampled[1] == alone[0]  # not by a clip's neighbours
    assert heard(tiny, [1], **always | {"seed": 2}) != alone
    assert [row["temperature"] for row in sampled] == [1.0, 1.0]
    assert [(row["improbable"], row["repetitive"], row["rushed"], row["silent"]) for row in sampled] == [
        (1, 0, 1, 0)
    ] * 2
    again = heard(tiny, [1], **always | {"temperatures": []}, window="clip")  # failed in its own window: that of 30 s
    assert again == heard(tiny, [1], **always | {"temperatures": []})
    silent = heard(tiny, [1], temperatures=[], logprob=0.0, no_speech=0.0)[0]
    assert silent["text"] == "" and silent["silent"] == 1


def test_text_of_a_result_is_that_of_whispers_own_segments():
    from types import SimpleNamespace

    from whisper.tokenizer import get_tokenizer

    from stages.transcripts import whisper_batches, whisper_transcripts

    tokeniser, model = get_tokenizer(False), SimpleNamespace(is_multilingual=False, num_languages=99)
    settings = whisper_transcripts.Whisper(**WHISPER)

    def text_of(*parts, no_speech=0.0, logprob=-0.1, content=500):
        tokens = []
        for part in parts:  # seconds, or words
            number = isinstance(part, float)
            tokens += [tokeniser.timestamp_begin + round(part * 50)] if number else tokeniser.encode(part)
        whole = tokeniser.decode(tokens).strip()
        result = SimpleNamespace(tokens=tokens, text=whole, no_speech_prob=no_speech, avg_logprob=logprob)
        return whisper_batches._text(model, settings, result, content)

    assert text_of(0.0, " one two", 2.0) == "one two"
    assert text_of(0.0, " one", 1.0, 1.0, " two", 2.0) == "one two"
    assert text_of(0.0, " one", 1.0, 1.0, " two") is None  # whisper goes on at 1 s
    assert text_of(0.0, " one", 5.0, 5.0, " two") == "one"  # but not beyond the end
    assert text_of(0.0, " one", 0.0, 0.0, " two", 2.0) == "two"  # an instantaneous segment
    assert text_of(0.0, " one", 2.0, no_speech=0.9, logprob=-1.5) == ""
    assert text_of(0.0, " one", 2.0, no_speech=0.9) == "one"
    assert text_of(0.0, " one", 2.0, content=0) == ""


def test_clips_share_a_batch_only_with_equal_windows():
    from stages.transcripts import whisper_batches, whisper_transcripts

    lengths = np.array([16_000, 600_000, 32_000, 31_999, 16_001, 480_000])
    whole = whisper_transcripts.Whisper(**WHISPER)
    assert whisper_batches.batches(lengths, whole) == [[1], [0, 2, 3, 4], [5]]
    short = whole.model_copy(update={"window": "clip", "margin": 1.0})
    assert whisper_batches.batches(lengths, short) == [[1], [0], [2, 3, 4], [5]]
    assert [whisper_batches.window(n, short) for n in (16_000, 32_000, 480_000)] == [32_000, 48_000, 480_000]


def test_rates_by_split_emotion_and_sex(tmp_path):
    rows = make_corpus(tmp_path, sessions=2)
    for row in rows:
        row["split"] = "Test" if row["session"] == "Ses2" else ""
    write_table(tmp_path, rows)
    ingest(tmp_path)
    write_params(tmp_path, transcripts={"bad": BAD | {"wer": 0.5}})
    found, _ = transcribe(tmp_path, "bad")
    manifest = {row["utterance"]: row for row in read(tmp_path / "out/manifest.csv")}
    frames = read_manifest(tmp_path / "out/manifest.csv"), read_transcripts(tmp_path / "t.csv")
    table = rates.of_parts(*frames, english=rates.is_english(BAD))
    assert [(row["group"], row["value"]) for row in table] == [
        ("all", ""),
        ("split", "Test"),
        *[("emotion", name) for name in ("angry", "excited", "happy", "sad")],
        *[("gender", name) for name in ("female", "male")],
    ]
    for row in table:
        chosen = [r for r in found if not row["value"] or manifest[r["utterance"]][row["group"]] == row["value"]]
        pairs = [(" ".join(text.words(r["reference"])), " ".join(text.words(r["text"]))) for r in chosen]
        assert row["wer"] == pytest.approx(jiwer.wer(*map(list, zip(*pairs, strict=True))), abs=1e-4)
        assert row["utterances"] == len(chosen) and row["normaliser"] == "plain"
    assert len({row["wer"] for row in table}) > 2
