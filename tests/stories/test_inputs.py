"""The raw corpus is an input: what changes there wakes exactly what reads it, in both tools, and nothing else."""

import csv
import os
import shutil

import numpy as np
import pytest
import soundfile

from stages.config import settings
from tests.stories.conftest import Project
from tests.stories.test_edits import following, in_dvc, in_snakemake, named
from tests.unit.corpus_trees import text

pytestmark = pytest.mark.slow

CLASSES = ("angry", "happy", "neutral", "sad")
SYSTEMS = ["majority", "linear"]
STUDY = {"protocol": "speakers", "speech": "mfcc", "seeds": [1], "systems": SYSTEMS}
SETTINGS = {
    "active": ["mine", "lab"],
    "corpora/mine": {"reader": "table", "table": "mine.csv", "audio": "sound"},
    "corpora/lab": {"reader": "iemocap", "path": "IEMOCAP", "partial": True},
    "studies/mine": STUDY | {"corpus": "mine"},
    "studies/lab": STUDY | {"corpus": "lab", "protocol": "by-session"},
    "protocols/by-session": {"kind": "leave-one-group-out", "by": "session", "validation": 1},
    "evaluate/draws": 1000,
}


def tone(path, i: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(6400) / 16_000
    noise = np.random.default_rng(i).normal(0, 0.01, len(times))
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * (150 + 40 * (i % 4) + i) * times) + noise, 16_000)


def table(folder) -> list[list[str]]:
    """Four speakers, each with two recordings of every class."""
    rows = [["file", "speaker", "gender", "emotion"]]
    for i in range(32):
        tone(folder / f"sound/u{i:02d}.wav", i)
        speaker = i // 8
        rows.append([f"u{i:02d}.wav", f"s{speaker}", ("female", "male")[speaker % 2], CLASSES[i % 4]])
    return rows


def iemocap(folder) -> None:
    """Three sessions in IEMOCAP's layout, two turns of every class by each speaker."""
    for session in (1, 2, 3):
        labels, words = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""], []
        dialogue = f"Ses{session:02d}F_impro01"
        for i in range(16):
            turn = f"{dialogue}_{'FM'[i % 2]}{i:03d}"
            labels += [f"[{i}.0000 - {i}.5000]\t{turn}\t{('ang', 'hap', 'neu', 'sad')[i // 4]}\t[2.5, 2.5, 2.5]", ""]
            words.append(f"{turn} [{i:03d}.0000-{i:03d}.5000]: Turn {i}.")
            tone(folder / f"Session{session}/sentences/wav/{dialogue}/{turn}.wav", 100 * session + i)
        text(folder / f"Session{session}/dialog/EmoEvaluation/{dialogue}.txt", "\n".join(labels) + "\n")
        text(folder / f"Session{session}/dialog/transcriptions/{dialogue}.txt", "\n".join(words) + "\n")


def write(project: Project, rows: list[list[str]]) -> None:
    with open(project.folder / "mine.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)


def read(project: Project) -> list[list[str]]:
    with open(project.folder / "mine.csv", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Project:
    """Both corpora taken in and their studies run, under git and DVC."""
    project = Project(tmp_path_factory.mktemp("inputs") / "project")
    project.git("init", "--quiet")
    project.set(SETTINGS)
    write(project, table(project.folder))
    iemocap(project.folder / "IEMOCAP")
    project.snakemake()
    project.commit("first")
    return project


def corrected(project):
    rows = read(project)
    rows[1][3] = "sad"
    write(project, rows)
    return ["inventory mine", "manifest mine"]


def one_more(project):
    rows = read(project)
    tone(project.folder / "sound/new.wav", 99)
    write(project, [*rows, ["new.wav", "s0", "female", "happy"]])
    return ["inventory mine", "ingest mine", "manifest mine"]


def replaced(project):
    tone(project.folder / "sound/u03.wav", 77)
    return ["inventory mine", "ingest mine"]


def removed(project):
    rows = read(project)
    (project.folder / "sound/u05.wav").unlink()
    write(project, [row for row in rows if row[0] != "u05.wav"])
    return ["inventory mine", "ingest mine", "manifest mine"]


def corrected_release(project):
    path = project.folder / "IEMOCAP/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    path.write_text(path.read_text().replace("F000\tang", "F000\tsad"))
    return ["inventory lab", "manifest lab"]


def nothing_read(project):
    rows = read(project)
    header, *rest = ([*row, "mood" if i == 0 else "good"] for i, row in enumerate(rows))
    write(project, [header, *reversed(rest)])
    os.utime(project.folder / "sound/u04.wav")
    return ["inventory mine"]


@pytest.mark.parametrize("edit", [corrected, one_more, replaced, removed, corrected_release, nothing_read])
def test_an_edit_wakes_exactly_what_reads_it(ready, tmp_path, edit):
    project = ready.copy(tmp_path / "project")
    raw = settings.parse((project.folder / "dvc.lock").read_text(), "dvc.lock")["stages"]
    entries = {named(stage, e["cmd"]): e | {"stage": stage} for stage, e in raw.items()}
    direct = set(edit(project))
    looked = {name for name in direct if name.startswith("inventory")}  # done when Snakemake starts: no job of it
    expected = set() if edit is nothing_read else following(direct, entries, but=looked)
    assert in_snakemake(project) == expected - looked
    assert in_dvc(project, entries) == expected - looked
    if edit is corrected:  # DVC alone finds it too, for its stage depends on the raw table
        other = ready.copy(tmp_path / "other")
        edit(other)
        ran = {
            line.split("'")[1] for line in other.dvc("repro").stdout.splitlines() if line.startswith("Running stage")
        }
        wanted = {entries[name]["stage"] for name in expected}
        assert ran - {"settings"} == wanted | {"inventory-mine"}
    project.snakemake()
    assert in_snakemake(project) == set() == in_dvc(project, entries)


def test_nothing_known_is_decoded_again(ready, tmp_path):
    project = ready.copy(tmp_path / "project")
    one_more(project)
    project.snakemake()
    assert "1 files to decode, 32 already decoded" in (project.folder / "data/logs/ingest/mine.log").read_text()


def test_a_corpus_that_is_away_is_taken_as_it_was(ready, tmp_path):
    project = ready.copy(tmp_path / "project")
    for name in ("mine.csv", "sound"):
        shutil.move(project.folder / name, tmp_path / name)
    done = project.snakemake("--dry-run")
    assert "corpora.mine: sound is missing; its last inventory is used" in done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr
