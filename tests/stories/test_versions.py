"""The workflow under git and DVC: both tools agree on what is current after runs, edits, checkouts and clones."""

import json
import os
import re
import shutil
import signal
import time

import pytest
import yaml

from tests.stories.conftest import ROOT, Project

pytestmark = pytest.mark.slow

NOTHING = "Nothing to be done"
HOLD = """
import pathlib, time
from dvc.repo import Repo, lock_repo
with Repo() as repo, lock_repo(repo):
    pathlib.Path("held").touch()
    time.sleep(300)
"""


def stages(project: Project) -> dict:
    """The stages of dvc.yaml."""
    return yaml.safe_load((project.folder / "dvc.yaml").read_text())["stages"]


def locked(project: Project) -> dict:
    """The entries of dvc.lock."""
    return yaml.safe_load((project.folder / "dvc.lock").read_text())["stages"]


def quiet(project: Project) -> bool:
    """Neither tool finds anything to do."""
    planned = project.snakemake("--dry-run", check=False)
    return NOTHING in planned.stdout + planned.stderr and json.loads(project.dvc("status", "--json").stdout) == {}


def ran(output: str) -> set[str]:
    """Stages that `dvc repro` ran."""
    return set(re.findall(r"Running stage '([^']+)'", output))


def stale(project: Project) -> set[str]:
    """Rules of the jobs that Snakemake would run."""
    return set(re.findall(r"^rule (\w+):", project.snakemake("--dry-run").stdout, re.M)) - {"all"}


EDITED = yaml.safe_load((ROOT / "params.yaml").read_text()) != yaml.safe_load((ROOT / "tests/shipped.yaml").read_text())


@pytest.mark.skipif(EDITED, reason="params.yaml is edited here, so dvc.yaml may be too")
def test_dvc_yaml_is_what_the_snakefile_implies(tmp_path):
    project = Project(tmp_path)
    shutil.copy(ROOT / "tests/shipped.yaml", tmp_path / "params.yaml")
    (tmp_path / "dvc.yaml").unlink()
    project.versions("compile")
    assert (tmp_path / "dvc.yaml").read_text() == (ROOT / "dvc.yaml").read_text(), (
        "run: python -m stages.versions compile"
    )


def test_a_stage_is_named_by_its_job_alone_and_the_lock_holds_no_other(repository):
    before = stages(repository)
    assert set(locked(repository)) == set(before)
    repository.set({"studies/default/systems": ["majority", "duration"]})
    repository.snakemake()
    after = stages(repository)
    assert set(before) - set(after) == {
        name for name in before if "linear" in name or "features" in name or "pretrain" in name
    }
    assert set(after) - set(before) == {"train-default-duration", "evaluate-default-duration"}
    assert set(locked(repository)) == set(after)


def test_a_run_that_dvc_cannot_record_says_so_and_is_recorded_by_the_next(repository):
    lock = (repository.folder / "dvc.lock").read_text()
    repository.set({"report/decimals": 3})
    held = repository.start("python", "-c", HOLD)
    repository.until(lambda: (repository.folder / "held").exists(), held)
    done = repository.snakemake(check=False)
    held.kill()
    held.wait()
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "the run is not recorded in dvc.lock" in lines[-1]
    assert (repository.folder / "dvc.lock").read_text() == lock
    repository.snakemake()
    assert quiet(repository)


def test_both_tools_are_quiet_after_a_run_of_either_and_an_edit_taken_back_runs_nothing(repository):
    assert quiet(repository)
    repository.set({"evaluate/draws": 1200})
    done = repository.dvc("repro")
    scored = {"evaluate-default-majority", "evaluate-default-linear", "report-default"}
    assert ran(done.stdout) == {"settings", *scored}
    assert quiet(repository)

    repository.set({"evaluate/draws": 1000})
    assert ran(repository.dvc("repro").stdout) <= {"settings"}
    refused = repository.snakemake("--dry-run", check=False)
    assert refused.returncode and "came by DVC" in refused.stderr and "make sync" in refused.stderr
    repository.versions("sync")
    assert quiet(repository)


def test_older_commit_is_taken_in_by_the_hook(repository):
    repository.set({"systems/linear/strengths": [0.01]})
    repository.snakemake()
    assert quiet(repository)
    repository.commit("second")
    repository.versions("hook")
    repository.git("checkout", "--quiet", "HEAD~1")
    assert quiet(repository)
    repository.set({"systems/majority/row": "another"})
    assert stale(repository) == {"train", "evaluate", "report"}


