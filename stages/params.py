"""params.yaml as a whole: its models put together, its checks across sections, its generated form.

    python -m stages.params            check params.yaml
    python -m stages.params --write    write the shipped params.yaml, with comments
    python -m stages.params --table    print the table of all parameters (Markdown)

Only the Snakefile and this command see all sections at once; a stage reads its own.
"""

import re
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from .adapt import Adapt
from .cluster import Cluster
from .conditions import config as conditions
from .config import settings
from .config.settings import Section, setting
from .corpora.readers import Corpus, provides
from .distill import Distill
from .encoders import Encoder
from .encoders.specs import Features
from .evaluate import Evaluate
from .ingest import Ingest
from .pretrain import Pretrain
from .protocols.config import Protocol
from .recipes.cmgi import Cmgi
from .recipes.control import Control
from .recipes.correlation import Correlation
from .recipes.external import External
from .recipes.frozen import Frozen
from .recipes.fusion import Fusion
from .recipes.gmp import Gmp
from .recipes.layers import Layers
from .recipes.linear import Linear
from .recipes.probe import Probe
from .recipes.regressor import Regressor
from .recipes.student import Student
from .recipes.teacher import Teacher
from .report import Report
from .retrain import Retrain
from .runtime.errors import UserError
from .teach import Teach
from .train import Train
from .transcribe import Source
from .workflow.plan import Plan

Row = Annotated[
    Control
    | External
    | Linear
    | Correlation
    | Probe
    | Fusion
    | Regressor
    | Layers
    | Frozen
    | Cmgi
    | Gmp
    | Teacher
    | Student,
    Field(discriminator="recipe"),
]


REGISTRIES = (
    *("studies", "corpora", "protocols", "transcripts", "encoders", "systems"),
    *("pretrain", "adapt", "cluster", "retrain", "robustness"),
)
RESERVED = ("all", "claims", "compare", "environment", "lint", "params", "sync", "test", "why")
"""Words of the Makefile."""


class Study(Section):
    """One corpus, one protocol, encoders and transcripts, and the systems compared on them: one report."""

    corpus: str = setting("planted", "a name in corpora")
    protocol: str = setting("sessions", "a name in protocols")
    speech: str = setting("hubert-small", "the study's own speech encoder, a name in encoders")
    text: str = setting("bert-small", "the study's own text encoder, a name in encoders; '' where none is needed")
    transcripts: str = setting("corrupted", "a name in transcripts; '' where none are needed")
    substitute: bool = setting(True, "true: the study's own encoders stand for those that the systems' rows name")
    parts: int = setting(1, "jobs that share the folds of a heavy system; one per fold suits a cluster", ge=1)
    seeds: list[int] = setting([1, 2, 3], "one training of every fold each", min_length=1)
    systems: list[str] = setting([], "names in systems", min_length=1)
    changes: dict[str, dict[str, Any]] = setting({}, "system: settings that differ here; reported as deviations")
    trials: dict[str, list[str]] = Field(
        {}, description="a name in robustness: systems tried on it, [] for all that can be; may be left out"
    )


class Params(Section):
    """Everything."""

    active: list[str] = setting(["default"], "the studies that this repository runs and versions")
    studies: dict[str, Study] = setting({}, "what is compared, where")
    corpora: dict[str, Corpus] = setting({}, "where utterances come from")
    protocols: dict[str, Protocol] = setting(
        {}, "how a corpus is split; classes and merged labels. Empty keys may be left out"
    )
    transcripts: dict[str, Source] = setting({}, "where text comes from")
    encoders: dict[str, Encoder] = setting({}, "frozen or fine-tuned feature extractors")
    shards: dict[str, Annotated[int, Field(ge=1)]] = setting(
        {}, "corpus: jobs (GPUs) that share the extraction of each of its speech features; 1 where it is not named"
    )
    systems: dict[str, Row] = setting({}, "how a system is trained: one row each")
    ingest: Ingest
    pretrain: dict[str, Pretrain] = setting({}, "built-in encoders")
    features: Features
    adapt: dict[str, Adapt] = setting({}, "Pan 2024, stage 1")
    cluster: dict[str, Cluster] = setting({}, "Pan 2024, pseudo-labels")
    retrain: dict[str, Retrain] = setting({}, "Pan 2024, stage 2")
    train: Train
    teach: Teach
    distill: Distill
    evaluate: Evaluate
    robustness: dict[str, conditions.Trial] = setting(
        {}, "what trained systems are tried on, where a study asks for it"
    )
    report: Report


