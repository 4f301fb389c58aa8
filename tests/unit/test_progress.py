"""What a run says while it works: who began, how far it is, and in which order a corpus is read."""

import re

from stages.runtime import reporting
from stages.versions.why import behind
from stages.workflow import corpus_jobs
from stages.workflow.snakemake_inside import Job
from tests.unit.small_corpus import ROOT, ingest, make_corpus


def test_progress_is_told_where_there_is_no_terminal(monkeypatch, capsys):
    clock = iter([0.0, 10.0, 31.0, 40.0, 62.0, 150.0])
    monkeypatch.setattr(reporting, "monotonic", lambda: next(clock))
    monkeypatch.setattr(reporting, "_job", "pretrain   hubert-small")
    assert list(reporting.progress([1, 2, 3, 4, 5], "clusters")) == [1, 2, 3, 4, 5]
    assert capsys.readouterr().err.splitlines() == [
        "pretrain   hubert-small: clusters: 2 of 5, some 46 s left, 31 s gone",
        "pretrain   hubert-small: clusters: 4 of 5, some 16 s left, 62 s gone",
    ]
    clock = iter([0.0, 0.0, 300.0])
    assert list(reporting.told([], "epochs")) == [] == capsys.readouterr().err.splitlines()
    assert list(reporting.progress(iter("a"), "items")) == ["a"]
    assert capsys.readouterr().err == "pretrain   hubert-small: items: 1, 5 min gone\n"


def test_a_long_stage_says_that_it_begins(tmp_path):
    make_corpus(tmp_path, sessions=1)
    said = ingest(tmp_path).splitlines()
    begun = [i for i, line in enumerate(said) if re.fullmatch(r"ingest +mine +begins", line)]
    ended = [i for i, line in enumerate(said) if re.fullmatch(r"ingest +mine +\d+\.\d s", line)]
    assert len(begun) == len(ended) == 1 and begun < ended
    assert not any("inventory" in line and "begins" in line for line in said)


def test_a_corpus_is_read_and_divided_before_anything_long():
    """Snakemake takes the ready jobs whose priorities have the largest sum: no two others outweigh these."""
    priorities = {}
    for path in (ROOT / "stages").glob("*.smk"):
        for number in re.findall(r"^    priority: (\d+)", path.read_text(), re.MULTILINE):
            priorities[path.stem] = max(priorities.get(path.stem, 0), int(number))
    first = {"ingest", "manifest", "protocol"}

    class Networks:
        networked = staticmethod(lambda encoder: encoder == "network")

    others = [priorities[name] for name in priorities if name not in first]
    extraction = [corpus_jobs.features_priority(Networks(), encoder) for encoder in ("network", "descriptors")]
    assert extraction == [15, 40] and {"pretrain", "adapt", "teach"} <= set(priorities)
    assert min(priorities[name] for name in first) > max(*extraction, 2 * priorities["pretrain"], *others)
    tables = [(ROOT / f"stages/{name}.smk").read_text() for name in ("manifest", "protocol")]
    assert all('threads: plan.params["ingest"]["workers"]' in text for text in tables)


def job(rule: str, inputs: list[str], output: str) -> Job:
    return Job(rule, {"name": output.split("/", 1)[1]}, {"all": inputs}, {"one": output}, "", {}, "")


def test_why_of_one_study_tells_of_what_it_needs_alone():
    planned = [
        job("ingest", [], "data/ingest/a.csv"),
        job("ingest", [], "data/ingest/b.csv"),
        job("train", ["data/ingest/a.csv"], "data/train/one.csv"),
        job("train", ["data/ingest/b.csv"], "data/train/two.csv"),
        job("report", ["data/train/one.csv"], "data/report/one/index.html"),
        job("report", ["data/train/two.csv", "data/train/one.csv"], "data/report/one-more/index.html"),
    ]
    assert [one.name for one in behind(planned, ["data/report/one/"])] == [
        "ingest/a.csv",
        "train/one.csv",
        "report/one/index.html",
    ]
    assert behind(planned, ["data/report/one-more/"]) == planned[:4] + planned[5:]