def test_a_clone_is_refused_until_synced_and_sync_refuses_what_dvc_has_not_proven(repository, tmp_path):
    store = tmp_path / "store"
    repository.dvc("remote", "add", "--default", "store", str(store))
    repository.dvc("push")
    repository.commit("remote")
    repository.git("clone", "--quiet", str(repository.folder), str(tmp_path / "clone"))
    clone = Project.__new__(Project)
    clone.folder, clone.env = tmp_path / "clone", repository.env | {"PYTHONPATH": str(tmp_path / "clone")}
    assert "is missing" in clone.versions("why").stdout
    missing = clone.versions("sync", check=False)
    assert missing.returncode and "dvc pull" in missing.stderr and "Traceback" not in missing.stderr
    clone.dvc("pull")
    refused = clone.snakemake(check=False)
    assert refused.returncode and "make sync" in refused.stderr
    clone.versions("sync")
    assert quiet(clone)

    clone.set({"evaluate/draws": 1100})
    dirty = clone.versions("sync", check=False)
    assert dirty.returncode and "nothing was marked as current" in dirty.stderr
    assert stale(clone) == {"evaluate", "report"}


def test_another_graph_is_refused_until_compiled(repository):
    before = (repository.folder / "dvc.yaml").read_text()
    refused = repository.dvc("exp", "run", "-S", "studies.default.speech=mfcc", check=False)
    assert refused.returncode and "stages.versions compile" in refused.stderr + refused.stdout
    repository.versions("compile")
    assert (repository.folder / "dvc.yaml").read_text() != before


def test_an_experiment_runs_only_its_row_and_compares(repository):
    """A value of the catalogue: params.yaml gets the key (++), for it lies over the catalogue."""
    done = repository.dvc("exp", "run", "--name", "weak", "-S", "++systems.linear.strengths=[0.0001]")
    assert ran(done.stdout) == {"settings", "train-default-linear", "evaluate-default-linear", "report-default"}
    assert "weak" in repository.dvc("exp", "show", "--csv").stdout
    difference = json.loads(repository.dvc("metrics", "diff", "--json", "HEAD", "weak").stdout)
    changed = difference["data/report/default/metrics.json"]
    assert {key.split(".")[0] for key in changed} == {"linear"}


def test_an_interrupted_repro_leaves_no_child_and_loses_nothing(repository):
    repository.set({"pretrain/hubert/steps": 7})
    process = repository.start("dvc", "repro")
    repository.until(lambda: repository.runs("stages.pretrain"), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 20
    while repository.processes() and time.monotonic() < end:
        time.sleep(0.1)
    assert not repository.processes()
    repository.dvc("repro")
    assert quiet(repository)


def test_nothing_large_is_stored_twice(light):
    """On a filesystem with hardlinks (or reflinks, whose sharing du does not show)."""
    sizes: dict[int, int] = {}
    artifacts = 0
    for root in ("data", ".dvc/cache"):
        for path in (light.folder / root).rglob("*"):
            if path.is_file() and not str(path.relative_to(light.folder)).startswith(
                ("data/scratch", "data/logs", "data/benchmarks")
            ):
                sizes[path.stat().st_ino] = path.stat().st_size
                artifacts += path.stat().st_size if root == "data" else 0
    assert sum(sizes.values()) <= 1.1 * artifacts


def test_pruning_frees_what_no_stage_has(repository):
    def cached() -> int:
        return sum(p.stat().st_size for p in (repository.folder / ".dvc/cache").rglob("*") if p.is_file())

    before = cached()
    encoder = (repository.folder / "data/features/planted/hubert-small.h5").stat().st_size
    repository.set({"studies/default/systems": ["majority"]})
    repository.versions("compile")
    repository.dvc("gc", "--workspace", "--force")
    print(f"dvc gc: {before / 1e6:.1f} MB before, {cached() / 1e6:.1f} MB after a system was dropped")
    assert before - cached() >= encoder


def test_compare_says_identical_tie_or_worse(repository):
    repository.set({"systems/linear/strengths": [1e-6]})
    repository.snakemake()
    text = repository.versions("compare", "HEAD").stdout
    lines = {line.split()[1]: line for line in text.splitlines() if line.startswith("default")}
    assert "identical predictions: majority" in text and "majority" not in lines
    assert lines["linear"].split()[-1] in ("tie", "worse", "better")
    unknown = repository.versions("compare", "nosuchcommit", check=False)
    assert unknown.returncode and "no such commit" in unknown.stderr and "Traceback" not in unknown.stderr
