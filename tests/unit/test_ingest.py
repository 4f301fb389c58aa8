"""Ingest through its command line: what it decodes exactly, what it refuses, and in which words."""

import contextlib
import hashlib
import os
import shutil
import signal
from collections import Counter

import numpy as np
import pytest
import soundfile
import soxr

from stages.corpora import audio_file, decode_pool, ravdess
from stages.runtime.errors import UserError
from stages.stores.audio import AudioStore, AudioWriter, content, digest
from tests.unit.catalogue import shipped
from tests.unit.small_corpus import (
    ingest,
    inventory,
    make_corpus,
    mounted,
    read,
    refused,
    shared,
    tone,
    write_params,
    write_table,
)


def test_manifest_holds_exact_values(tmp_path):
    make_corpus(tmp_path)
    ingest(tmp_path)
    rows = read(tmp_path / "out/manifest.csv")
    header = "utterance,speaker,gender,session,duration,text,emotion,arousal,valence,dominance,split,sha256"
    assert ",".join(list(rows[0])[:12]) == header
    assert [row["utterance"] for row in rows] == [f"u{i:02d}" for i in range(12)]
    samples, _ = soundfile.read(tmp_path / "audio/u05.wav", dtype="int16")
    row = rows[5]
    assert row["sha256"] == hashlib.sha256(samples.tobytes()).hexdigest()
    assert row["duration"] == "0.3500000" and row["arousal"] == "2.25" and row["valence"] == ""
    assert (row["speaker"], row["gender"], row["session"], row["split"]) == ("S2M", "male", "Ses2", "")
    assert row["text"] == "word5 and word6, then"
    store = AudioStore(tmp_path / "out/audio.h5")
    assert store.utterances == [row["utterance"] for row in rows]
    np.testing.assert_array_equal(store.read("u05") * 32768, samples)
    assert store.content == content(store.utterances, [row["sha256"] for row in rows])
    assert read(tmp_path / "out/quarantine.csv") == []


