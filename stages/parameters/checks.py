"""Checks across sections: names that must exist, systems that fit their study."""

import re
from pathlib import Path

from ..adapt import Adapt
from ..cluster import Cluster
from ..conditions import config as conditions
from ..config import settings
from ..corpora.readers import provides
from ..encoders.specs import NEEDED
from ..recipes import chain, system_config
from ..retrain import Retrain
from ..runtime.errors import UserError
from ..workflow import stored_layers
from ..workflow.plan import Plan
from .models import REGISTRIES, RESERVED, Params
from .trained_after import behind, check_after


def check(params: dict, path: str = settings.PARAMS) -> None:
    """Check complete settings: types, limits, names that must exist, systems that fit their study.

    Raises
    ------
    UserError
        The first fault, in one line that names the file ``path``, key and remedy.
    """
    settings.validate(Params, params, "", path)
    for registry in REGISTRIES:
        for name in params[registry]:
            if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
                raise UserError(
                    f"{path}: {registry}.{name}: a name may contain only lower-case letters, digits, '-' and '_'"
                )
    for key, registry in (("active", "studies"), ("shards", "corpora")):
        for name in params[key]:
            _known(path, key, name, params[registry])
    for study in params["studies"]:
        _check_study(path, params, study)


def _known(path: str, key: str, name: str, names) -> None:
    if name not in names:
        raise UserError(f"{path}: {key}: there is no '{name}'{settings.nearest(name, names)}")


def _check_study(path: str, params: dict, study: str) -> None:
    own, where, plan = params["studies"][study], f"studies.{study}", Plan(params, path)
    if study in RESERVED:
        raise UserError(f"{path}: {where}: `make {study}` is a command; give the study another name")
    for key, registry in (("corpus", "corpora"), ("protocol", "protocols"), ("speech", "encoders")):
        _known(path, f"{where}.{key}", own[key], params[registry])
    for key, registry in (("text", "encoders"), ("transcripts", "transcripts")):
        if own[key]:
            _known(path, f"{where}.{key}", own[key], params[registry])
    if len(set(own["seeds"])) < len(own["seeds"]):
        raise UserError(f"{path}: {where}.seeds: {own['seeds']} has a seed twice; name each once")
    has = provides(params["corpora"][own["corpus"]])
    for name in own["systems"]:
        _known(path, f"{where}.systems", name, params["systems"])
        row = plan.row(study, name)
        if {"text", "transcripts"} & set(row.files()):
            _check_text(path, params, study, name, row, plan, has)
        _check_own_words(path, params, study, name, plan, has)
        need = {"emotion"} if row.task == "emotion" else {"arousal"}
        if has is not None and not need & has:
            raise UserError(
                f"{path}: {where}.systems: {name} predicts {row.task}, and corpus '{own['corpus']}' has no such labels;"
                " remove it from the list"
            )
        if row.recipe == "external" and study in params["active"] and not Path(row.file).is_file():
            raise UserError(f"{path}: systems.{name}.file: {row.file}: no such file; put the predictions there")
        _check_encoders(path, params, study, name, row, plan)
    _check_changes(path, params, study, plan)
    for trial, systems in own.get("trials", {}).items():
        _known(path, f"{where}.trials", trial, params["robustness"])
        _check_trial(path, params, study, trial, systems, plan)


def _check_changes(path, params, study, plan) -> None:
    """Changes are of the study's systems, which fit by now, and of the entries of other stages behind these."""
    own = params["studies"][study]
    behind_all = dict(one for name in own["systems"] for one in behind(path, study, name, plan))
    entries = {f"{stage}.{name}": (stage, name) for stage, name in behind_all}
    for name, changes in own["changes"].items():
        _known(path, f"studies.{study}.changes", name, [*own["systems"], *entries])
        if name in entries:
            stage, entry = entries[name]
            model = {"adapt": Adapt, "cluster": Cluster, "retrain": Retrain}[stage]
            of = f"studies.{study}.changes.{name}"
            system_config.changed(model, params[stage][entry], changes, name, of, path)


