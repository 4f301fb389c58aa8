"""dvc.yaml, compiled from the planned jobs: one plain stage per job. Its name follows from the job alone."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import yaml

from ..config import settings
from ..pages.plots import PLOTS
from ..raw_inputs import inventories, names
from ..runtime.errors import UserError
from ..workflow.snakemake_inside import Job

FILE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
CODE = "data/code.json"
SETTINGS = settings.FILE
BOOKKEEPING = "settings"
"""The stage that resolves the settings and digests the code; all others depend on keys of its two files."""
HEADER = """\
# Compiled from the Snakefile and params.yaml by `python -m stages.versions compile`; edit those, not this.
# One stage per job. The stage `settings` resolves stages/catalogue/ and params.yaml, digests the code that each job
# uses, and stops where they ask for other jobs than these.
"""
INVENTORIES = {
    "inventory": names.CORPORA,
    "inventory_encoder": names.ENCODERS,
    "inventory_transcripts": names.TRANSCRIPTS,
}
"""The rules that take inventories, and the section of the settings whose raw files each one lists."""
_INVERTIBLE = ("spectrogram", "mfcc")
"""Kinds of encoders from whose features audible speech can be made."""


def name_of(job: Job) -> str:
    """The DVC stage of a job: its rule and its wildcards."""
    return f"{job.rule}-{job.name}"


def document(jobs: list[Job], params: dict) -> str:
    """The text of dvc.yaml for ``jobs`` under the complete settings ``params``.

    Raises
    ------
    UserError
        Two jobs have one name.
    """
    stages = {BOOKKEEPING: _bookkeeping()}
    for job in jobs:
        name = name_of(job)
        if name in stages:
            raise UserError(f"{FILE}: two jobs have the name {name}; rename a corpus, study or system of params.yaml")
        stages[name] = _stage(job, params)
    metrics = sorted(path for job in jobs for path in job.outputs.values() if in_git(path))
    whole = {"stages": stages, "params": [settings.PARAMS], "metrics": metrics, "plots": _plots(jobs)}
    return HEADER + yaml.dump(whole, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)


def committed() -> str:
    """The text of dvc.yaml in the work tree; empty where there is none."""
    return FILE.read_text(encoding="utf-8") if FILE.exists() else ""


def refuse_if_stale(jobs: list[Job], params: dict) -> None:
    """Stop if dvc.yaml is not what the Snakefile and params.yaml imply.

    Raises
    ------
    UserError
        With the remedy.
    """
    if document(jobs, params) != committed():
        raise UserError(
            f"{FILE}: params.yaml or the Snakefile asks for other jobs than this file lists (another corpus, encoder,"
            " protocol or system …); run `python -m stages.versions compile`, commit the file, then run again"
        )


def completed(jobs: list[Job], params: dict) -> list[Job]:
    """The jobs; those that take inventories get the settings that they read and the digest of their reader.

    Snakemake has neither: it updates inventories whenever it starts.
    """
    whole = []
    for job in jobs:
        if raw := _raw(job):
            read, code = {".".join(raw): settings.dig(params, ".".join(raw))}, inventories.code_of(*raw, params)
            job = replace(job, reads=read, code=code)
        whole.append(job)
    return whole


def digests(jobs: list[Job]) -> dict:
    """The contents of data/code.json: {rule: {job: digest of its code}}."""
    found: dict = defaultdict(dict)
    for job in jobs:
        found[job.rule][job.name] = job.code
    return {rule: dict(sorted(names.items())) for rule, names in sorted(found.items())}


def in_git(path: str) -> bool:
    """Whether git keeps an output (the metrics), so that commits can be compared."""
    return path.endswith("/metrics.json")


def _bookkeeping() -> dict:
    return {
        "cmd": f"exec python -m stages.versions {BOOKKEEPING}",
        "deps": ["Snakefile", "stages"],
        "params": [{settings.PARAMS: None}],
        "outs": [CODE, SETTINGS],
    }


def _stage(job: Job, params: dict) -> dict:
    outputs, private, raw = list(job.outputs.values()), _private(job, params), _raw(job)
    deps = [path for files in job.inputs.values() for path in files]
    command = f"job {job.rule} {' '.join(outputs)}"
    if raw:
        deps, command = raw_files(job, params), f"inventory {' '.join(raw)}"
    stage: dict = {"cmd": f"exec python -m stages.versions {command}"}
    if deps:
        stage["deps"] = list(dict.fromkeys(deps))
    declared = [{SETTINGS: _Flow(list(job.reads))}] if job.reads else []
    stage["params"] = [*declared, {CODE: _Flow([f"{job.rule}.{job.name}"])}]
    stage["outs"] = [_out(path, private) for path in outputs]
    return stage


def _raw(job: Job) -> tuple[str, str] | None:
    """The section and the entry whose raw files a job lists; None for any other job."""
    if job.rule not in INVENTORIES:
        return None
    return INVENTORIES[job.rule], next(iter(job.wildcards.values()))


def raw_files(job: Job, params: dict) -> list[str]:
    """The raw files and folders that a job lists; empty for a job that takes no inventory."""
    raw = _raw(job)
    return inventories.places(params, *raw) if raw else []


def _private(job: Job, params: dict) -> bool:
    """Whether recordings can be recovered from a job's outputs: audio stores and spectra of real corpora."""
    corpus = job.wildcards.get("corpus")
    if not corpus or params["corpora"][corpus]["reader"] == "planted":
        return False
    if job.rule in ("features", "features_part"):
        return params["encoders"][job.wildcards["encoder"]]["kind"] in _INVERTIBLE
    return job.rule == "ingest"


def _out(path: str, private: bool):
    if in_git(path):
        return {path: _Flow({"cache": False})}
    return {path: _Flow({"push": False})} if private and path.endswith(".h5") else path


def _plots(jobs: list[Job]) -> list[dict]:
    found = []
    for path in sorted(path for job in jobs for path in job.outputs.values() if "/plots/" in path):
        name = Path(path).stem
        x, y = PLOTS[name]
        found.append({path: _Flow({"template": name, "x": x, "y": y})})
    return found


class _Flow:
    """A value to be written on one line."""

    def __init__(self, value):
        self.value = value


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data) -> bool:
        return True

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def _flow(dumper: _Dumper, flow: _Flow):
    node = dumper.represent_data(flow.value)
    node.flow_style = True
    return node


_Dumper.add_representer(_Flow, _flow)