def test_result_is_the_same_whatever_the_workers(tmp_path):
    make_corpus(tmp_path, each=10)
    ingest(tmp_path)
    write_params(tmp_path, ingest={"workers": 3})
    ingest(tmp_path, out="again")
    for name in ("manifest.csv", "audio.h5"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_stereo_at_44100_is_decoded_to_mono_16k(tmp_path, suffix):
    path = tmp_path / f"tone.{suffix}"
    wave = tone(1.0, 44_100, channels=2)
    wave[:, 1] = 0
    soundfile.write(path, wave, 44_100)
    samples, clipped = audio_file.decode(path)
    assert samples.dtype == np.int16 and len(samples) == 16_000 and clipped == 0
    inner = samples[2000:-2000] / 32768
    assert abs(inner).max() == pytest.approx(0.25, abs=0.01)  # the mean of a half-scale channel and silence
    assert abs(np.fft.rfft(inner)).argmax() * 16_000 / len(inner) == pytest.approx(440, abs=2)


def test_16_bit_mono_at_16k_passes_bit_for_bit(tmp_path):
    wanted = np.random.default_rng(1).integers(-32768, 32768, 5000).astype(np.int16)
    soundfile.write(tmp_path / "noise.flac", wanted, 16_000)
    samples, clipped = audio_file.decode(tmp_path / "noise.flac")
    np.testing.assert_array_equal(samples, wanted)
    assert clipped == 0


@pytest.mark.parametrize("room", [None, np.empty(1 << 20, np.int16), np.empty(100, np.int16)])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("kind", ["flac PCM_16", "flac PCM_24", "wav PCM_16", "wav PCM_24", "wav FLOAT", "aiff PCM_16"])
def test_samples_are_those_of_soundfile_and_soxr_to_the_bit(tmp_path, kind, channels, rate, room):
    path = tmp_path / f"noise.{kind.split()[0]}"
    noise = np.random.default_rng(channels).normal(0, 0.4, (rate // 2, channels)).clip(-1, 0.999)
    soundfile.write(path, noise, rate, kind.split()[1])
    wave = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(1)
    wave = np.rint((wave if rate == 16_000 else soxr.resample(wave, rate, 16_000, quality="HQ")) * np.float32(32768))
    beyond = (wave > 32767) | (wave < -32768)
    samples, clipped = audio_file.decode(path, room)
    np.testing.assert_array_equal(samples, wave.clip(-32768, 32767).astype(np.int16))
    assert samples.dtype == np.int16 and clipped == beyond.sum()
    assert room is None or np.shares_memory(samples, room) == (len(room) > 8000)


@pytest.mark.parametrize("place", [0.3, 0.9])
def test_a_flipped_bit_in_a_flac_is_found(tmp_path, place):
    path = tmp_path / "noise.flac"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 60_000), 16_000)
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 4
    path.write_bytes(content)
    with pytest.raises(audio_file.Unreadable, match="unreadable"):
        audio_file.decode(path)


def several(folder) -> list:
    """Forty files of all sorts for :func:`decode_all`: two faulty, one longer than the others together."""
    rng = np.random.default_rng(0)
    for i in range(40):
        rate, suffix = (16_000, 44_100)[i % 2], ("wav", "flac")[i // 2 % 2]
        soundfile.write(folder / f"{i:02d}.{suffix}", rng.normal(0, 0.1, 2000 + 50 * i), rate)
    soundfile.write(folder / "07.flac", rng.normal(0, 0.1, 300_000), 16_000)
    (folder / "20.wav").write_bytes(b"")
    cut(folder / "31.flac", 0.5)
    return [(path.stem, path) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("room", [1 << 20, 40_000, 10])
def test_several_processes_decode_what_one_does(tmp_path, monkeypatch, room):
    files = several(tmp_path)
    monkeypatch.setattr(decode_pool, "_ROOM", room)

    def seen(decoded) -> list[tuple]:
        return [(each.utterance, each.reason or (each.sha256, digest(each.samples))) for each in decoded]

    wanted = seen(audio_file.attempted(*file, 0.0, 0.0) for file in files)
    assert len(wanted) == 40 and all(type(what) is str or what[0] == what[1] for _, what in wanted)
    assert [name for name, what in wanted if type(what) is str] == ["20", "31"]
    assert [seen(decode_pool.decode_all(files, processes, 0.0, 0.0)) for processes in (1, 3)] == [wanted, wanted]


def test_a_killed_process_is_reported(tmp_path, monkeypatch):
    files = several(tmp_path)
    monkeypatch.setattr(decode_pool, "attempted", lambda *given: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(UserError, match=r"a worker was killed.*lower ingest\.workers"):
        list(decode_pool.decode_all(files, 2, 0.0, 0.0))


def cut(path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def damage(folder, kind: str) -> tuple[str, str]:
    """Put one faulty file into the corpus; its name and the reason that is expected."""
    audio = folder / "audio"
    if kind == "truncated flac":
        soundfile.write(audio / "bad.flac", np.random.default_rng(1).normal(0, 0.1, 60_000), 16_000)
        cut(audio / "bad.flac", 0.5)
        return "bad.flac", "unreadable"
    if kind == "truncated wav":
        soundfile.write(audio / "bad.wav", tone(2), 16_000)
        cut(audio / "bad.wav", 0.6)
        return "bad.wav", "truncated"
    if kind == "truncated ogg":
        soundfile.write(audio / "bad.ogg", tone(20, 16_000), 16_000)
        cut(audio / "bad.ogg", 0.6)
        return "bad.ogg", "truncated"
    if kind == "truncated mp3":
        soundfile.write(audio / "bad.mp3", tone(5, 16_000), 16_000)
        cut(audio / "bad.mp3", 0.5)
        return "bad.mp3", "truncated"
    if kind == "text":
        (audio / "bad.wav").write_text("this is no audio\n" * 50)
        return "bad.wav", "unreadable"
    if kind == "zero length":
        (audio / "bad.wav").touch()
        return "bad.wav", "empty file (0 bytes)"
    if kind == "no samples":
        soundfile.write(audio / "bad.wav", np.zeros(0), 16_000)
        return "bad.wav", "empty: no samples"
    if kind == "silent":
        soundfile.write(audio / "bad.wav", np.zeros(16_000), 16_000)
        return "bad.wav", "silent"
    if kind == "nan":
        wave = tone(1)
        wave[100] = np.nan
        soundfile.write(audio / "bad.wav", wave, 16_000, subtype="FLOAT")
        return "bad.wav", "not finite"
    soundfile.write(audio / "bad.wav", tone(0.05), 16_000)
    return "bad.wav", "too short"


KINDS = ["truncated flac", "truncated wav", "truncated ogg", "truncated mp3", "text", "zero length", "no samples"]


@pytest.mark.parametrize("kind", [*KINDS, "silent", "nan", "short"])
def test_unusable_file_stops_the_run_unless_admitted(tmp_path, kind):
    rows = make_corpus(tmp_path, sessions=1)
    name, reason = damage(tmp_path, kind)
    write_table(tmp_path, [*rows, rows[0] | {"file": name}])
    error = ingest(tmp_path, run=refused)
    assert f"audio/{name} ({reason}" in error and "ingest.max_quarantined: 1" in error
    assert not (tmp_path / "out/manifest.csv").exists() and not (tmp_path / "out/audio.h5").exists()
    write_params(tmp_path, ingest={"max_quarantined": 1})
    assert "1 of 5 utterances left out" in ingest(tmp_path)
    (line,) = read(tmp_path / "out/quarantine.csv")
    assert (line["utterance"], line["file"]) == ("bad", f"audio/{name}") and line["reason"].startswith(reason)
    assert [row["utterance"] for row in read(tmp_path / "out/manifest.csv")] == ["u00", "u01", "u02", "u03"]


def test_a_corpus_of_nothing_usable_is_refused(tmp_path):
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio/a.wav").touch()
    write_table(tmp_path, [{"file": "a.wav"}])
    write_params(tmp_path, ingest={"max_quarantined": 5})
    assert "all 1 utterances are unusable" in ingest(tmp_path, run=refused)


def test_repeated_audio_is_noticed(tmp_path):
    rows = make_corpus(tmp_path, sessions=1)
    shutil.copy(tmp_path / "audio/u01.wav", tmp_path / "audio/z.wav")
    write_table(tmp_path, [*rows, rows[0] | {"file": "z.wav"}])
    assert "z = u01" in ingest(tmp_path)
    marked = {row["utterance"]: row["duplicate_of"] for row in read(tmp_path / "out/manifest.csv")}
    assert marked.pop("z") == "u01" and not any(marked.values())


FAULTS = {
    "absent file": ({"file": "nowhere.wav"}, "line 3: file: no such file"),
    "gender": ({"gender": "woman"}, "line 3: gender: 'woman'"),
    "number": ({"arousal": "high"}, "line 3: arousal: 'high' is not a number"),
    "infinite": ({"arousal": "inf"}, "line 3: arousal: 'inf' is not a number"),
    "same name": ({"utterance": "u00"}, "line 3: utterance: 'u00' is on line 2 too"),
    "same file": ({"file": "u00.wav", "utterance": "other"}, "line 3: file: u00.wav is on line 2 too"),
    "no file": ({"file": ""}, "line 3: file: empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_the_table_is_named_by_line_and_field(tmp_path, fault):
    rows = [row | {"utterance": row["file"][:-4]} for row in make_corpus(tmp_path, sessions=1)]
    change, message = FAULTS[fault]
    rows[1] |= change
    write_table(tmp_path, rows)
    error = ingest(tmp_path, run=refused)
    assert "mine.csv" in error and message in error


def test_table_keeps_extras_and_hints_at_misspelt_columns(tmp_path):
    rows = make_corpus(tmp_path, sessions=1)
    write_table(tmp_path, [{("speker" if k == "speaker" else k): v for k, v in row.items()} for row in rows])
    assert "did you mean 'speaker'?" in ingest(tmp_path)
    row = read(tmp_path / "out/manifest.csv")[0]
    assert "speker" not in row and row["speaker"] == ""
    assert read(tmp_path / inventory()["extra"])[0]["speker"] == "S1F"
    write_table(tmp_path, [{"path": "u00.wav"}])
    assert "line 1: no column 'file'" in ingest(tmp_path, run=refused)
    (tmp_path / "mine.csv").write_text("file,text\nu00.wav,one, two\n")
    assert "line 2: 3 fields where the header has 2" in ingest(tmp_path, run=refused)


def test_misspelt_parameters_are_refused_by_key(tmp_path):
    make_corpus(tmp_path, sessions=1)
    write_params(tmp_path, ingest={"worker": 2})
    assert "ingest.worker: unknown key; did you mean 'workers'?" in ingest(tmp_path, run=refused)
    write_params(tmp_path, corpora={"mine": {"reader": "tabel", "table": "mine.csv", "audio": "audio"}})
    assert "corpora.mine" in ingest(tmp_path, run=refused)
    write_params(tmp_path, corpora={"mine": {"reader": "table", "table": "mine.csv", "audoi": "audio"}})
    assert "audio" in ingest(tmp_path, run=refused)
    write_params(tmp_path)
    assert "did you mean 'mine'?" in ingest(tmp_path, corpus="mien", run=refused)


def test_read_only_folder_is_refused_in_one_line(tmp_path):
    make_corpus(tmp_path, sessions=1)
    with mounted(tmp_path / "out", "ro"):
        assert "read-only" in ingest(tmp_path, run=refused)


def test_full_disk_is_refused_in_one_line_and_leaves_nothing(tmp_path):
    make_corpus(tmp_path)
    soundfile.write(tmp_path / "audio/u00.wav", np.random.default_rng(1).normal(0, 0.1, 1_000_000), 16_000)
    with mounted(tmp_path / "out", "size=9m") as out:
        assert "no space left" in ingest(tmp_path, run=refused)
        assert not [path for path in out.iterdir() if path.suffix in (".h5", ".part") or path.name == "manifest.csv"]


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_store_of_several_chunks_holds_every_sample_and_no_time(tmp_path, place):
    """A disk takes chunks past the page cache, a file system in memory may not."""
    rng = np.random.default_rng(4)
    waves = [rng.integers(-32768, 32768, n).astype("<i2") for n in (1, 2_500_000, 300_000, 7, 1_048_576, 5)]
    with mounted(tmp_path / "made", "size=64m") if place == "memory" else contextlib.nullcontext(tmp_path) as folder:
        for name in ("a.h5", "b.h5"):
            writer = AudioWriter(folder / name)
            for i, wave in enumerate(waves):
                writer.add(f"u{i}", wave, digest(wave))
            writer.close()
        store = AudioStore(folder / "a.h5")
        for i, wave in enumerate(waves):
            np.testing.assert_array_equal(store.raw(f"u{i}"), wave)
        assert (folder / "a.h5").read_bytes() == (folder / "b.h5").read_bytes()
        assert store.samples.shape == (sum(map(len, waves)),)
        store.file.close()


def grow(folder, rows: list[dict]) -> list[dict]:
    """Two more files and lines, one file with other content and the old date, one under a new name, which is known."""
    before = (folder / "audio/u03.wav").stat()
    soundfile.write(folder / "audio/v00.wav", tone(0.4, hertz=333), 16_000)
    soundfile.write(folder / "audio/a00.flac", tone(0.5, 44_100, 2000), 44_100)
    soundfile.write(folder / "audio/u03.wav", tone(0.33, hertz=123), 16_000)
    os.utime(folder / "audio/u03.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    after = (folder / "audio/u03.wav").stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    (folder / "audio/u05.wav").rename(folder / "audio/w05.wav")
    rows = [row | {"file": row["file"].replace("u05", "w05")} for row in rows]
    rows += [rows[0] | {"file": "v00.wav"}, rows[1] | {"file": "a00.flac"}]
    write_table(folder, rows)
    return rows


@pytest.mark.parametrize("workers", [1, 2])
def test_a_corpus_that_grew_decodes_only_what_is_new(tmp_path, workers):
    rows = make_corpus(tmp_path)
    write_params(tmp_path, ingest={"workers": workers})
    ingest(tmp_path)
    assert "12 files to decode, 0 already decoded" in (tmp_path / "ingest.log").read_text()
    for path in (tmp_path / "out").iterdir():
        path.unlink()  # as Snakemake does
    grow(tmp_path, rows)
    ingest(tmp_path)
    assert "3 files to decode, 11 already decoded" in (tmp_path / "ingest.log").read_text()
    grown = {name: (tmp_path / "out" / name).read_bytes() for name in ("manifest.csv", "audio.h5")}
    shutil.rmtree(tmp_path / "data")
    ingest(tmp_path)
    assert "14 files to decode, 0 already decoded" in (tmp_path / "ingest.log").read_text()
    assert grown == {name: (tmp_path / "out" / name).read_bytes() for name in grown}


def test_what_is_known_takes_no_space_and_is_not_believed_when_it_does_not_fit(tmp_path):
    make_corpus(tmp_path, sessions=1)
    ingest(tmp_path)
    (copy,) = (tmp_path / "data/scratch/ingest").glob("*.h5")
    assert copy.samefile(tmp_path / "out/audio.h5")
    write_params(tmp_path, ingest={"min_seconds": 0.2})
    ingest(tmp_path)
    assert "4 files to decode, 0 already decoded" in (tmp_path / "ingest.log").read_text()
    wanted = (tmp_path / "out/audio.h5").read_bytes()
    (copy,) = (tmp_path / "data/scratch/ingest").glob("*.h5")
    copy.unlink()
    copy.write_bytes(wanted[:3000])
    assert "not a whole audio store" in ingest(tmp_path)
    assert (tmp_path / "out/audio.h5").read_bytes() == wanted


def fake_ravdess(folder) -> None:
    for name in ravdess.expected():
        path = folder / f"Actor_{name[-2:]}" / f"{name}.wav"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()


def test_ravdess_is_taken_whole_or_not_at_all(tmp_path):
    fake_ravdess(tmp_path)
    settings = ravdess.Ravdess(**shipped(ravdess.Ravdess, path=str(tmp_path)))
    actor = tmp_path / "Actor_01"
    for extra in ("03-02-01-01-01-01-01.wav", "01-01-01-01-01-01-01.wav", "._03-01-01-01-01-01-01.wav"):
        (actor / extra).touch()  # song, video, a Mac's shadow
    rows, paths, departures, _ = ravdess.utterances(settings, "corpora.r")
    assert len(rows) == len(paths) == 1440 and not departures
    assert set(Counter(row["speaker"] for row in rows).values()) == {60}
    row = next(row for row in rows if row["utterance"] == "03-01-06-02-02-01-12")
    wanted = {"speaker": "12", "gender": "female", "emotion": "fearful", "intensity": "strong", "repetition": "01"}
    assert wanted.items() <= row.items() and row["text"] == "Dogs are sitting by the door"
    (actor / "03-01-01-01-01-01-01.wav").unlink()
    (tmp_path / "run").mkdir()
    write_params(tmp_path / "run", corpora={"r": settings.model_dump()})
    error = ingest(tmp_path / "run", corpus="r", run=refused)
    assert "03-01-01-01-01-01-01 is missing; files: 1,439 where the release has 1,440" in error
    part = ravdess.Ravdess(**shipped(ravdess.Ravdess, path=str(tmp_path), partial=True))
    rows, _, departures, _ = ravdess.utterances(part, "corpora.r")
    assert len(rows) == 1439 and departures[1].utterance == "03-01-01-01-01-01-01"
    (tmp_path / "Actor_02" / "03-01-01-01-01-01-01.wav").touch()
    with pytest.raises(UserError, match="not a RAVDESS file name of this actor"):
        ravdess.utterances(part, "corpora.r")


def test_true_ravdess(tmp_path):
    corpus = shipped(ravdess.Ravdess, path=str(shared("corpora/ravdess")))
    write_params(tmp_path, ingest={"workers": 2}, corpora={"r": corpus})
    assert "03-01-03-01-02-02-07 = 03-01-03-01-02-01-07" in ingest(tmp_path, corpus="r")
    rows = read(tmp_path / "out/manifest.csv")
    assert len(rows) == 1440 and set(Counter(row["speaker"] for row in rows).values()) == {60}
    assert Counter(row["emotion"] for row in rows) == {
        name: 96 if name == "neutral" else 192 for name in ravdess.EMOTIONS
    }
    assert sum(bool(row["duplicate_of"]) for row in rows) == 1
    known = {row["file"]: row["pcm_sha256"] for row in read(shared("corpora/ravdess/speech/manifest.csv"))}
    assert all(known[row["file"].removeprefix("speech/")] == row["sha256"] for row in rows)