def _check_trial(path, params, study, trial, systems, plan) -> None:
    own, entry, where = params["studies"][study], plan.trial(trial), f"studies.{study}.trials.{trial}"
    for name in systems:
        _known(path, where, name, params["systems"])
        if name in own["systems"] and (reason := conditions.untried(entry, plan.row(study, name))):
            raise UserError(f"{path}: {where}: {name} cannot be tried: {reason}; remove it from the list")
    if entry.kind == "transcripts":
        _known(path, f"robustness.{trial}.transcripts", entry.transcripts, params["transcripts"])
    if entry.kind == "corpus":
        for key, registry in (("corpus", "corpora"), ("protocol", "protocols"), ("transcripts", "transcripts")):
            if wanted := getattr(entry, key):
                _known(path, f"robustness.{trial}.{key}", wanted, params[registry])
        if entry.corpus == own["corpus"]:
            raise UserError(f"{path}: {where}: '{entry.corpus}' is the study's own corpus; name another")


def _check_text(path, params, study, name, row, plan, has) -> None:
    own, where, source = params["studies"][study], f"studies.{study}", plan.transcripts(study, name)
    if not source:
        raise UserError(f"{path}: {where}.transcripts: {name} needs transcripts; name a source of transcripts")
    _known(path, f"systems.{name}.transcripts", source, params["transcripts"])
    if params["transcripts"][source]["kind"] in ("gold", "corrupted") and has is not None and "text" not in has:
        raise UserError(
            f"{path}: {where}.transcripts: {name} needs transcripts, and corpus '{own['corpus']}' has none for"
            f" '{source}'; name a Whisper source or remove {name}"
        )
    if not {"text", "text-weights"} & set(row.files()):
        return
    text = plan.encoder(study, row.text, "text")
    if not text:
        raise UserError(f"{path}: {where}.text: {name} needs a text encoder; name one of encoders")
    _known(path, f"systems.{name}.text", text, params["encoders"])


def _check_own_words(path, params, study, name, plan, has) -> None:
    """A system that learns what was said, or starts from a stage that does, needs a corpus with words of its own."""
    own, row = params["studies"][study], plan.row(study, name)
    learning = [
        f"{stage}/{entry}" for (stage, entry), found in behind(path, study, name, plan) if chain.learns_words(found)
    ]
    learning += [name] if row.learns_words else []
    if learning and has is not None and "text" not in has:
        raise UserError(
            f"{path}: studies.{study}.systems: {name}: {learning[0]} learns what was said, and corpus '{own['corpus']}'"
            f" has no words of its own, whatever Whisper hears; remove {name} from the list"
        )
    if learning and not own["transcripts"]:
        raise UserError(
            f"{path}: studies.{study}.transcripts: {name}: {learning[0]} learns what was said;"
            " name a source of transcripts"
        )


def _check_encoders(path, params, study, name, row, plan) -> None:
    entries, encoders = [(f"systems.{name}", row.speech)] if "speech" in row.files() else [], params["encoders"]
    if beside := getattr(row, "beside", ""):
        _known(path, f"systems.{name}.beside", beside, encoders)
        if plan.networked(beside):
            raise UserError(f"{path}: systems.{name}.beside: '{beside}' is no set of descriptors; name egemaps")
    entries += [(f"{stage}.{entry}", found["speech"]) for (stage, entry), found in behind(path, study, name, plan)]
    for where, wanted in entries:
        speech = plan.encoder(study, wanted, "speech")
        _known(path, f"{where}.speech", speech, encoders)
        if encoders[speech]["kind"] in ("text", "builtin-text"):
            raise UserError(f"{path}: {where}.speech: '{speech}' reads text; name a speech encoder")
        if "speech-weights" not in row.files():
            continue
        kind = encoders[speech]["kind"]
        if kind not in ("transformers", "whisper", "builtin-speech"):
            raise UserError(
                f"{path}: studies.{study}.speech: {name} fine-tunes its encoder, and '{speech}' cannot be fine-tuned;"
                " name a transformers, Whisper or built-in one"
            )
    if study in params["active"]:
        _check_layers(path, params, study, name, plan)
    check_after(path, study, name, plan)


def _check_layers(path, params, study, name, plan) -> None:
    """Every layer that a system reads is named in the encoder's entry, or planned where that says ``needed``."""
    for encoder, layers in stored_layers.of_system(plan, study, name).items():
        there = set(params["encoders"][encoder]["layers"])
        planned = {layer for layer in layers if layer != "local"} if NEEDED in there else set()
        numbered = {layer for layer in layers if layer[:4] == "last" or layer == "all"}  # of those that there are
        numbered |= {layer for layer in layers if layer.isdigit()} if "all" in there else set()
        if missing := sorted(layers - there - planned - numbered):
            raise UserError(
                f"{path}: encoders.{encoder}.layers: {name} reads layer '{missing[0]}' in study '{study}'; add"
                f" '{missing[0]}' to them"
            )