def checked(path: str = "params.yaml") -> dict:
    """The parameters as plain values, after every check.

    Raises
    ------
    UserError
        The first fault, in one line that names file, key and remedy.
    """
    settings.validate(Params, settings.read(path, ""), "", path)
    params = settings.read(path, "")
    for registry in REGISTRIES:
        for name in params[registry]:
            if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
                raise UserError(f"{path}: {registry}.{name}: a name has lower-case letters, digits, '-' and '_' alone")
    for key, registry in (("active", "studies"), ("shards", "corpora")):
        for name in params[key]:
            _known(path, key, name, params[registry])
    for study in params["studies"]:
        _check_study(path, params, study)
    return params


def _known(path: str, key: str, name: str, names) -> None:
    if name not in names:
        raise UserError(f"{path}: {key}: there is no '{name}'{settings.nearest(name, names)}")


def _check_study(path: str, params: dict, study: str) -> None:
    own, where, plan = params["studies"][study], f"studies.{study}", Plan(params, path)
    if study in RESERVED:
        raise UserError(f"{path}: {where}: `make {study}` is a command; name the study otherwise")
    for key, registry in (("corpus", "corpora"), ("protocol", "protocols"), ("speech", "encoders")):
        _known(path, f"{where}.{key}", own[key], params[registry])
    for key, registry in (("text", "encoders"), ("transcripts", "transcripts")):
        if own[key]:
            _known(path, f"{where}.{key}", own[key], params[registry])
    if len(set(own["seeds"])) < len(own["seeds"]):
        raise UserError(f"{path}: {where}.seeds: {own['seeds']} has a seed twice; name each once")
    for name in own["changes"]:
        _known(path, f"{where}.changes", name, own["systems"])
    has = provides(params["corpora"][own["corpus"]])
    source = params["transcripts"].get(own["transcripts"], {}).get("kind", "none")
    for name in own["systems"]:
        _known(path, f"{where}.systems", name, params["systems"])
        row = plan.row(study, name)
        if {"text", "transcripts"} & set(row.files()):
            _check_text(path, params, study, name, row, plan, has, source)
        need = {"emotion"} if row.task == "emotion" else {"arousal"}
        if has is not None and not need & has:
            raise UserError(
                f"{path}: {where}.systems: {name} predicts {row.task}, and corpus '{own['corpus']}' has no such labels;"
                " take it out of the list"
            )
        if row.recipe == "external" and study in params["active"] and not Path(row.file).is_file():
            raise UserError(f"{path}: systems.{name}.file: {row.file}: no such file; put the predictions there")
        _check_encoders(path, params, study, name, row, plan)
    for trial, systems in own.get("trials", {}).items():
        _known(path, f"{where}.trials", trial, params["robustness"])
        _check_trial(path, params, study, trial, systems, plan)


def _check_trial(path, params, study, trial, systems, plan) -> None:
    own, entry, where = params["studies"][study], plan.trial(trial), f"studies.{study}.trials.{trial}"
    for name in systems:
        _known(path, where, name, params["systems"])
        if name in own["systems"] and (reason := conditions.untried(entry, plan.row(study, name))):
            raise UserError(f"{path}: {where}: {name} cannot be tried: {reason}; take it out of the list")
    if entry.kind == "corpus":
        for key, registry in (("corpus", "corpora"), ("protocol", "protocols"), ("transcripts", "transcripts")):
            if wanted := getattr(entry, key):
                _known(path, f"robustness.{trial}.{key}", wanted, params[registry])
        if entry.corpus == own["corpus"]:
            raise UserError(f"{path}: {where}: '{entry.corpus}' is the study's own corpus; name another")


