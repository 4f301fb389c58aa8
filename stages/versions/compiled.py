"""dvc.yaml from the planned jobs: one ``foreach`` stage per kind of job, one line per job.

All jobs of a ``foreach`` stage must have the same number of inputs, so a rule whose jobs differ in that becomes several
stages: ``train-probe``, ``train-gmp``. A stage's name follows from its own job, so adding a system or a study renames
nothing.
"""

from collections import defaultdict
from pathlib import Path

import yaml

from ..pages.plots import PLOTS
from ..recipes import system_config
from ..runtime.errors import UserError
from .snakefile import Job

FILE = Path("dvc.yaml")
CODE = "data/code.json"
STRUCTURE = "structure"
HEADER = """\
# Compiled from the Snakefile and params.yaml by `python -m stages.versions compile`; edit those, not this.
# One stage per kind of job, a line per job. `structure` digests the code that each job uses (no comments, no
# docstrings), and refuses to go on where params.yaml asks for another graph than this one.
"""
_OPTIONAL = ("ceilings", "pretrained", "robustness", "speech-weights", "start", "text-weights")
"""Inputs that some jobs of a rule have and others lack; a system's follow from its recipe instead."""
_INVERTIBLE = ("spectrogram", "mfcc")
"""Kinds of encoders from whose features one can make audible speech."""
_SHAPING = {
    "studies": (
        "corpus",
        "protocol",
        "speech",
        "text",
        "transcripts",
        "substitute",
        "parts",
        "systems",
        "changes",
        "trials",
    ),
    "systems": ("recipe", "speech", "text", "beside", "use_text", "start", "teacher"),
    "corpora": ("reader",),
    "encoders": ("kind", "pretrain", "source"),
    "adapt": ("speech",),
    "cluster": ("speech", "adapt"),
    "retrain": ("speech", "cluster"),
    "robustness": ("kind", "corpus", "protocol", "transcripts", "ratings"),
}
"""Keys by section that decide which jobs there are and what they read."""


def address(job: Job, params: dict) -> str:
    """``STAGE@JOB`` as DVC names a job."""
    return f"{stage_of(job, params)}@{job.name}"


def stage_of(job: Job, params: dict) -> str:
    """The DVC stage of a job: its rule, with the recipe and what else gives it another number of inputs."""
    parts = [job.rule.replace("_", "-")]
    row = next((key.split(".")[1] for key in job.reads if key.startswith("systems.")), None)
    if row and job.rule != "report":
        recipe = params["systems"][row]["recipe"]
        missing = sorted(set(system_config.settings_class(recipe).inputs) - set(job.inputs))
        parts += [recipe, *(["without", *missing] if missing else [])]
    else:
        optional = {name: len(job.inputs.get(name, ())) for name in _OPTIONAL}
        parts += [name if count == 1 else f"{name}-{count}" for name, count in optional.items() if count]
        parts += ["words"] if job.rule == "robustness" and "transcripts" in job.inputs else []
        parts += ["elsewhere"] if "other-manifest" in job.inputs else []
        counted = job.rule in ("evaluate", "robustness", "report")
        named = sum(key.startswith("encoders.") for key in job.reads) if counted else 0
        parts += [f"encoders-{named}"] if named else []
    parts += sorted({str(len(files)) for name, files in job.inputs.items() if len(files) > 1 and name != "pretrained"})
    if any(".changes." in key for key in job.reads):
        parts.append("changed")
    if _private(job, params):
        parts.append("private")
    return "-".join(parts)


def _private(job: Job, params: dict) -> bool:
    """Whether recordings could be had from what a job writes: audio stores and spectra of any but synthetic corpora."""
    corpus = job.wildcards.get("corpus")
    if not corpus or params["corpora"][corpus]["reader"] == "planted":
        return False
    if job.rule in ("features", "features_part"):
        return params["encoders"][job.wildcards["encoder"]]["kind"] in _INVERTIBLE
    return job.rule == "ingest"


def document(jobs: list[Job], params: dict) -> str:
    """The text of dvc.yaml for ``jobs``."""
    groups: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        groups[stage_of(job, params)].append(job)
    stages = {STRUCTURE: _structure(params)} | {name: _stage(name, group, params) for name, group in groups.items()}
    reports = sorted(path for job in jobs for path in job.outputs.values() if in_git(path))
    whole = {"stages": stages, "metrics": reports, "plots": _plots(jobs)}
    return HEADER + yaml.dump(whole, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)


