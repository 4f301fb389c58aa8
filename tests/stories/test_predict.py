"""``predict`` on the finished small project: its own figures again, bad files, bundles elsewhere and changed ones."""

import csv
import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from stages.config import settings
from stages.encoders.specs import Features
from stages.prediction import bundle
from stages.prediction.clips import Clip, Limits, Refused, Request, clips
from stages.prediction.from_study import of_study
from stages.prediction.predictor import Predictor
from stages.prediction.trained_system import digest
from stages.runtime import disk
from stages.runtime.errors import UserError
from stages.stores.audio import RATE, AudioStore
from stages.training import units
from tests.stories.conftest import ROOT

pytestmark = pytest.mark.slow
HEARING = [
    "linear",
    "pepino2021-dense-speaker",
    "srinivasan2022-teacher",
    "srinivasan2022-cts",
    "pan2024-gmp-ams",
]
LIMITS = Limits(silence_peak=1e-4, min_seconds=0.1, longest=60.0)


@pytest.fixture(scope="module")
def spoken(finished, tmp_path_factory):
    """Every utterance of the finished project as a file: {utterance: Request with speaker and text}."""
    folder, data = tmp_path_factory.mktemp("spoken"), finished.folder / "data"
    store = AudioStore(data / "ingest/planted/audio.h5")
    texts = pd.read_csv(data / "transcribe/planted/corrupted.csv", keep_default_na=False).set_index("utterance")["text"]
    found = {}
    for row in pd.read_csv(data / "ingest/planted/manifest.csv").itertuples():
        path = folder / f"{row.utterance}.wav"
        soundfile.write(path, store.raw(row.utterance), RATE, subtype="PCM_16")
        found[row.utterance] = Request(str(path), row.speaker, texts[row.utterance])
    return found


@pytest.fixture
def inside(finished, monkeypatch):
    """The working folder is the finished project's; its folder."""
    monkeypatch.chdir(finished.folder)
    return finished.folder


def opened(trained) -> Predictor:
    return Predictor(trained, settings.load(Features, "features", trained.params))


def heard(requests) -> list[Clip]:
    found = list(clips(list(requests), LIMITS))
    assert not any(isinstance(one, Refused) for one in found)
    return found


