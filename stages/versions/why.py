"""What is stale in this work tree and why; jobs, work and disk space of the next run."""

import csv
import os
import shutil
from typing import Any

from ..config import settings
from ..runtime.errors import UserError
from ..workflow.plan import DATA
from ..workflow.snakemake_inside import Job
from . import checkout, compiled, runs
from .sizes import of_job


def told(studies: list[str]) -> str:
    """The answer as text, of the active studies or of some of them.

    Raises
    ------
    UserError
        A study is not active.
    """
    planned, params = runs.plan()
    for study in studies:
        if study not in params["active"]:
            raise UserError(f"params.yaml: active: no '{study}'{settings.nearest(study, params['active'])}")
    planned = behind(planned, [f"{DATA}/report/{study}/" for study in studies]) if studies else planned
    reasons = stale(planned)
    if not reasons:
        return f"nothing is stale: all {len(planned)} jobs are up to date\n"
    rules, names = (max(len(key[i]) for key in reasons) for i in (0, 1))
    lines = [f"{len(reasons)} of {len(planned)} jobs are stale"]
    for job in planned:
        if (job.rule, job.name) in reasons:
            first, *more = reasons[job.rule, job.name]
            lines.append(f"  {job.rule:{rules}} {job.name:{names}} {first}")
            lines += [f"  {'':{rules}} {'':{names}} {text}" for text in more]
    todo = [job for job in planned if (job.rule, job.name) in reasons]
    sizes = [f"{job.name} {size / 1e9:.3g} GB" for job in todo if (size := of_job(job, params)) is not None]
    if sizes:
        lines.append(f"features that it writes: {', '.join(sizes)}")
    return "\n".join([*lines, _cost(todo)]) + "\n"


def behind(planned: list[Job], folders: list[str]) -> list[Job]:
    """The jobs that make files in ``folders``, and all that these need, in the order of ``planned``."""
    makers = {path: job for job in planned for path in job.outputs.values()}
    wanted = [job for path, job in makers.items() if path.startswith(tuple(folders))]
    found: dict[tuple[str, str], Job] = {}
    while wanted:
        job = wanted.pop()
        if (job.rule, job.name) not in found:
            found[job.rule, job.name] = job
            inputs = (path for files in job.inputs.values() for path in files)
            wanted += [makers[path] for path in inputs if path in makers]
    return [job for job in planned if (job.rule, job.name) in found]


def stale(planned: list[Job]) -> dict[tuple[str, str], list[str]]:
    """{(rule, job): reasons} of every job that the next run would make, in the order of the jobs."""
    locked = settings.read(str(compiled.LOCK), "").get("stages", {}) if compiled.LOCK.exists() else {}
    makers = {path: job for job in planned for path in job.outputs.values()}
    changed = _changed_files(set(makers)) if locked else {}
    found: dict[tuple[str, str], list[str]] = {}
    for job in planned:
        name = compiled.name_of(job)
        reasons = _own(job, locked.get(name), changed.get(name, []))
        inputs = (path for files in job.inputs.values() for path in files)
        before = {(m.rule, m.name): None for path in inputs if (m := makers.get(path))}
        upstream = [f"{rule} {name}" for rule, name in before if (rule, name) in found]
        if upstream and not reasons:
            rest = f" and {len(upstream) - 1} more" if len(upstream) > 1 else ""
            reasons = [f"follows {upstream[0]}{rest}"]
        if reasons:
            found[job.rule, job.name] = reasons
    return found


def _own(job: Job, entry: dict | None, files: list[str]) -> list[str]:
    missing = [path for path in job.outputs.values() if not os.path.exists(path)]
    if entry is None:
        return ["never made"] if missing else ["not in dvc.lock: made without its record, or its inputs are new"]
    reasons = [f"{missing[0]} is missing"] if missing else []
    before = entry.get("params", {}).get(compiled.SETTINGS, {})
    for key in [*before, *(key for key in job.reads if key not in before)]:
        reasons += _difference(key, before.get(key), job.reads.get(key))
    if job.code not in entry.get("params", {}).get(compiled.CODE, {}).values():
        reasons.append("its code changed")
    return reasons + [text for text in files if text not in reasons]


def _difference(key: str, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        names = [*old, *(name for name in new if name not in old)]
        return [text for name in names for text in _difference(f"{key}.{name}", old.get(name), new.get(name))]
    return [f"{key}: {'not set' if old is None else old} -> {'not set' if new is None else new}"]


def _changed_files(made: set[str]) -> dict[str, list[str]]:
    """What DVC finds changed and no job makes, by stage: inputs kept in git, outputs altered or deleted by hand."""
    found: dict[str, list[str]] = {}
    for address, entries in checkout.raw_status().items():
        for kind, files in ((k, f) for entry in entries if isinstance(entry, dict) for k, f in entry.items()):
            own = [name for name, change in files.items() if change in ("modified", "new")]
            by_hand = [name for name in own if kind == "changed outs" or name not in made]
            found.setdefault(address, []).extend(f"{name} is another than recorded" for name in by_hand)
    return found


def _cost(jobs: list[Job]) -> str:
    """Work and disk of ``jobs``, as far as they were made before."""
    seconds, size, unknown = 0.0, 0, 0
    for job in jobs:
        if not os.path.exists(job.benchmark):
            unknown += 1
            continue
        with open(job.benchmark) as file:
            seconds += sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
        size += sum(os.path.getsize(path) for path in job.outputs.values() if os.path.exists(path))
    work = f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
    free = shutil.disk_usage(".").free
    new = f"; {unknown} of them were never made here and are not counted" if unknown else ""
    return f"last time they took {work} of work and {size / 1e6:.1f} MB; {free / 1e9:.0f} GB are free{new}"
