"""Trials on the finished small project: no noise gives the study's own predictions, another corpus is kept apart."""

import argparse
import csv
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.stats import norm, t
from sklearn.metrics import balanced_accuracy_score

from stages import robustness
from stages.config import settings
from stages.corpora import planted
from stages.prediction.clips import Clip, Request
from stages.prediction.from_study import of_study
from stages.runtime.errors import UserError
from stages.workflow import condition_jobs as wanted
from stages.workflow.plan import Plan
from tests.stories.test_predict import opened
from tests.unit.catalogue import shipped
from tests.unit.small_corpus import ingest, refused, stage

pytestmark = pytest.mark.slow
TRIED = "data/robustness/default/noise-10/linear"


@pytest.fixture(scope="module")
def folder(finished, tmp_path_factory):
    """The finished project with another corpus ingested beside it: a table of new voices, some of other labels."""
    project = finished.copy(tmp_path_factory.mktemp("robustness") / "project")
    corpus = planted.Planted(**shipped(planted.Planted, speakers=4, sessions=2, utterances=16, seed=9))
    rows = planted.utterances(corpus)
    labels = ["angry", "happy", "neutral", "bored"] * 4
    (project.folder / "flac").mkdir()
    with open(project.folder / "other.csv", "w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["file", "speaker", "emotion", "arousal"])
        for label, row, (name, samples) in zip(labels, rows, planted.synthesise(corpus, rows, workers=1), strict=True):
            soundfile.write(project.folder / f"flac/{name}.flac", samples, 16_000)
            table.writerow([f"{name}.flac", f"other {row['speaker']}", label, row["arousal"]])
    fixed = {"kind": "leave-one-group-out", "by": "speaker", "validation": 1}
    trial = {"kind": "corpus", "corpus": "other", "protocol": "others", "transcripts": "", "ratings": []}
    project.set(
        {
            "corpora/other": {"reader": "table", "table": "other.csv", "audio": "flac"},
            "protocols/others": fixed,
            "robustness/other": trial,
            "robustness/same": trial | {"corpus": "planted", "protocol": "sessions"},
            "robustness/none": {"kind": "noise", "colour": "white", "snr_db": float("inf"), "seed": 1},
            "studies/default/trials": {"noise-10": ["linear"], "none": [], "other": []},
        }
    )
    out = "data/ingest/other"
    project.run("python", "-m", "stages.parameters")
    ingest(project.folder, "other", out)
    own = ("--corpus", "other", "--protocol", "others", "--manifest", f"{out}/manifest.csv")
    stage(project.folder, "protocol", *own, "--out", f"{out}/protocols/others.csv")
    return project.folder


@pytest.fixture
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def words(name: str, system: str) -> list[str]:
    """The options of the job that tries a system, as the rule gives them; outputs go to out/."""
    plan = Plan(settings.read(settings.FILE, ""))
    found = ["--study", "default", "--name", name, "--system", system]
    found += wanted.options(plan, "default", name, system).split()
    for option, paths in wanted.inputs(plan, "default", name, system).items():
        found += [f"--{option}", *([paths] if isinstance(paths, str) else paths)]
    return [*found, "--out-csv", f"out/{name}-{system}.csv", "--out-json", f"out/{name}-{system}.json"]


def tried(name: str, system: str, *more: str) -> tuple[pd.DataFrame, dict]:
    """What the stage writes, run in this process, for its command line costs seconds of imports."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--params", default=settings.FILE)
    robustness.arguments(parser)
    robustness.main(parser.parse_args([*words(name, system), *more]))
    return pd.read_csv(f"out/{name}-{system}.csv"), json.loads(Path(f"out/{name}-{system}.json").read_text())


@pytest.mark.parametrize("system", ["linear", "pepino2021-dense-speaker", "srinivasan2022-teacher", "pan2024-gmp-ams"])
def test_without_noise_the_studys_own_predictions_come_again(inside, system):
    found, figures = tried("none", system)
    own = pd.read_csv(f"data/evaluate/default/{system}.csv").query("role == 'test'")
    keys = ["fold", "seed", "utterance"]
    own, found = own.sort_values(keys), found.sort_values(keys)
    assert list(found.columns) == list(own.columns) and len(found) > 30
    values = [name for name in own if name.startswith(("logit_", "pred_")) and name != "pred_emotion"]
    scale = 1 if "true_emotion" in own else 6  # ratings go from 1 to 7
    atol = 2**-11 * scale  # batches of other sizes may round a stored half-precision value the other way
    np.testing.assert_allclose(found[values], own[values], rtol=1e-5, atol=atol)  # GMP's logits reach 30
    assert (
        found.drop(columns=values).astype(str).to_numpy().tolist()
        == own.drop(columns=values).astype(str).to_numpy().tolist()
    )
    metrics = json.loads(Path("data/report/default/metrics.json").read_text())[system]
    for metric, figure in figures["clean"].items():
        assert figure == metrics[metric]
        assert figures["metrics"][metric]["pooled"] == pytest.approx(figure["pooled"], abs=1e-4)
        assert figures["difference"][metric]["difference"] == pytest.approx(0, abs=1e-4)
    assert figures["clipped_samples"] == 0 and figures["snr_db"] is None


def test_figures_of_noise_can_be_recomputed(finished):
    figures = json.loads((finished.folder / f"{TRIED}.json").read_text())
    noisy = pd.read_csv(finished.folder / f"{TRIED}.csv")
    clean = pd.read_csv(finished.folder / "data/evaluate/default/linear.csv").query("role == 'test'")
    both = clean.merge(noisy, on=["utterance", "fold", "seed", "true_emotion"], suffixes=("", "_noisy"))
    assert len(both) == len(clean) == len(noisy) and (both["logit_sad"] != both["logit_sad_noisy"]).any()
    manifest = pd.read_csv(finished.folder / "data/ingest/planted/manifest.csv")
    both["speaker"] = both["utterance"].map(manifest.set_index("utterance")["speaker"])
    before, after = (balanced_accuracy_score(both["true_emotion"], both[f"pred_emotion{n}"]) for n in ("", "_noisy"))
    assert figures["metrics"]["uar"]["pooled"] == pytest.approx(after)
    assert figures["clean"]["uar"]["pooled"] == pytest.approx(before)
    assert figures["difference"]["uar"]["difference"] == pytest.approx(before - after)
    hits = [(both["true_emotion"] == both[f"pred_emotion{n}"]).groupby(both["speaker"]).sum() for n in ("", "_noisy")]
    counts = both.groupby("speaker").size().to_numpy()
    size = len(counts)
    draws = np.random.default_rng(0).multinomial(size, np.full(size, 1 / size), size=1000)
    values = draws @ (hits[0] - hits[1]).to_numpy() / (draws @ counts)
    tail = 100 * norm.cdf(-np.sqrt(size / (size - 1)) * t.ppf(0.975, size - 1))
    found = figures["difference"]["wa"]
    assert [found["ci_low"], found["ci_high"]] == pytest.approx(np.percentile(values, [tail, 100 - tail]), abs=1e-9)


def test_page_shows_what_was_tried_and_why_the_rest_was_not(finished):
    page = (finished.folder / "data/report/default/index.html").read_text()
    section = page.partition("<h2>Robustness</h2>")[2].partition("<h2>")[0]
    uar = json.loads((finished.folder / f"{TRIED}.json").read_text())["metrics"]["uar"]["pooled"]
    assert '<th scope="row">linear</th><td>white noise, 10 dB</td><td>UAR %</td>' in section
    assert f'<td class="n">{100 * uar:.1f}</td>' in section
    assert 'majority</th><td class="wide">every trial</td><td class="wide">a control that uses no audio</td>' in section
    assert "the study does not ask for it" in section
    assert '16 Robustness <span class="better">passed</span></dt><dd>Tried: white noise, 10 dB (1 system).' in page
    entries = (finished.folder / "data/scorings/planted/sessions").glob("default.linear@noise-10.*.json")
    assert len(list(entries)) == 1


def test_another_corpus_is_predicted_by_all_folds_and_scored_on_the_classes_it_has(inside):
    found, figures = tried("other", "linear")
    table = pd.read_csv("other.csv").query("emotion != 'bored'")
    assert sorted(found["utterance"] + ".flac") == sorted(table["file"]) and set(found["fold"]) == {robustness.ALL}
    samples = {name: soundfile.read(f"flac/{name}.flac", dtype="int16")[0] for name in found["utterance"]}
    clips = [Clip(Request(name, "", ""), wave, 0.0, len(wave) / 16_000) for name, wave in samples.items()]
    shares = opened(of_study(settings.FILE, "default", "linear")).predict(clips)
    logits = found[[f"logit_{name}" for name in ("angry", "happy", "neutral", "sad")]]
    np.testing.assert_allclose(np.exp(logits), shares, atol=1e-5)
    assert figures["left_out"] == {"bored": 4} and figures["absent"] == ["sad"] and figures["difference"] == {}
    recalls = (found["true_emotion"] == found["pred_emotion"]).groupby(found["true_emotion"]).mean()
    assert len(recalls) == 3 and figures["metrics"]["uar"]["pooled"] == pytest.approx(recalls.mean())
    own = pd.read_csv("data/evaluate/default/linear.csv").query("role == 'test' and true_emotion != 'sad'")
    recalls = (own["true_emotion"] == own["pred_emotion"]).groupby(own["true_emotion"]).mean()
    assert figures["clean"]["uar"]["pooled"] == pytest.approx(recalls.mean())
    assert (figures["metrics"]["uar"]["n_utterances"], figures["metrics"]["uar"]["n_speakers"]) == (12, 4)
    assert "UAR are over the classes that it has" in figures["notes"][0]
    assert figures["seen"][0]["what"] == "encoder hubert"


def test_speakers_and_recordings_of_training_are_refused(inside):
    """The study's own corpus under another name: by its recordings, and by its speakers alone."""
    line = refused(inside, "robustness", *words("same", "linear"))
    assert "robustness.same" in line and "the study trained on this recording" in line
    manifest = pd.read_csv("data/ingest/planted/manifest.csv", dtype=str, keep_default_na=False)
    manifest["sha256"] = [f"{i:064x}" for i in range(len(manifest))]
    os.makedirs("out", exist_ok=True)
    manifest.to_csv("out/renamed.csv", index=False)
    with pytest.raises(UserError, match="the study trained on speaker P01F"):
        tried("same", "linear", "--other-manifest", "out/renamed.csv")
