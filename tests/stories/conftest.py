"""A small copy of the project in which whole runs are stories: all stages on 40 utterances, in a minute."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SYSTEMS = [
    "majority",
    "linear",
    "pepino2021-dense-speaker",
    "srinivasan2022-teacher",
    "srinivasan2022-cts",
    "pan2024-gmp-ams",
]

SNAKEMAKE = ("snakemake", "--cores", "2", "--nolock", "--rerun-incomplete")


def _environment(folder: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(folder)}


class Project:
    """The repository's files in a folder of their own, with small parameters; commands run in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        names = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in names.stdout.splitlines():
            if (ROOT / name).is_file() and name.startswith(
                (
                    "stages/",
                    "envs/",
                    "data/published",
                    "data/coverage",
                    "Snakefile",
                    "Makefile",
                    ".dvc",
                    ".gitignore",
                    "dvc.yaml",
                )
            ):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        shutil.copy(ROOT / "tests/params.yaml", folder / "params.yaml")
        self.env = _environment(folder)

    @classmethod
    def at(cls, folder: Path) -> "Project":
        """The project that lies in a folder."""
        project = cls.__new__(cls)
        project.folder, project.env = folder, _environment(folder)
        return project

    def copy(self, folder: Path) -> "Project":
        """All of it, runs and records too, in another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return self.at(folder)

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=tests", "-c", "user.email=tests@localhost")
        return self.run("git", *who, *arguments).stdout

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def dvc(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        return self.run("dvc", *arguments, check=check)

    def versions(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        return self.run("python", "-m", "stages.versions", *arguments, check=check)

    def set(self, values: dict) -> None:
        """Set values of params.yaml, each by its keys with slashes between them."""
        for key, value in values.items():
            self._edit(key, lambda holder, last, value=value: holder.update({last: value}))

    def drop(self, key: str) -> None:
        """Leave a key out of params.yaml."""
        self._edit(key, lambda holder, last: holder.pop(last))

    def _edit(self, key: str, act) -> None:
        path = self.folder / "params.yaml"
        params = holder = yaml.safe_load(path.read_text())
        *parents, last = key.split("/")
        for name in parents:
            holder[name] = holder.get(name) or {}
            holder = holder[name]
        act(holder, last)
        path.write_text(yaml.safe_dump(params, sort_keys=False, default_flow_style=None, width=1000))

    def run(self, *command: str, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess:
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=timeout)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def snakemake(self, *more: str, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess:
        return self.run(*SNAKEMAKE, *more, check=check, timeout=timeout)

    def start(self, *command: str) -> subprocess.Popen:
        """A command in a process group of its own."""
        with open(self.folder / "started.log", "w") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.env, stdout=log, stderr=log, start_new_session=True
            )

    def processes(self) -> list[int]:
        """Live processes of ours that run in this folder."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                here = (entry / "cwd").readlink() == self.folder
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if here and state != "Z" and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        return found

    def runs(self, module: str) -> bool:
        """Whether a process of ours in this folder runs ``module``."""
        return any(f" {module} " in self.command(pid) for pid in self.processes())

    def command(self, pid: int) -> str:
        """The command line of a process; empty where it has ended meanwhile."""
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return ""

    def wait_for(self, pattern: str, process: subprocess.Popen) -> None:
        """Until a file matches ``pattern``; fails when the run ends before."""
        self.until(lambda: list(self.folder.glob(pattern)), process)

    def until(self, there, process: subprocess.Popen, seconds: float = 300) -> None:
        """Until ``there()``; fails when the run ends before."""
        end = time.monotonic() + seconds
        while not there():
            assert process.poll() is None, (self.folder / "started.log").read_text()
            assert time.monotonic() < end, f"not there after {seconds} s"
            time.sleep(0.02)

    def artifacts(self) -> dict[str, bytes]:
        """What must be bit-identical: predictions, weights, stores, manifests, figures of evaluation."""
        kinds = {".csv", ".h5", ".safetensors", ".json"}
        skip = ("data/scratch", "data/logs", "data/benchmarks", "data/report")
        files = (p for p in (self.folder / "data").rglob("*") if p.suffix in kinds)
        return {n: p.read_bytes() for p in files if not (n := str(p.relative_to(self.folder))).startswith(skip)}


