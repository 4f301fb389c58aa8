"""Guards of a whole study through the command line: what they refuse, and what the report says of each violation."""

import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml

from stages.encoders import checkpoint
from stages.guards import seen, verdicts
from stages.pages import overview
from stages.runtime import gpu
from stages.training import units
from tests.unit.small_corpus import options
from tests.unit.small_study import SmallStudy, predictions, python

SYSTEMS = {
    "linear": ("emotion", 1.0),
    "linear-shuffled": ("emotion", 2.0),
    "pepino2021-dense-speaker": ("emotion", 1.2),
    "linear-dimensions": ("dimensions", 0.0),
}
PUBLISHED = """paper,table,row,corpus,metric,value,sd,protocol,encoders,part,transcripts,aggregate,note
pepino2021,{table},{row},planted,uar,0.99,,sessions,hubert-small,,,,
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study in which every guard that can be violated without stopping the run is."""
    study = SmallStudy(tmp_path_factory.mktemp("study"), {name: {} for name in SYSTEMS}, substitute=True)
    rows = study.rows
    rows.loc[(rows["session"] == "3") & (rows["emotion"] == "sad"), "emotion"] = ""  # fold 3 tests no sad one
    rows.loc[rows["speaker"] == "s00", "gender"] = ""
    rows.to_csv(study.manifest, index=False)
    study.roles["emotion"] = study.roles["utterance"].map(rows.set_index("utterance")["emotion"])
    study.roles.to_csv(study.protocol, index=False)
    expect = {"expect": {"utterances": 9999}, "departures": {"utterances": "a part of the release"}}
    study.values["protocols"]["sessions"] |= expect
    study.write_params()
    ledger = study.folder / "scorings"
    for name, (task, skill) in SYSTEMS.items():
        for more in (0.5, 0.0) if name == "linear" else (0.0,):
            frame = predictions(rows, study.roles, task, skill + more, seed=len(name))
            ended = study.evaluate(name, study.predict(name, frame), more=("--ledger", ledger))
            assert ended.returncode == 0, ended.stderr
    shown = yaml.safe_load(study.params.read_text())["systems"]["pepino2021-dense-speaker"]
    (study.folder / "published.csv").write_text(PUBLISHED.format(**shown))
    (study.folder / "quarantine.csv").write_text("utterance,file,reason\nu99 unusable,u99.wav,silent\n")
    (study.folder / "coverage.csv").write_text("metric,speakers,interval,coverage\nuar,10,expanded percentiles,0.942\n")
    costs = study.folder / "data/benchmarks/train/small-linear-1of1.tsv"
    costs.parent.mkdir(parents=True)
    costs.write_text("s\th:m:s\tmax_rss\tcpu_time\n3600.0\t1:00:00\t700.5\t1800.0\n")
    (study.folder / "data/logs/train").mkdir(parents=True)
    (study.folder / "data/logs/train/small-linear-1of1.log").write_text(f"{gpu.COMPUTES} 1\n")
    more = ["--ledger", ledger, "--published", study.folder / "published.csv"]
    more += ["--quarantine", study.folder / "quarantine.csv", "--coverage", study.folder / "coverage.csv"]
    ended = study.report(SYSTEMS, *more, "--benchmarks", costs, costs.with_name("small-gone-1of1.tsv"))
    assert ended.returncode == 0, ended.stderr
    study.out = study.folder / "report" / "small"
    study.page = (study.out / "index.html").read_text()
    return study


VIOLATIONS = {
    1: ["1 files excluded at ingest", "1 counts differ from the release"],
    5: ["the study has no inductive row of the same recipe: pepino2021-dense-speaker"],
    9: ["finite gradients without variance"],
    10: ["No fold mean, because a fold lacks a class: linear, "],
    11: ["Fewer than 5 seeds: pepino2021-dense-speaker."],
    13: ["Test part scored more than once: 1 systems, linear 2 times", "0.50 CPU hours, peak 700 MB"],
    14: ["Constant predictions, so no slope: linear-dimensions"],
    15: ["Sex unknown for 24 utterances"],
    16: ["Neither noise nor another corpus was tried"],
    17: [
        "Shuffled labels end above chance, so something leaks: linear-shuffled",
        "Not in the study: majority, duration",
    ],
    19: ["1 figures of the papers are not reproduced"],
}


