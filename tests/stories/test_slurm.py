"""The cluster profile: the same jobs through SLURM, to the same bytes; interrupted, failing and killed runs."""

import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.stories.conftest import LIGHT, Project

pytestmark = pytest.mark.slow
LOCAL = ("protocol", "ceilings", "report")
CLAIM = "import os; from stages.runtime import gpu; print(os.environ.get('CUDA_VISIBLE_DEVICES'), gpu.claim())"


def answer(*command: str) -> subprocess.CompletedProcess | None:
    """What a command says, where there is such a command and it does."""
    if not shutil.which(command[0]):
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return None
    return None if done.returncode else done


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> tuple[str, ...]:
    """The command for a run through the shipped profile, with what this cluster needs; skips where there is none."""
    nodes = answer("sinfo", "--noheader", "--states", "idle,mixed,allocated", "--format", "%D %G")
    if not shutil.which("sbatch") or nodes is None or not nodes.stdout.strip():
        pytest.skip("no SLURM here: `sbatch` and `sinfo` do not answer, or no node is up")
    if answer("srun", "--ntasks=1", "--time=2", "test", "-d", str(tmp_path_factory.getbasetemp())) is None:
        pytest.skip("SLURM's jobs do not see the tests' folder: give pytest --basetemp on a shared file system")
    command = ["snakemake", "--profile", "envs/profiles/slurm", "--default-resources", "mem_mb=1000", "runtime=10"]
    command += ["--slurm-init-seconds-before-status-checks", "1", "--max-status-checks-per-second", "1"]
    if answer("sacct", "--noheader", "--allocations") is None:
        command += ["--slurm-status-command", "squeue"]
    if "gpu" not in nodes.stdout:
        command += ["--resources", "gpu=0"]
    return tuple(command)


@pytest.fixture
def project(tmp_path) -> Project:
    project = Project(tmp_path)
    project.git("init", "--quiet")
    project.set(LIGHT)
    return project


def queue(project: Project) -> list[str]:
    """SLURM's jobs of this folder."""
    lines = subprocess.run(["squeue", "--noheader", "--format", "%i %Z"], capture_output=True, text=True).stdout
    return [line.split()[0] for line in lines.splitlines() if line.endswith(f" {project.folder}")]


def wait(there, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.2)


def started(project: Project, cluster) -> subprocess.Popen:
    """A run whose one job has begun its work."""
    run = project.start(*cluster, "--", "data/pretrain/hubert.safetensors")
    project.until(lambda: queue(project) and project.runs("stages.pretrain"), run)
    project.wait_for("data/logs/pretrain/hubert.log", run)
    return run


def test_same_bytes_as_on_one_machine(cluster, project, light):
    done = project.run(*cluster)
    rules = re.findall(r"^(?:local)?rule (\w+):$", done.stderr, re.MULTILINE)
    assert done.stderr.count("has been submitted with SLURM jobid") == len(
        [r for r in rules if r not in (*LOCAL, "all")]
    )
    assert set(re.findall(r"^localrule (\w+):$", done.stderr, re.MULTILINE)) == {*LOCAL, "all"}
    expected, found = light.artifacts(), project.artifacts()
    assert expected.keys() == found.keys()
    assert [name for name in expected if expected[name] != found[name]] == []
    assert project.dvc("status", "--json").stdout.strip() == "{}"
    for again in (project.run(*cluster), project.snakemake()):
        assert "Nothing to be done" in again.stderr + again.stdout


def test_reason_of_a_failure_is_one_line(cluster, project):
    (project.folder / "mine.csv").write_text("file,speaker,gender,emotion\na.wav,s1,female,happy\n")
    project.set({"corpora/mine": {"reader": "table", "table": "mine.csv", "audio": "."}})
    done = project.run(*cluster, "--", "data/ingest/mine/manifest.csv", check=False)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        "error: mine.csv: line 2: file: no such file a.wav; correct the name or corpora.mine.audio"
    ]


def test_interrupt_cancels_the_jobs(cluster, project):
    run = started(project, cluster)
    run.send_signal(signal.SIGINT)
    assert run.wait(120) == 1
    wait(lambda: not queue(project) and not project.processes())


def test_what_outlived_its_run_is_not_trusted(cluster, project):
    run = started(project, cluster)
    run.kill()
    run.wait()
    wait(lambda: not queue(project))
    assert (project.folder / "data/pretrain/hubert.safetensors").exists()
    project.run("snakemake", "--unlock")
    again = project.run(*cluster, "-n", "--", "data/pretrain/hubert.safetensors")
    assert "Nothing to be done" not in again.stdout + again.stderr


def test_no_run_beside_the_jobs_of_another(cluster, project):
    left = project.run("sbatch", "--parsable", "--time=2", "--output=left.log", "--wrap", "sleep 100").stdout.strip()
    refused = project.run(*cluster, "--", "data/pretrain/hubert.safetensors", check=False)
    project.run("scancel", left)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert f"wait until they have ended, or: scancel {left}" in refused.stderr


def test_a_gpu_is_the_one_that_slurm_assigned(cluster, project, tmp_path):
    if "gpu=0" in cluster:
        pytest.skip("this cluster has no GPU to assign")
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir()
    lines = [f"echo 'GPU {i}: pretended (UUID: GPU-{i}-aa)'" for i in range(16)]
    program.write_text("\n".join(["#!/bin/sh", *lines]))
    program.chmod(0o755)
    project.env["PATH"] = f"{program.parent}:{project.env['PATH']}"
    claim = ("srun", "--ntasks=1", "--time=2")
    number, name = project.run(*claim, "--gpus=1", sys.executable, "-c", CLAIM).stdout.split()
    assert name == f"GPU-{number}-aa"
    assert project.run(*claim, sys.executable, "-c", CLAIM).stdout.split()[-1] == "None"