def _check_text(path, params, study, name, row, plan, has, source) -> None:
    own, where = params["studies"][study], f"studies.{study}"
    if source == "none":
        raise UserError(f"{path}: {where}.transcripts: {name} needs transcripts; name a source of transcripts")
    if source in ("gold", "corrupted") and has is not None and "text" not in has:
        raise UserError(
            f"{path}: {where}.transcripts: {name} needs transcripts and corpus '{own['corpus']}' has none to take"
            f" '{own['transcripts']}' from; name a Whisper source or leave {name} out"
        )
    text = plan.encoder(study, row.text, "text")
    if not text:
        raise UserError(f"{path}: {where}.text: {name} needs a text encoder; name one of encoders")
    _known(path, f"systems.{name}.text", text, params["encoders"])


def _check_encoders(path, params, study, name, row, plan) -> None:
    entries, encoders = [(f"systems.{name}", row.speech)] if "speech" in row.inputs else [], params["encoders"]
    if beside := getattr(row, "beside", ""):
        _known(path, f"systems.{name}.beside", beside, encoders)
        if plan.networked(beside):
            raise UserError(f"{path}: systems.{name}.beside: '{beside}' is no table of descriptors; name egemaps")
    start = getattr(row, "start", "") and [("retrain", row.start)]
    while start:
        stage, entry = start.pop()
        _known(path, f"systems.{name}.start" if stage == "retrain" else f"{stage} of {name}", entry, params[stage])
        entries.append((f"{stage}.{entry}", params[stage][entry]["speech"]))
        before = {"retrain": "cluster", "cluster": "adapt"}.get(stage)
        if before and params[stage][entry][before]:
            start.append((before, params[stage][entry][before]))
    for where, wanted in entries:
        speech = plan.encoder(study, wanted, "speech")
        _known(path, f"{where}.speech", speech, encoders)
        if encoders[speech]["kind"] in ("text", "builtin-text"):
            raise UserError(f"{path}: {where}.speech: '{speech}' reads text; name a speech encoder")
        if "speech-weights" not in row.inputs:
            continue
        if encoders[speech]["kind"] not in ("transformers", "builtin-speech"):
            raise UserError(
                f"{path}: studies.{study}.speech: {name} fine-tunes its encoder, and '{speech}' cannot be fine-tuned;"
                " name a transformers or built-in one"
            )
        if row.recipe != "student" and "conv" not in encoders[speech]["layers"]:  # that one begins at a block
            raise UserError(f"{path}: encoders.{speech}.layers: {name} trains on the CNN's output; add 'conv' to them")
    if row.recipe == "student":
        _known(path, f"systems.{name}.teacher", row.teacher, params["systems"])
        if params["systems"][row.teacher]["recipe"] != "teacher":
            raise UserError(f"{path}: systems.{name}.teacher: '{row.teacher}' is no teacher")


def show_errors(since: float) -> None:
    """Print, after a failed run, the reason in the log of each job that failed after ``since``. For the Snakefile."""
    for path in sorted(Path("data/logs").rglob("*.log"), key=lambda path: path.stat().st_mtime):
        lines = path.read_text().splitlines() if path.stat().st_mtime >= since else []
        for line in [line for line in lines if line.startswith("error: ")][-1:]:
            print(line, file=sys.stderr)


def main(argv: list[str]) -> None:
    from . import document

    try:
        if argv == ["--write"]:
            Path("params.yaml").write_text(document.params_yaml())
        elif argv == ["--table"]:
            print(document.table())
        elif not argv:
            checked()
            print("params.yaml: in order")
        else:
            raise UserError(f"{' '.join(argv)}: unknown; give nothing, --write or --table")
    except UserError as mistake:
        sys.exit(f"error: {mistake}")


if __name__ == "__main__":
    main(sys.argv[1:])
