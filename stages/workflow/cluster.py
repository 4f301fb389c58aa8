"""Runs on SLURM: checks before the first job, and how to deal with jobs that outlived their run."""

import getpass
import os
import shutil
import subprocess
from pathlib import Path

from ..runtime import disk
from ..runtime.errors import UserError
from . import snakemake_inside

RUN = Path(".snakemake/slurm-run.txt")
"""The outputs that the last run was to make; the file's time is when that run began."""


def begin(workflow) -> None:
    """Check the cluster and record what this run is to make; does nothing if jobs run on this machine.

    Raises
    ------
    UserError
        See :func:`refuse_silence` and :func:`refuse_survivors`.
    """
    settings = workflow.executor_settings
    if not hasattr(settings, "status_command"):
        return
    refuse_silence(settings.status_command)
    refuse_survivors()
    with disk.writing(RUN) as temporary:
        temporary.write_text("\n".join(snakemake_inside.to_make(workflow)))


def refuse_silence(status_command: str) -> None:
    """Stop if jobs cannot be submitted, or if Snakemake would never learn that they ended.

    Debian and others install ``sacct`` where no accounts are kept too. Snakemake would ask it all the same, take its
    failure for no answer and wait forever.

    Raises
    ------
    UserError
        With the remedy.
    """
    if not shutil.which("sbatch"):
        raise UserError("sbatch: no such program here; run this on a node that submits to SLURM, or without --profile")
    if status_command == "sacct":
        done = subprocess.run(["sacct", "--noheader", "--allocations"], capture_output=True, text=True)
        if done.returncode:
            reason = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
            raise UserError(f"sacct: {reason}; where no accounts are kept, add: --slurm-status-command squeue")


def refuse_survivors() -> None:
    """Stop if jobs of an earlier run, whose Snakemake was killed, are still queued or running in this folder.

    Raises
    ------
    UserError
        With their numbers.
    """
    asked = ["squeue", "--noheader", "--user", getpass.getuser(), "--format", "%i %Z"]
    done = subprocess.run(asked, capture_output=True, text=True)
    own = os.environ.get("SLURM_JOB_ID")
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    found = [row[0] for row in rows if row[0] != own and len(row) == 2 and os.path.realpath(row[1]) == os.getcwd()]
    if found:
        raise UserError(
            f"jobs of an earlier run are still running: wait until they end, or cancel them: scancel {' '.join(found)}"
        )


def distrust_survivors() -> None:
    """Mark as incomplete what jobs wrote after their run had died.

    Such a job ends well and removes Snakemake's mark of an unfinished output, but only the run that submitted it would
    have recorded under which parameters it was made; without that record the output passes for current forever.
    """
    if not RUN.exists():
        return
    began = RUN.stat().st_mtime
    for path in map(Path, RUN.read_text().splitlines()):
        if path.exists() and path.stat().st_mtime >= began and not snakemake_inside.recorded_since(str(path), began):
            snakemake_inside.mark_incomplete(str(path))


def end() -> None:
    """Forget the run: everything that it made is recorded."""
    RUN.unlink(missing_ok=True)