@pytest.mark.parametrize("number", VIOLATIONS)
def test_violation_is_on_the_page(study, number):
    title = verdicts.TITLES[number]
    found = re.search(rf"<dt>{number} {title} <span class=\"\w+\">([\w ]+)</span></dt><dd>(.*?)</dd>", study.page)
    verdict, words = found.groups()
    assert verdict == ("by test" if number in verdicts.BY_TEST else "flagged")
    assert all(one in words for one in VIOLATIONS[number]), words


def test_constant_predictions_have_no_ccc(study):
    """Not NaN, which would be no JSON: 0, as the covariance form has it."""
    metrics = json.loads((study.out / "metrics.json").read_text())["linear-dimensions"]
    assert {figure["pooled"] for figure in metrics.values()} == {0.0}


def test_page_counts_scorings_and_tells_coverage_and_cost(study):
    assert "Scorings of this protocol's test part so far: 5" in study.page
    assert "contained the true value 94.2 % of the time for UAR (10 speakers here, 10 simulated)" in study.page
    assert (
        '<td class="n">1 of 2</td><td class="n">1.00</td><td class="n">0.50</td><td class="n">1.00</td>' in study.page
    )


def test_the_same_predictions_again_are_no_new_scoring(study):
    before = sorted((study.folder / "scorings").iterdir())
    path = study.folder / "train/linear-dimensions/1of1.csv"
    assert study.evaluate("linear-dimensions", path, more=("--ledger", study.folder / "scorings")).returncode == 0
    assert sorted((study.folder / "scorings").iterdir()) == before


def test_predictions_that_were_changed_after_scoring_are_refused(study, tmp_path):
    for kind in ("csv", "json"):
        (tmp_path / f"linear.{kind}").write_bytes((study.folder / f"evaluate/linear.{kind}").read_bytes())
    with open(tmp_path / "linear.csv", "a") as handle:
        handle.write("\n")
    ended = python(
        "stages.report",
        *options(
            params=study.params,
            study="small",
            manifest=study.manifest,
            protocol=study.protocol,
            out=tmp_path / "out",
            evaluations=tmp_path / "linear.json",
        ),
    )
    assert ended.returncode == 1
    assert "linear.csv: not the predictions that linear.json was computed from" in ended.stderr.splitlines()[-1]


def test_tables_to_paste_hold_the_figures(study):
    metrics = json.loads((study.out / "metrics.json").read_text())
    shown = f"{100 * metrics['linear']['uar']['pooled']:.1f}"
    low, high = (f"{100 * metrics['linear']['uar'][end]:.1f}" for end in ("ci_low", "ci_high"))
    latex = (study.out / "results.tex").read_text()
    assert f"linear (control) & audio & {shown} & {{[{low}, {high}]}}" in latex
    assert r"\begin{tabular}{llr@{ }lr@{ }lr@{ }l}" in latex and latex.count(r"\begin{table}") == 2
    assert r"UAR \%" in latex and "▲" not in latex and "−" not in latex
    assert f"| linear *(control)* | audio | {shown} [{low}, {high}]" in (study.out / "results.md").read_text()


def test_show_says_what_changed_since_the_commit_and_makes_the_overview(study):
    git = ("git", "-C", study.out, "-c", "user.name=x", "-c", "user.email=x@example.org")
    metrics = json.loads((study.out / "metrics.json").read_text())
    metrics["linear"]["uar"]["pooled"] -= 0.1
    new = metrics.pop("linear-shuffled")
    then = study.out / "metrics.json"
    now = then.read_text()
    try:
        then.write_text(json.dumps(metrics))
        for words in (("init", "-q"), ("add", "metrics.json"), ("commit", "-qm", "then")):
            subprocess.run([*git, *words], check=True)
    finally:
        then.write_text(now)
    ended = python("stages.report", "--show", study.out, "--expected", study.folder / "none.csv")
    assert ended.returncode == 0, ended.stderr
    was, is_now = (f"{100 * metrics['linear']['uar']['pooled'] + change:.1f}" for change in (0, 10))
    assert f"  linear: UAR % {was} → {is_now}\n" in ended.stdout and "  linear-shuffled: new\n" in ended.stdout
    assert "(2 systems unchanged" in ended.stdout
    page = (study.out.parent / "index.html").read_text()
    assert '<a href="small/index.html">small</a>' in page and f"{100 * new['uar']['pooled']:.1f}" in page
    assert page == overview.html([overview._read(study.out)])