def _plots(jobs: list[Job]) -> list[dict]:
    found = []
    for path in sorted(path for job in jobs for path in job.outputs.values() if "/plots/" in path):
        name = Path(path).stem
        x, y = PLOTS[name]
        found.append({path: _Flow({"template": name, "x": x, "y": y})})
    return found


def committed() -> str:
    """The text of dvc.yaml as it stands; empty where there is none."""
    return FILE.read_text(encoding="utf-8") if FILE.exists() else ""


def refuse_if_stale(jobs: list[Job], params: dict) -> None:
    """Stop where dvc.yaml is not what the Snakefile and params.yaml imply.

    Raises
    ------
    UserError
        With the remedy.
    """
    if document(jobs, params) != committed():
        raise UserError(
            f"{FILE}: params.yaml or the Snakefile asks for another graph than this file has (a study's corpus,"
            " encoder, protocol, systems … changed); run `python -m stages.versions compile`, commit it, and go on"
        )


def digests(jobs: list[Job]) -> dict:
    """The contents of data/code.json: {rule: {job: digest of its code}}."""
    found: dict = defaultdict(dict)
    for job in jobs:
        found[job.rule][job.name] = job.code
    return {rule: dict(sorted(names.items())) for rule, names in sorted(found.items())}


def _structure(params: dict) -> dict:
    keys = ["active", "shards"]
    for section, names in _SHAPING.items():
        for entry, values in params[section].items():
            if section != "studies" or entry in params["active"]:
                keys += [f"{section}.{entry}.{name}" for name in names if name in values]
    return {
        "cmd": "exec python -m stages.versions structure",
        "deps": ["Snakefile", "stages"],
        "params": _Flow(keys),
        "outs": [CODE],
    }


def _stage(name: str, jobs: list[Job], params: dict) -> dict:
    fields: dict[str, dict] = {job.name: {} for job in jobs}
    if len(fields) < len(jobs):
        raise UserError(f"dvc.yaml: two jobs of {name} have one name; rename a study or a system")
    shapes = {(tuple((n, len(f)) for n, f in job.inputs.items()), len(job.reads)) for job in jobs}
    if len(shapes) > 1:
        raise UserError(f"dvc.yaml: jobs of {name} differ in their inputs; report this fault")

    def template(values: list[str], label: str) -> str:
        """One text for all jobs, with ``${item.…}`` where they differ."""
        for job, value in zip(jobs, values, strict=True):
            fields[job.name] |= job.wildcards
            if _with_wildcards(value, job) != _with_wildcards(values[0], jobs[0]):
                break
        else:
            return _with_wildcards(values[0], jobs[0])
        if len(set(values)) == 1:
            return values[0]
        for job, value in zip(jobs, values, strict=True):
            fields[job.name][label] = value
        return f"${{item.{label}}}"

    deps = [
        template([job.inputs[n][i] for job in jobs], n.replace("-", "_") + (f"_{i + 1}" if len(files) > 1 else ""))
        for n, files in jobs[0].inputs.items()
        for i in range(len(files))
    ]
    keys = [list(job.reads) for job in jobs]
    reads = [template([names[i] for names in keys], f"reads_{i + 1}") for i in range(len(keys[0]))]
    outs = [template([job.outputs[key] for job in jobs], key) for key in jobs[0].outputs]
    found = {"cmd": f"exec python -m stages.versions job {jobs[0].rule} {' '.join(outs)}"}
    if deps:
        found["deps"] = list(dict.fromkeys(deps))
    found["params"] = [*reads, {CODE: [f"{jobs[0].rule}.${{key}}"]}]
    private = _private(jobs[0], params)
    found["outs"] = [_out(path, private) for path in outs]
    return {"foreach": {name: _Flow(values) for name, values in fields.items()}, "do": found}


def _with_wildcards(value: str, job: Job) -> str:
    """``value`` with those of its parts that are a wildcard's value written as ``${item.WILDCARD}``."""
    parts = value.replace("/", "\0/\0").replace(".", "\0.\0").split("\0")
    names = {v: k for k, v in job.wildcards.items()}
    return "".join(f"${{item.{names[part]}}}" if part in names else part for part in parts)


def in_git(path: str) -> bool:
    """Whether git keeps an output, so that commits can be compared: the metrics."""
    return path.endswith("/metrics.json")


def _out(path: str, private: bool):
    if in_git(path):
        return {path: _Flow({"cache": False})}
    return {path: _Flow({"push": False})} if private and path.endswith(".h5") else path


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
