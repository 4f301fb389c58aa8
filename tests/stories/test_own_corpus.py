"""A folder of FLAC files and a table of four columns go through README's lines, without code."""

import csv
import json

import pandas as pd
import pytest
import soundfile
import yaml
from sklearn.metrics import balanced_accuracy_score

from stages.corpora import planted
from tests.stories.conftest import ROOT, SMALL, Project
from tests.unit.catalogue import shipped

pytestmark = pytest.mark.slow
SYSTEMS = ["majority", "duration", "linear", "pepino2021-dense-egemaps"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A project with README's lines for an own corpus, run with four of their systems on 48 utterances."""
    project = Project(tmp_path_factory.mktemp("own"))
    folder = project.folder / "flac"
    folder.mkdir()
    corpus = planted.Planted(**shipped(planted.Planted, speakers=6, sessions=3, utterances=72))
    rows = [row for row in planted.utterances(corpus) if row["emotion"] in ("angry", "happy", "neutral", "sad")]
    with open(project.folder / "mine.csv", "w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["file", "speaker", "gender", "emotion"])
        for row, (name, samples) in zip(rows, planted.synthesise(corpus, rows, workers=1), strict=True):
            soundfile.write(folder / f"{name}.flac", samples, 16_000)
            table.writerow([f"{name}.flac", row["speaker"], row["gender"], row["emotion"]])
    lines = yaml.safe_load((ROOT / "README.md").read_text().split("```yaml\n")[1].split("```")[0])
    lines["corpora.mine"]["audio"] = "flac"
    study = lines["studies.mine"]
    assert set(SYSTEMS) < set(study["systems"])
    study |= {"systems": SYSTEMS, "changes": {"pepino2021-dense-egemaps": {"epochs": 3}}}
    small = {key: value for key, value in SMALL.items() if key.startswith(("pretrain/", "evaluate/"))}
    project.set({"corpora/mine": lines["corpora.mine"], "studies/mine": study, "active": ["mine"]} | small)
    project.snakemake()
    return project


def test_all_systems_are_scored_on_every_utterance_once(own):
    table = pd.read_csv(own.folder / "mine.csv")
    metrics = json.loads((own.folder / "data/report/mine/metrics.json").read_text())
    assert list(metrics) == SYSTEMS
    for name in SYSTEMS:
        rows = pd.read_csv(own.folder / f"data/evaluate/mine/{name}.csv").query("role == 'test'")
        assert sorted(rows["utterance"] + ".flac") == sorted(table["file"])
        assert rows["fold"].nunique() == 6
        figure = metrics[name]["uar"]
        assert figure["pooled"] == pytest.approx(balanced_accuracy_score(rows["true_emotion"], rows["pred_emotion"]))
        assert (figure["n_utterances"], figure["n_speakers"]) == (len(table), 6)


def test_page_shows_the_corpus(own):
    page = (own.folder / "data/report/mine/index.html").read_text()
    table = pd.read_csv(own.folder / "mine.csv")
    women, men = ((table.query("emotion == 'angry'")["gender"] == sex).sum() for sex in ("female", "male"))
    assert f"angry {women} female, {men} male" in page and "6 (3 male, 3 female)" in page
    assert "speakers, version 1: each speaker tested once" in page and "not stated; ask the owner" in page


def woken(project: Project) -> set[str]:
    """The rules whose jobs the next run would start."""
    lines = project.snakemake("--dry-run").stdout.splitlines()
    return {line.removeprefix("rule ").rstrip(":") for line in lines if line.startswith("rule ")}


READERS = {"manifest", "protocol", "train", "evaluate", "report"}


def test_the_raw_corpus_wakes_what_reads_it(own):
    """Edits of the table and of recordings, each taken back; whatever is read of them decides what wakes."""
    table = own.folder / "mine.csv"
    text, recording = table.read_text(), own.folder / "flac" / table.read_text().splitlines()[1].split(",")[0]
    assert woken(own) == set()
    other = "sad" if text.splitlines()[1].endswith("angry") else "angry"
    first = text.splitlines()[1]
    table.write_text(text.replace(first, first.rpartition(",")[0] + f",{other}"))
    assert woken(own) - {"all"} == READERS
    lines = text.splitlines()
    table.write_text("\n".join([lines[0] + ",mood", *(f"{line},good" for line in reversed(lines[1:]))]) + "\n")
    assert woken(own) == set()
    table.write_text(text)
    recording.touch()
    assert woken(own) == set()
    sound = recording.read_bytes()
    samples, rate = soundfile.read(recording, dtype="int16")
    soundfile.write(recording, samples[::-1], rate)
    assert woken(own) - {"all"} == {"ingest", "features", *READERS}
    recording.write_bytes(sound)
    (own.folder / "raw").mkdir()
    for path in (table, own.folder / "flac"):
        path.rename(own.folder / "raw" / path.name)
    done = own.snakemake("--dry-run")
    assert "corpora.mine: flac is missing; its last inventory is used" in done.stderr
    for name in ("mine.csv", "flac"):
        (own.folder / "raw" / name).rename(own.folder / name)
    assert woken(own) == set()
