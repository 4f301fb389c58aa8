"""A user's mistakes, through the command line: one line that says what and how to mend it, before any job starts."""

import subprocess

import pytest

from stages.recipes.external import External
from tests.unit.catalogue import shipped


def last_line(done: subprocess.CompletedProcess) -> str:
    return [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train/thread": 1}, ["train.thread", "did you mean 'threads'"]),
        ({"studies/default/sytems": []}, ["studies.default.sytems", "did you mean 'systems'"]),
        ({"systems/linear/normalize": "global"}, ["systems.linear.normalize", "did you mean 'normalise'"]),
        ({"features/batch_seconds": "many"}, ["features.batch_seconds", "'many'"]),
        ({"studies/default/corpus": "plantd"}, ["studies.default.corpus", "did you mean 'planted'"]),
        ({"studies/default/transcripts": ""}, ["studies.default.transcripts", "needs transcripts"]),
        ({"studies/default/speech": "mfcc"}, ["studies.default.speech", "cannot be fine-tuned"]),
        ({"encoders/hubert-small/kind": "builtin"}, ["encoders.hubert-small.kind", "did you mean 'builtin-"]),
        ({"studies/default/changes": {"linear": {"rate": 1}}}, ["changes.linear.rate", "not a key"]),
        (
            {
                "systems/mine": shipped(External, file="mine.csv"),
                "studies/default/systems": ["majority", "mine"],
                "studies/default/changes": {},
            },
            ["systems.mine.file", "mine.csv: no such file"],
        ),
        ({"active": ["defualt"]}, ["active", "did you mean 'default'"]),
    ],
)
def test_parameters(fresh, change, words):
    fresh.set(change)
    done = fresh.snakemake(check=False)
    assert done.returncode != 0
    line = last_line(done)
    assert line.startswith("error: params.yaml: ") and all(word in line for word in words), done.stderr
    assert "Traceback" not in done.stderr
    assert not (fresh.folder / "data/ingest").exists()


def test_missing_key(fresh):
    fresh.drop("train/memory_gb")
    assert "params.yaml: train.memory_gb: missing; add it" in last_line(fresh.snakemake(check=False))


def test_system_without_labels_or_text_on_a_table(fresh):
    (fresh.folder / "mine.csv").write_text("file,speaker,gender,emotion\na.wav,s1,female,happy\n")
    fresh.set(
        {"corpora/mine": {"reader": "table", "table": "mine.csv", "audio": "."}, "studies/default/corpus": "mine"}
    )
    line = last_line(fresh.snakemake(check=False))
    assert "'mine'" in line and ("has none for" in line or "no labels for" in line)


def test_inactive_study(fresh):
    done = fresh.snakemake("--", "ravdess", check=False)
    assert done.returncode != 0
    assert "study 'ravdess' is not active; add it to the list: active: [default, ravdess]" in done.stdout + done.stderr


def test_truncated_store_is_named(fresh):
    path = fresh.folder / "data/features/x.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    code = "from stages.stores.features import FeatureStore; FeatureStore('data/features/x.h5')"
    done = fresh.run("python", "-c", code, check=False)
    assert "data/features/x.h5: not a whole feature store" in done.stderr