def predict(folder, *words, package=ROOT) -> subprocess.CompletedProcess:
    """``python -m stages.prediction`` in ``folder``, where nothing but the package can be imported."""
    return subprocess.run(
        [sys.executable, "-m", "stages.prediction", *map(str, words)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def refusal(folder, *words) -> str:
    done = predict(folder, *words)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize("name", HEARING)
def test_what_the_study_predicted_comes_again_from_the_files(inside, spoken, name):
    trained = of_study(settings.FILE, "default", name, fold=1, seed=1)
    rows = pd.read_csv(f"data/evaluate/default/{name}.csv").query("role == 'test' and fold == 1 and seed == 1")
    speakers = {spoken[utterance].speaker for utterance in rows["utterance"]}
    asked = {u: request for u, request in spoken.items() if request.speaker in speakers}
    (outputs,) = opened(trained).outputs(heard(asked.values()))
    kind = "logit" if trained.row.task == "emotion" else "pred"
    expected = rows.set_index("utterance")[[f"{kind}_{label}" for label in trained.labels]]
    found = pd.DataFrame(outputs, list(asked)).loc[expected.index]
    assert len(found) > 8
    scale = (
        1 if trained.row.task == "emotion" else 6
    )  # ratings go from 1 to 7; a store's float16 shows in the last digit
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("name", ["linear", "srinivasan2022-teacher", "pan2024-gmp-ams"])
def test_batched_and_single_agree_and_models_are_averaged(inside, spoken, name):
    predictor = opened(of_study(settings.FILE, "default", name))
    asked = heard(list(spoken.values())[:9])
    together = predictor.predict(asked)
    single = np.concatenate([predictor.predict([clip]) for clip in asked])
    np.testing.assert_allclose(together, single, rtol=0, atol=1e-5)
    outputs = predictor.outputs(asked).astype(float)
    assert len(outputs) == 4  # folds, one seed
    if predictor.row.task == "emotion":
        shares = np.exp(outputs) / np.exp(outputs).sum(2, keepdims=True)
        np.testing.assert_allclose(together, shares.mean(0), atol=1e-12)
        np.testing.assert_allclose(together.sum(1), 1)
    else:
        np.testing.assert_allclose(together, outputs.mean(0), atol=1e-12)


@pytest.fixture
def bad(tmp_path, spoken):
    """Files that a user may well have: {name: path}."""
    good = next(iter(spoken.values())).file
    samples, _ = soundfile.read(good, dtype="int16")
    found = {
        name: tmp_path / f"{name}.wav" for name in ("corrupt", "cut", "short", "silent", "long", "stereo", "absent")
    }
    found["corrupt"].write_bytes(b"RIFF" + bytes(range(256)))
    found["cut"].write_bytes(Path(good).read_bytes()[:-1000])
    soundfile.write(found["short"], samples[:800], RATE)
    soundfile.write(found["silent"], np.zeros(RATE, np.int16), RATE)
    soundfile.write(found["long"], np.tile(np.arange(100, dtype=np.int16), 8000 * 18), 8000, subtype="PCM_U8")
    wave = np.repeat(samples.astype(np.float64) / 32768, 3)[: 44_100 * 2]
    soundfile.write(found["stereo"], np.stack([wave, wave / 2], 1), 44_100)
    return {name: str(path) for name, path in found.items()} | {"good": good}


def test_bad_files_are_a_line_each_and_the_others_are_predicted(finished, bad, tmp_path):
    done = predict(finished.folder, "--study", "default", "--system", "linear", *bad.values())
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    reasons = {
        "corrupt": "unreadable",
        "cut": "truncated",
        "short": "too short: 0.0500 s",
        "silent": "silent: peak 0",
        "long": "too long for one utterance: 1800 s, and features.batch_seconds is 60; --window 5 gives a row",
        "absent": "no such file or directory",
    }
    assert len(errors) == len(reasons) and "Traceback" not in done.stderr
    for line, (name, reason) in zip(errors, reasons.items(), strict=True):
        assert line.startswith(f"error: {bad[name]}: ") and reason in line
    table = pd.read_csv(io.StringIO(done.stdout))
    assert list(table["file"]) == [bad["stereo"], bad["good"]]
    shares = table[["p_angry", "p_happy", "p_neutral", "p_sad"]].to_numpy()
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-4)
    assert list(table["label"]) == [["angry", "happy", "neutral", "sad"][i] for i in shares.argmax(1)]
    assert len(set(table["caveats"])) == 1 and "corpus planted, protocol sessions" in table["caveats"][0]
    figure = json.loads((finished.folder / "data/report/default/metrics.json").read_text())["linear"]["uar"]
    said = f"UAR {100 * figure['pooled']:.1f} % [{100 * figure['ci_low']:.1f}, {100 * figure['ci_high']:.1f}]"
    assert said in table["caveats"][0] and f"on {figure['n_utterances']} test utterances" in table["caveats"][0]
    assert f"{bad['good']}: these models were trained on this audio" in done.stderr
    assert f"{bad['stereo']}: these models" not in done.stderr
    (stereo,) = heard([Request(bad["stereo"])])
    soundfile.write(tmp_path / "mono.wav", stereo.samples, RATE, subtype="PCM_16")
    again = predict(finished.folder, "--study", "default", "--system", "linear", "--json", tmp_path / "mono.wav")
    assert again.returncode == 0 and again.stderr == ""
    (one,) = json.loads(again.stdout)["predictions"]
    assert list(one["probabilities"].values()) == pytest.approx(list(shares[0]), abs=1e-5)


def test_windows_are_predicted_like_files_of_their_own(inside, spoken, tmp_path):
    waves = [soundfile.read(request.file, dtype="int16")[0] for request in list(spoken.values())[:6]]
    whole = np.concatenate(waves)
    soundfile.write(tmp_path / "whole.wav", whole, RATE)
    pieces = list(clips([Request(str(tmp_path / "whole.wav"))], dataclasses.replace(LIMITS, window=3.0)))
    count = -(-len(whole) // (3 * RATE))
    assert len(pieces) == count and (pieces[0].start, pieces[-1].end) == (0, len(whole) / RATE)
    assert all(a.end == b.start and a.end - a.start <= 3 for a, b in pairwise(pieces))
    np.testing.assert_array_equal(np.concatenate([piece.samples for piece in pieces]), whole)
    out = tmp_path / "rows.json"
    wanted = ["--study", "default", "--system", "pan2024-gmp-ams", "--window", "3", "--out", out]
    done = predict(inside, *wanted, tmp_path / "whole.wav")
    assert done.returncode == 0 and done.stdout == ""
    rows = json.loads(out.read_text())["predictions"]
    expected = opened(of_study(settings.FILE, "default", "pan2024-gmp-ams")).predict(pieces)
    np.testing.assert_allclose([list(row["probabilities"].values()) for row in rows], expected, atol=1e-5)
    assert [row["start"] for row in rows] == pytest.approx([piece.start for piece in pieces], abs=1e-4)


def test_what_cannot_be_answered_is_refused_in_one_line(finished, spoken, tmp_path):
    wave = next(iter(spoken.values())).file
    study = ("--study", "default", "--system")
    assert "add --one-speaker" in refusal(finished.folder, *study, "pepino2021-dense-speaker", wave)
    assert "give --text for every file" in refusal(finished.folder, *study, "srinivasan2022-teacher", wave)
    assert "uses no audio" in refusal(finished.folder, *study, "majority", wave)
    assert "did you mean 'linear'" in refusal(finished.folder, *study, "linaer", wave)
    assert "no model of fold 9" in refusal(finished.folder, *study, "linear", "--fold", "9", wave)
    assert "no audio file" in refusal(finished.folder, *study, "linear")
    assert "--window: 61 is not between" in refusal(finished.folder, *study, "linear", "--window", "61", wave)
    assert "make ravdess" in refusal(finished.folder, "--study", "ravdess", "--system", "linear", wave)
    assert "give --study and --system" in refusal(tmp_path, wave)
    assert "not a bundle" in refusal(tmp_path, "--bundle", tmp_path, wave)


def test_another_encoder_than_in_training_is_refused(inside, tmp_path):
    from stages.encoders.speech import SpeechEncoder

    trained = of_study(settings.FILE, "default", "linear")
    encoder = SpeechEncoder.load(trained.weights["speech"])
    encoder.model.encoder.layers[0].attention.q_proj.weight.data[0, 0] += 1e-3
    encoder.save(tmp_path / "other.safetensors", encoder.notes)
    with pytest.raises(UserError, match="encoder hubert-small: other weights than linear was trained on"):
        opened(dataclasses.replace(trained, weights={"speech": tmp_path / "other.safetensors"}))


@pytest.fixture(scope="module")
def bundles(finished, tmp_path_factory):
    """Bundles of three systems, written through the command line, in a folder of their own."""
    folder = tmp_path_factory.mktemp("bundles")
    for name in ("linear", "srinivasan2022-teacher", "pan2024-gmp-ams"):
        done = predict(finished.folder, "--study", "default", "--system", name, "--bundle", folder / name)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["linear", "srinivasan2022-teacher", "pan2024-gmp-ams"])
def test_bundle_predicts_the_same_in_an_empty_folder(finished, bundles, spoken, tmp_path, name):
    with open(tmp_path / "asked.csv", "w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["file", "speaker", "text"])
        table.writerows([r.file, r.speaker, r.text] for r in list(spoken.values())[:5])
    asked = ("--table", tmp_path / "asked.csv", "--json")
    of_the_study = predict(finished.folder, "--study", "default", "--system", name, *asked)
    package, empty = tmp_path / "package", tmp_path / "empty"
    shutil.copytree(ROOT / "stages", package / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(bundles / name, empty / "mine")
    found = predict(empty, "--bundle", "mine", *asked, package=package)
    assert found.returncode == 0, found.stderr
    ours, theirs = json.loads(found.stdout), json.loads(of_the_study.stdout)
    assert ours["caveats"] == theirs["caveats"] and ours["refused"] == []
    for one, other in zip(ours["predictions"], theirs["predictions"], strict=True):
        kind = "probabilities" if "label" in one else "dimensions"
        assert one["file"] == other["file"] and one[kind] == pytest.approx(other[kind], abs=1e-6)
    assert found.stderr.count("these models were trained on this audio") == 5
    assert sorted(path.name for path in empty.iterdir()) == ["mine"]
    sums = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=empty / "mine", check=False)
    assert sums.returncode == 0


def test_bundle_holds_no_path_and_is_never_overwritten(finished, bundles):
    for path in (bundles / "linear").iterdir():
        assert str(finished.folder).encode() not in path.read_bytes()
    line = refusal(finished.folder, "--study", "default", "--system", "linear", "--bundle", bundles / "linear")
    assert "exists already" in line
    assert not list(bundles.glob(".*"))


def test_a_flipped_byte_anywhere_is_refused(bundles, tmp_path):
    names = sorted(path.name for path in (bundles / "linear").iterdir())
    assert {"models.safetensors", "speech.safetensors", "golden.flac", "bundle.json", "SHA256SUMS"} < set(names)
    for name in names:
        copy = shutil.copytree(bundles / "linear", tmp_path / name)
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)
        with pytest.raises(UserError, match=r"changed since it was written \(SHA-256\)|missing from the bundle"):
            bundle.read(copy)
    (bundles / "linear" / "seen.txt").rename(tmp_path / "kept")
    try:
        with pytest.raises(UserError, match=r"seen\.txt: missing from the bundle"):
            bundle.read(bundles / "linear")
    finally:
        (tmp_path / "kept").rename(bundles / "linear" / "seen.txt")


def sealed(folder) -> None:
    """SHA256SUMS made anew, as someone would who changes a bundle on purpose."""
    names = sorted(path.name for path in folder.iterdir() if path.name != "SHA256SUMS")
    (folder / "SHA256SUMS").write_text("".join(f"{disk.sha256(folder / name)}  {name}\n" for name in names))


def test_changes_under_new_digests_fail_the_golden_input(bundles, spoken, tmp_path):
    wave = next(iter(spoken.values())).file
    golden = shutil.copytree(bundles / "linear", tmp_path / "golden")
    about = json.loads((golden / "bundle.json").read_text())
    about["golden"]["expected"]["sad"] += 0.01
    (golden / "bundle.json").write_text(json.dumps(about))
    sealed(golden)
    assert "the golden input gives other output" in refusal(tmp_path, "--bundle", golden, wave)
    weights = shutil.copytree(bundles / "linear", tmp_path / "weights")
    path = weights / "models.safetensors"
    models = {unit: units.read(path, *unit) for unit in units.notes(path)}
    for arrays, _ in models.values():
        arrays["weights"] = 1.5 * arrays["weights"]
    units.write(path, models, "", units.about(path))
    sealed(weights)
    assert "the golden input gives other output" in refusal(tmp_path, "--bundle", weights, wave)


def test_heard_audio_is_told_from_the_test_part(inside, spoken):
    trained = of_study(settings.FILE, "default", "linear", fold=1)
    rows = pd.read_csv("data/ingest/planted/protocols/sessions.csv").query("fold == 1")
    for row in rows.itertuples():
        (clip,) = heard([spoken[row.utterance]])
        assert (digest(clip.samples) in trained.seen) == (row.role in ("train", "val"))
