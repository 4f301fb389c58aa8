"""Runs and DVC's record of them: a job for ``dvc repro``, the commit after Snakemake, the sync after a checkout."""

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
from . import compiled, offline

LOCK = Path("dvc.lock")
PENDING = Path(".snakemake/uncommitted.json")
"""The jobs of a run that is not yet recorded."""


FIRST = "recorded in dvc.lock. To compare later runs with this one, commit: git add dvc.lock {}"
HOOK = """\
#!/bin/sh
[ "$3" = 1 ] && [ "$1" != "$2" ] || exit 0
python=.venv/bin/python
[ -x $python ] || python=python
exec $python -m stages.versions sync
"""


def job(rule: str, outputs: list[str]) -> None:
    """Become Snakemake running one job whose inputs are there: what a stage of dvc.yaml does. Never returns."""
    process.die_with_parent()
    how = ("--cores", "all", "--nolock", "--rerun-incomplete", "--quiet", "all", "--allowed-rules", rule)
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *how, "--", *outputs])


def bookkeeping() -> None:
    """Write data/settings.json, and data/code.json: the digests of the code that every job uses.

    Raises
    ------
    UserError
        dvc.yaml is not what the Snakefile and params.yaml imply.
    """
    planned, params = snakemake_inside.planned(), parameters.load()
    compiled.refuse_if_stale(planned, params)
    parameters.write(params)
    _write(compiled.CODE, compiled.digests(planned))


def compile() -> int:
    """Write dvc.yaml, data/settings.json and data/code.json where they are not up to date.

    Returns the number of jobs in dvc.yaml; 0 where it was up to date.
    """
    planned, params = snakemake_inside.planned(), parameters.load()
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
    with disk.writing(PENDING) as temporary:
        temporary.write_text(json.dumps([asdict(job) for job in snakemake_inside.of_run(workflow)]))
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
        print("dvc.yaml: compiled anew, for other jobs are asked for; commit it with dvc.lock", file=sys.stderr)
    first = not LOCK.exists()
    digests, params = json.loads(Path(compiled.CODE).read_text()), settings.read(compiled.SETTINGS, "")
    run = [Job(**values) for values in json.loads(PENDING.read_text())]
    run = [job for job in run if job.name in digests.get(job.rule, {})]  # a file of an inactive study has no stage
    current = [job for job in run if _is_current(job, digests, params)]
    for job in [job for job in run if job not in current]:
        print(f"{compiled.name_of(job)}: edited while it ran, so not recorded; run again", file=sys.stderr)
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

    stages, lock = load_yaml(str(compiled.FILE))["stages"], load_yaml(str(LOCK))
    gone = set(lock["stages"]) - set(stages)
    if gone:
        lock["stages"] = {name: entry for name, entry in lock["stages"].items() if name not in gone}
        dump_yaml(str(LOCK), lock)


def _drop_damaged(outputs: list[str], cached_at) -> None:
    """Remove cached copies of outputs just made that are no longer the bytes they are named by.

    An output and its copy in the cache are one file where links are hard, so a damage is in both; DVC trusts the copy,
    and would put it in the place of the output that was made anew.
    """
    recorded = LOCK.stat().st_mtime if LOCK.exists() else 0.0
    for path in outputs:
        if compiled.in_git(path) or not os.path.isfile(path) or os.path.getmtime(path) <= recorded:
            continue
        digest = _md5(path)
        cached = Path(cached_at(digest))
        if cached.exists() and not cached.samefile(path) and _md5(cached) != digest:
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
    return now == job.reads and digests[job.rule][job.name] == job.code and all(map(os.path.exists, files))


def _write(path: str | Path, contents: str | dict) -> bool:
    text = contents if isinstance(contents, str) else json.dumps(contents, indent=1) + "\n"
    path = Path(path)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    with disk.writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True


