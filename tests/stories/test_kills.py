"""A run that is killed goes on where it was, leaves no orphan, and ends bit-identical to an undisturbed one."""

import re
import shutil
import time

import pytest

from tests.stories.conftest import SNAKEMAKE

pytestmark = pytest.mark.slow


def forget(project, stage: str) -> None:
    """Remove what the stage and all after it in the Snakefile made."""
    stages = re.findall(r'^include: "stages/(\w+)\.smk"', (project.folder / "Snakefile").read_text(), re.M)
    for name in stages[stages.index(stage) :]:
        for holder in ("data", "data/logs", "data/scratch"):
            for folder in (project.folder / holder).glob(f"{name}*"):
                shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("stage", "everything"),
    [("features", True), ("train", False), ("retrain", False)],
    ids=["features: everything killed", "training: the parent alone", "retraining: the parent alone"],
)
def test_goes_on_after_a_kill(finished, tmp_path, kill, stage, everything):
    project = finished.copy(tmp_path / "project")
    forget(project, stage)
    run = project.start(*SNAKEMAKE)
    project.wait_for(f"data/logs/{stage}/*.log", run)
    time.sleep(1.5)  # into the work itself
    kill(run, everything)
    end = time.monotonic() + 5
    while project.processes() and time.monotonic() < end:
        time.sleep(0.05)
    assert [project.command(pid) for pid in project.processes()] == []
    project.snakemake()
    expected, found = finished.artifacts(), project.artifacts()
    assert expected.keys() == found.keys()
    assert [name for name in expected if expected[name] != found[name]] == []
