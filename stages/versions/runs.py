"""Runs and their record in DVC: a job for ``dvc repro``, the commit after Snakemake."""

import json
import logging
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from ..config import settings
from ..parameters import whole as parameters
from ..runtime import disk, process
from ..runtime.errors import UserError
from ..workflow import snakemake_inside
from ..workflow.snakemake_inside import Job
from . import checkout, compiled, offline

PENDING = Path(".snakemake/uncommitted.json")
"""The jobs of a run that is not yet recorded."""


FIRST = "recorded in dvc.lock. To compare later runs with this one, commit: git add dvc.lock {}"


def job(rule: str, outputs: list[str]) -> None:
    """Replace this process by Snakemake running one job, as a stage of dvc.yaml does. Never returns."""
    process.die_with_parent()
    how = ("--cores", "all", "--nolock", "--rerun-incomplete", "--quiet", "all", "--allowed-rules", rule)
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *how, "--", *outputs])


def plan() -> tuple[list[Job], dict]:
    """All jobs of the active studies, and the settings."""
    params = parameters.load()
    return compiled.completed(snakemake_inside.planned(), params), params


def bookkeeping() -> None:
    """Write data/settings.json, and data/code.json: the digests of the code that every job uses.

    Raises
    ------
    UserError
        dvc.yaml is not what the Snakefile and params.yaml imply.
    """
    planned, params = plan()
    compiled.refuse_if_stale(planned, params)
    parameters.write(params)
    _write(compiled.CODE, compiled.digests(planned))


def compile() -> int:
    """Write dvc.yaml, data/settings.json and data/code.json where they are not up to date.

    Returns the number of jobs in dvc.yaml; 0 where it was up to date.
    """
    planned, params = plan()
    parameters.write(params)
    _write(compiled.CODE, compiled.digests(planned))
    offline.write()
    return len(planned) * _write(compiled.FILE, compiled.document(planned, params))


def commit(workflow) -> None:
    """After a successful run of Snakemake: record the jobs of its graph in dvc.lock, their outputs in DVC's cache.

    Every one of them was made, or found fresh, by that run. Under ``dvc repro``, which records by itself, and where
    there is no DVC repository, nothing happens.
    """
    if "DVC_STAGE" in os.environ or not (Path(".dvc").is_dir() and Path(".git").exists()):
        return
    jobs = compiled.completed(snakemake_inside.of_run(workflow), parameters.load())
    with disk.writing(PENDING) as temporary:
        temporary.write_text(json.dumps([asdict(job) for job in jobs]))
    _record()


def record_pending() -> None:
    """Record the last run where that failed then, as when DVC was locked.

    Raises
    ------
    UserError
        It fails again.
    """
    if PENDING.exists() and "DVC_STAGE" not in os.environ and snakemake_inside.UNCHECKED not in os.environ:
        _record()


def _record() -> None:
    done = subprocess.run([sys.executable, "-m", "stages.versions", "commit"])
    if done.returncode:
        raise UserError(
            "the run is not recorded in dvc.lock; the next run tries again, or: python -m stages.versions commit"
        )


def commit_pending() -> None:
    """What :func:`commit` does, in a process of its own, for the last run that is not yet recorded.

    What was edited while it ran is left out: recording it would call an output current that is not. So is what belongs
    to no active study.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo, lock_repo

    if not PENDING.exists():
        return
    if compile():
        print("dvc.yaml: compiled again, because the jobs have changed; commit it with dvc.lock", file=sys.stderr)
    first = not compiled.LOCK.exists()
    digests, params = json.loads(Path(compiled.CODE).read_text()), settings.read(compiled.SETTINGS, "")
    run = [Job(**values) for values in json.loads(PENDING.read_text())]
    run = [job for job in run if job.name in digests.get(job.rule, {})]  # a file of an inactive study has no stage
    current = [job for job in run if _is_current(job, digests, params)]
    for job in [job for job in run if job not in current]:
        print(f"{compiled.name_of(job)}: edited while it ran, so it is not recorded; run again", file=sys.stderr)
    try:
        with _quiet(), Repo() as repo, lock_repo(repo):  # one lock: the graph is read once, not once per job
            _drop_damaged([path for job in current for path in job.outputs.values()], repo.cache.local.oid_to_path)
            for target in (compiled.BOOKKEEPING, *(compiled.name_of(job) for job in current)):
                repo.commit(target, force=True)
        _prune()
    except (DvcException, OSError) as fault:
        raise UserError(f"dvc commit: {' '.join(str(fault).split())}") from fault
    for job in current:  # the commit links outputs anew; what it does not link must not look older than they
        kept = [path for path in job.outputs.values() if compiled.in_git(path)]
        for path in filter(os.path.exists, [*kept, job.benchmark]):
            os.utime(path)
    PENDING.unlink()
    if first:
        print(FIRST.format(" ".join(sorted(p for job in current for p in job.outputs.values() if compiled.in_git(p)))))


def _prune() -> None:
    """Drop the entries of dvc.lock that belong to no stage of dvc.yaml."""
    from dvc.utils.serialize import dump_yaml, load_yaml

    stages, lock = load_yaml(str(compiled.FILE))["stages"], load_yaml(str(compiled.LOCK))
    gone = set(lock["stages"]) - set(stages)
    if gone:
        lock["stages"] = {name: entry for name, entry in lock["stages"].items() if name not in gone}
        dump_yaml(str(compiled.LOCK), lock)


def _drop_damaged(outputs: list[str], cached_at) -> None:
    """Remove cached copies of outputs just made that are no longer the bytes they are named by.

    An output and its copy in the cache are one file where links are hard, so a damage is in both; DVC trusts the copy,
    and would put it in the place of the output that was made anew.
    """
    recorded = compiled.LOCK.stat().st_mtime if compiled.LOCK.exists() else 0.0
    for path in outputs:
        if compiled.in_git(path) or not os.path.isfile(path) or os.path.getmtime(path) <= recorded:
            continue
        digest = checkout.md5(path)
        cached = Path(cached_at(digest))
        if cached.exists() and not cached.samefile(path) and checkout.md5(cached) != digest:
            cached.unlink()
            print(f"{cached}: damaged, replaced by {path}", file=sys.stderr)


@contextmanager
def _quiet():
    """DVC without its progress bars and hints."""
    logger = logging.getLogger("dvc")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _is_current(job: Job, digests: dict, params: dict) -> bool:
    try:
        now = {key: settings.dig(params, key) for key in job.reads}
    except UserError:  # a key is gone
        return False
    files = (*job.outputs.values(), *(file for files in job.inputs.values() for file in files))
    files += tuple(compiled.raw_files(job, params))  # a clone may do without them
    return now == job.reads and digests[job.rule][job.name] == job.code and all(map(os.path.exists, files))


def _write(path: str | Path, contents: str | dict) -> bool:
    text = contents if isinstance(contents, str) else json.dumps(contents, indent=1) + "\n"
    path = Path(path)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    with disk.writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True
