"""A run that is killed goes on where it was, leaves no orphan, and ends bit-identical to an undisturbed one."""

import time

import pytest

from tests.stories.conftest import SNAKEMAKE

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("stage", "everything"),
    [("features", True), ("train", False), ("retrain", False)],
    ids=["features: everything killed", "training: the parent alone", "retraining: the parent alone"],
)
def test_goes_on_after_a_kill(fresh, finished, kill, stage, everything):
    run = fresh.start(*SNAKEMAKE)
    fresh.wait_for(f"data/logs/{stage}/*.log", run)
    time.sleep(1.5)  # into the work itself
    kill(run, everything)
    end = time.monotonic() + 5
    while fresh.processes() and time.monotonic() < end:
        time.sleep(0.05)
    assert [fresh.command(pid) for pid in fresh.processes()] == []
    fresh.snakemake()
    expected, found = finished.artifacts(), fresh.artifacts()
    assert expected.keys() == found.keys()
    assert [name for name in expected if expected[name] != found[name]] == []