def sync() -> str:
    """Take in what git and DVC have checked out, so that Snakemake finds nothing to do; a sentence on what was done.

    Raises
    ------
    UserError
        Something is neither what dvc.lock says nor to be had from DVC's cache.
    """
    if not LOCK.exists():
        raise UserError("dvc.lock: no such file, so there is nothing to take in; run `make`")
    _dvc("checkout", "--quiet", check=False)
    stale = raw_status()
    if stale:
        first, entries = next(iter(stale.items()))
        raise UserError(
            f"{first}: {'; '.join(_changes(entries))}: {len(stale)} stages are not what dvc.lock says. Fetch what is"
            " missing with `dvc pull`, make what is stale with `dvc repro`, then sync; nothing was marked as current"
        )
    how = ("--touch", "--forceall", "--nolock", "--no-hooks", "--cores", "1", "--quiet", "all")
    command = [sys.executable, "-m", "snakemake", *how]
    done = subprocess.run(command, env=os.environ | {snakemake_inside.UNCHECKED: "1"}, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"snakemake --touch: {' '.join((done.stderr or done.stdout).split())}")
    return "what DVC has checked out is known to Snakemake too"


def hook() -> str:
    """Have this clone sync after every ``git checkout`` that moves to another commit; a sentence on what was done.

    Raises
    ------
    UserError
        There is another post-checkout hook.
    """
    done = subprocess.run(["git", "rev-parse", "--git-path", "hooks"], capture_output=True, text=True)
    if done.returncode:
        raise UserError("hook: this folder is not a git repository; `git init` it first")
    path = Path(done.stdout.strip()) / "post-checkout"
    if path.exists() and path.read_text() != HOOK:
        raise UserError(f"{path}: there is a hook already; add to it: python -m stages.versions sync")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HOOK)
    path.chmod(0o755)
    return f"{path}: after every checkout DVC's files are checked out too and Snakemake is told"


def raw_status() -> dict[str, list]:
    """What ``dvc status`` finds changed, by stage; empty where all is up to date."""
    return json.loads(_dvc("status", "--json").stdout or "{}")


def _changes(entries: list) -> list[str]:
    """The entries of a stage in ``dvc status`` as words."""
    found = []
    for entry in entries:
        for files in entry.values() if isinstance(entry, dict) else ():
            for name, change in files.items():
                keys = change.items() if isinstance(change, dict) else [(name, change)]
                found += [f"{key} is {what}" for key, what in keys]
    return found or [str(entry) for entry in entries]


def refuse_foreign() -> None:
    """Stop Snakemake where outputs came by DVC (clone, checkout, repro from its cache) without Snakemake's records.

    Without a record Snakemake takes an output for current whatever the parameters say; with one of another run it
    would make it again.

    Raises
    ------
    UserError
        With the remedy.
    """
    if "DVC_STAGE" in os.environ or snakemake_inside.UNCHECKED in os.environ:
        return
    if not (LOCK.exists() and compiled.FILE.exists()):
        return
    stages = settings.read(str(compiled.FILE), "")["stages"]
    for name, entry in settings.read(str(LOCK), "").get("stages", {}).items():
        if name not in stages or name == compiled.BOOKKEEPING:
            continue
        for out in (out for out in entry.get("outs", []) if not compiled.in_git(out["path"])):
            if Path(out["path"]).exists() and _foreign(out, entry):
                raise UserError(
                    f"{out['path']}: came by DVC, not by a run in this folder, so Snakemake has no record of how it"
                    " was made; run `make sync` (python -m stages.versions sync), then go on"
                )


def _foreign(out: dict, entry: dict) -> bool:
    record = snakemake_inside.record(out["path"])
    if record is None:
        return True
    locked = entry.get("params", {})
    same_code = set(locked.get(compiled.CODE, {}).values()) <= {record.code}
    if same_code and locked.get(compiled.SETTINGS, {}) == record.reads:
        return False
    ours = abs(os.path.getmtime(out["path"]) - record.ended) <= 1
    return not ours and _md5(out["path"]) == out["md5"]


def _md5(path: str) -> str:
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _dvc(*arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True)
    if check and done.returncode:
        lines = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise UserError(f"dvc {arguments[0]}: {' '.join(lines) or done.stderr.strip()}")
    return done