SMALL = {
    "studies/default/systems": SYSTEMS,
    "studies/default/trials": {"noise-10": ["linear"]},
    "corpora/planted/speakers": 8,
    "corpora/planted/sessions": 4,
    "corpora/planted/utterances": 64,
    "studies/default/corpus": "planted",
    "studies/default/protocol": "sessions",
    "studies/default/transcripts": "corrupted",
    "pretrain/hubert/source": "",
    "pretrain/bert/source": "",
    "pretrain/hubert/utterances": 12,
    "pretrain/hubert/steps": 6,
    "pretrain/hubert/layers": 2,
    "pretrain/hubert/clusters": 10,
    "pretrain/bert/sentences": 200,
    "pretrain/bert/steps": 6,
    "studies/default/changes": {
        "pepino2021-dense-speaker": {"epochs": 3},
        "srinivasan2022-teacher": {"epochs": 2, "hidden": 8, "embedding": 8, "gru_layers": 1, "normalise": "global"},
        "srinivasan2022-cts": {"epochs": 2, "hidden": 8, "embedding": 8, "gru_layers": 1, "tuned_blocks": 1},
        "pan2024-gmp-ams": {"epochs": 2, "batch": 16, "hidden": 16},
        "adapt.gmp": {"epochs": 2, "lstm": 32, "hidden": 64, "batch": 16},
        "cluster.gmp": {"scales": [4, 8], "layers": [-2]},
        "retrain.gmp": {"epochs": 2, "layer": -2, "hidden": 64, "batch": 16},
    },
    "evaluate/draws": 1000,
}
LIGHT = SMALL | {
    "studies/default/systems": ["majority", "linear"],
    "studies/default/trials": {},
    "studies/default/changes": {},
}


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    """Make a project once for all processes of this test run: name and a function that fills a folder."""
    once = tmp_path_factory.getbasetemp().parent if worker_id != "master" else tmp_path_factory.getbasetemp()

    def project(name: str, make) -> Project:
        with open(once / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = once / f"{name}.done"
            if not done.exists():
                assert not (once / name).exists(), f"making the project {name!r} has failed in another process"
                make(once / name)
                done.touch()
        return Project.at(once / name)

    return project


@pytest.fixture(scope="session")
def finished(shared) -> Project:
    """A project after one undisturbed run. Do not change it."""

    def make(folder: Path) -> None:
        project = Project(folder)
        project.set(SMALL)
        project.snakemake()

    return shared("finished", make)


@pytest.fixture(scope="session")
def versioned(finished, shared) -> Project:
    """The same under git and DVC, committed after a run. Do not change it."""

    def make(folder: Path) -> None:
        project = finished.copy(folder)
        project.git("init", "--quiet")
        project.set({"report/decimals": 2})
        project.snakemake()
        project.commit("first")

    return shared("versioned", make)


@pytest.fixture(scope="session")
def light(shared) -> Project:
    """Two systems alone, under git and DVC, committed after a run. Do not change it."""

    def make(folder: Path) -> None:
        project = Project(folder)
        project.git("init", "--quiet")
        project.set(LIGHT)
        project.snakemake()
        project.commit("first")

    return shared("light", make)


@pytest.fixture
def repository(light, tmp_path) -> Project:
    """A copy of ``light`` to work in."""
    return light.copy(tmp_path / "project")


@pytest.fixture
def fresh(tmp_path) -> Project:
    """A project in which nothing has run."""
    project = Project(tmp_path)
    project.set(SMALL)
    return project


@pytest.fixture
def kill():
    """Kill a run: the whole process group (``everything``), or the parent alone."""

    def act(process: subprocess.Popen, everything: bool) -> None:
        (os.killpg if everything else os.kill)(process.pid, signal.SIGKILL)
        process.wait()

    return act
