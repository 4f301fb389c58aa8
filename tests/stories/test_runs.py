"""A whole run, a second one, one more seed, a wiped scratch store."""

import json
import re
import shutil
import time

import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from tests.stories.conftest import SYSTEMS

pytestmark = pytest.mark.slow


def test_every_system_is_in_the_report(finished):
    metrics = json.loads((finished.folder / "data/report/default/metrics.json").read_text())
    assert set(metrics) == set(SYSTEMS)
    page = (finished.folder / "data/report/default/index.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "") and all(name in page for name in SYSTEMS)


def test_metrics_follow_from_the_prediction_files(finished):
    metrics = json.loads((finished.folder / "data/report/default/metrics.json").read_text())
    for name in ("majority", "linear", "pan2024-gmp-ams"):
        rows = pd.read_csv(finished.folder / f"data/evaluate/default/{name}.csv").query("role == 'test'")
        true, pred = rows["true_emotion"], rows["pred_emotion"]
        assert metrics[name]["uar"]["pooled"] == pytest.approx(balanced_accuracy_score(true, pred), abs=1e-6)
        assert metrics[name]["wa"]["pooled"] == pytest.approx(accuracy_score(true, pred), abs=1e-6)
        assert metrics[name]["macro_f1"]["pooled"] == pytest.approx(f1_score(true, pred, average="macro"), abs=1e-6)


def test_second_run_finds_nothing_to_do(finished, tmp_path):
    project = finished.copy(tmp_path / "copy")
    started = time.monotonic()
    done = project.snakemake()
    assert "Nothing to be done" in done.stderr + done.stdout
    assert time.monotonic() - started < 15


def test_new_seed_trains_only_its_units_and_scratch_is_disposable(finished, tmp_path):
    project = finished.copy(tmp_path / "copy")
    copy = project.folder
    before = pd.read_csv(copy / "data/train/default/pepino2021-dense-speaker/1of1.csv")
    project.set({"studies/default/seeds": [1, 2]})
    target = "data/train/default/pepino2021-dense-speaker/1of1.csv"
    project.snakemake("--", target)
    log = (copy / "data/logs/train/default-pepino2021-dense-speaker-1of1.log").read_text()
    assert re.search(r"8 units: 4 made, 4 found", log), log
    after = pd.read_csv(copy / target)
    pd.testing.assert_frame_equal(after[after["seed"] == 1].reset_index(drop=True), before)
    assert not after[after["seed"] == 1]["logit_sad"].equals(
        after[after["seed"] == 2]["logit_sad"].reset_index(drop=True)
    )

    with_scratch = (copy / target).read_bytes()
    shutil.rmtree(copy / "data/scratch")
    (copy / target).unlink()
    project.snakemake("--", target)
    assert (copy / target).read_bytes() == with_scratch
