"""All that this package uses of Snakemake's internals: the planned jobs, and the records of outputs.

Snakemake has no public way to ask for either; so the version is checked first, and nothing else here looks inside.
"""

import ast
import hashlib
import json
import os
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime.errors import UserError

VERSION = "9.27"
RECORDS = Path(".snakemake/metadata")
INCOMPLETE = Path(".snakemake/incomplete")
UNCHECKED = "SERPENTINE_UNCHECKED"
"""Set in the environment if the Snakefile is read only for its graph, or to take in what DVC has checked."""
_PIECE = 254
"""Longer names are cut into pieces, one folder each."""


@dataclass(frozen=True)
class Job:
    """One planned job.

    Attributes
    ----------
    reads : dict
        Dotted keys of params.yaml that it depends on, and their values.
    code : str
        Digest of its modules and of its rule's command.
    """

    rule: str
    wildcards: dict[str, str]
    inputs: dict[str, list[str]]
    outputs: dict[str, str]
    benchmark: str
    reads: dict[str, Any]
    code: str

    @property
    def name(self) -> str:
        """The values of its wildcards, joined; without the part if one job has all folds."""
        return "-".join(value for value in self.wildcards.values() if value != "1of1")


@dataclass(frozen=True)
class Record:
    """How an output was made (see :class:`Job`), and when it was written, in seconds since the epoch."""

    reads: dict[str, Any]
    code: str
    ended: float


def planned() -> list[Job]:
    """All jobs of the active studies, in the order of the Snakefile. No job runs.

    Raises
    ------
    UserError
        Another version of Snakemake, or a Snakefile or params.yaml that cannot be planned.
    """
    check_version()
    os.environ[UNCHECKED] = "1"
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        Quietness,
        ResourceSettings,
    )

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        outer = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(),
            snakefile=Path("Snakefile"),
            workdir=Path("."),
        )
        outer.dag(dag_settings=DAGSettings(forceall=True))
        workflow = outer._workflow
        workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        return of_run(workflow)


def of_run(workflow) -> list[Job]:
    """The jobs of a built workflow, in the order of the Snakefile's rules, without target rules."""
    check_version()
    order = {rule.name: number for number, rule in enumerate(workflow.rules)}
    jobs = [_job(job) for job in workflow.dag.jobs if job.output]
    return sorted(jobs, key=lambda job: (order[job.rule], job.name))


def check_version() -> None:
    """Refuse any version of Snakemake but the one that this module was written for."""
    import snakemake

    if not snakemake.__version__.startswith(f"{VERSION}."):
        raise UserError(
            f"Snakemake {snakemake.__version__}: dvc.yaml is compiled with {VERSION} alone; run envs/setup.sh"
        )


def record(path: str) -> Record | None:
    """Snakemake's record of how ``path`` was made; None if there is no record."""
    try:
        found = json.loads(_file(RECORDS, path).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    values = [ast.literal_eval(text) for text in found["params"] if text.startswith(("{", "'"))]
    reads = next((value for value in values if isinstance(value, dict)), {})
    code = next((v for v in values if isinstance(v, str) and re.fullmatch("[0-9a-f]{16}", v)), "")
    return Record(reads, _digest(code, found["code"]), found["endtime"] or 0.0)


def recorded_since(path: str, moment: float) -> bool:
    """Whether Snakemake recorded ``path`` after ``moment``, by the clock of the file system."""
    file = _file(RECORDS, path)
    return file.exists() and file.stat().st_mtime >= moment


def mark_incomplete(path: str) -> None:
    """Mark ``path`` so that Snakemake makes it again."""
    file = _file(INCOMPLETE, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"external_jobid": null}')


def to_make(workflow) -> list[str]:
    """The outputs of all jobs that a run is about to start."""
    return [_plain(path) for job in workflow.dag.needrun_jobs() for path in job.output]


def _file(folder: Path, path: str) -> Path:
    """The file in ``folder`` in which Snakemake keeps its record of ``path``."""
    name = urlsafe_b64encode(path.encode()).decode()
    pieces = [name[i : i + _PIECE] for i in range(0, len(name), _PIECE)]
    return folder.joinpath(*("@" + piece for piece in pieces[:-1]), pieces[-1])


def _job(job) -> Job:
    inputs = {
        name: [_plain(f) for f in ([files] if isinstance(files, str) else files)] for name, files in job.input.items()
    }
    names = {_plain(path): name for name, path in job.output.items()}
    outputs = {names.get(_plain(path), f"out_{number}"): _plain(path) for number, path in enumerate(job.output)}
    return Job(
        rule=job.rule.name,
        wildcards={k: _plain(v) for k, v in job.wildcards_dict.items()},
        inputs=inputs,
        outputs=outputs,
        benchmark=_plain(job.benchmark) if job.benchmark else "",
        reads=dict(getattr(job.params, "reads", {})),
        code=_digest(getattr(job.params, "code", ""), job.rule.shellcmd),
    )


def _digest(code: str, command: str) -> str:
    return hashlib.sha256(f"{code} {command}".encode()).hexdigest()[:16]


def _plain(path: str) -> str:
    """A path as a plain string, without Snakemake's flags."""
    return "".join(path)