@pytest.fixture
def scored(study, tmp_path):
    """What evaluate says of ``linear`` with more options; its outputs go elsewhere."""

    def run(*more) -> str | list[dict]:
        (tmp_path / "o.json").unlink(missing_ok=True)
        ended = python(
            "stages.evaluate",
            *options(
                params=study.params,
                study="small",
                system="linear",
                manifest=study.manifest,
                protocol=study.protocol,
                predictions=study.folder / "train/linear/1of1.csv",
                out_csv=tmp_path / "o.csv",
                out_json=tmp_path / "o.json",
            ),
            *more,
        )
        if ended.returncode == 0:
            return json.loads((tmp_path / "o.json").read_text())["seen"]
        assert "Traceback" not in ended.stderr and not (tmp_path / "o.json").exists()
        return ended.stderr.strip().splitlines()[-1]

    return run


def encoder(path, rows: pd.DataFrame, start=None, **more):
    """An encoder's file that says what it has seen, and the one that it started from; no more of it is read here."""
    import torch

    about = {"source": "somewhere", "utterance_sha256": list(rows["sha256"])} | more
    notes = {"seen": about, "start": {"notes": checkpoint.header(start)["notes"]} if start else {}}
    checkpoint.save(path, {"w": torch.zeros(1)}, {"config": {}, "class": "x", "notes": notes})
    return path


def models(path, study, **components):
    """A model file whose units say what their components have seen."""
    names = study.rows["utterance"].tolist()
    notes = {"seen": {what: seen.pack(rows, names) for what, rows in components.items()}}
    units.write(path, {(1, 1): ({}, notes)}, "model/")
    return path


def of(study, fold: int, role: str) -> list[str]:
    return study.roles.query("fold == @fold and role == @role")["utterance"].tolist()


def test_a_component_that_has_seen_a_test_row_is_not_scored(study, scored, tmp_path):
    train, test = of(study, 1, "train"), of(study, 1, "test")
    clean = models(tmp_path / "m.safetensors", study, codebook=train)
    encoders = ("--pretrained", encoder(tmp_path / "e.safetensors", study.rows.head(0), utterance_sha256=["f" * 64]))
    assert scored("--models", clean, *encoders, "--encoders", "hubert-base", "--corpus", "planted") == [
        {"what": "codebook", "seen": "144 training rows per fold"},
        {"what": "encoder e", "seen": "1 utterances of somewhere"},
        {"what": "encoder hubert-base", "seen": "LibriSpeech"},
    ]
    leaky = models(tmp_path / "m.safetensors", study, codebook=[*train, test[3]])
    error = scored("--models", leaky)
    assert f"codebook: fold 1: fitted on {test[3]}, which is a test utterance" in error


def test_an_encoder_that_has_seen_a_test_utterance_or_its_speaker_is_not_scored(study, scored, tmp_path):
    path = encoder(tmp_path / "e.safetensors", study.rows.iloc[[30]])
    name = study.rows["utterance"][30]
    assert f"test utterance {name} was in its pretraining data" in scored("--pretrained", path)
    unlabelled = study.rows[study.rows["emotion"] == ""].iloc[[0]]  # tested by nobody, but its speaker is
    assert "is by a speaker of its pretraining data" in scored("--pretrained", encoder(path, unlabelled))
    digest = checkpoint.sentence_digest(study.rows["text"][0])
    read = encoder(path, study.rows.head(0), sentence_sha256=[digest])
    assert "has a text of its pretraining data" in scored("--pretrained", read)
    later = encoder(tmp_path / "later.safetensors", study.rows.head(0), start=read)
    assert "has a text of its pretraining data" in scored("--pretrained", later)


def test_published_weights_that_were_trained_on_the_corpus_are_not_scored_there(study, scored):
    values = yaml.safe_load(study.params.read_text())
    source = "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim"
    values["encoders"]["msp"] = {"kind": "transformers", "source": source}
    params = study.folder / "msp.yaml"
    params.write_text(yaml.safe_dump(values))
    error = scored("--encoders", "msp", "--corpus", "msp-podcast-1-10", "--params", params)
    assert f"encoders.msp: its weights ({source}) were trained on msp-podcast" in error


def test_what_was_seen_is_kept_to_the_utterance():
    names = [f"u{i}" for i in range(21)]
    some = list(np.array(names)[[0, 7, 8, 20]])
    packed = seen.pack([*some, "stranger"], names)
    assert sorted(seen.unpack(packed, names, "x")) == sorted([*some, "stranger"])
    with pytest.raises(seen.UserError, match="another state of the corpus"):
        seen.unpack(packed, names[:-1], "x")
