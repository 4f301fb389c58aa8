"""The files of the catalogue, read and put together; every entry knows its file."""

from pathlib import Path
from typing import Any

import yaml

from ..config.settings import nearest, parse
from ..runtime.errors import UserError

NAMED = (
    *("studies", "corpora", "protocols", "transcripts", "encoders", "shards", "systems"),
    *("pretrain", "adapt", "cluster", "retrain", "robustness"),
)
"""Sections of names that anyone may add to; none need be there."""
SECTIONS = (
    *("active", "studies", "corpora", "protocols", "transcripts", "encoders", "shards", "systems"),
    *("ingest", "pretrain", "features", "adapt", "cluster", "retrain", "train", "teach", "distill"),
    *("evaluate", "robustness", "report"),
)
"""All sections, in the order of stages.parameters.models.Params (which is not imported: it needs every model)."""
BENEATH = ("recipes", "defaults")
"""What lies beneath entries; it is no section itself."""
Sources = dict[tuple[str, ...], str]
"""(section,) or (section, name) or a longer key: the file that says so."""


def loaded(path: Path, shown: str, *more: str) -> dict:
    """The mapping in a file of parameters; ``shown`` names it in errors, ``more`` are keys that it may have besides.

    Raises
    ------
    UserError
        The file is missing, is no mapping of sections, says a key twice, or has a section that there is not.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise UserError(f"{shown}: no such file; take the one of the repository") from None
    values = parse(text, shown)
    _check_once(yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), "", shown)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{shown}: no mapping of sections; write SECTION: and its keys below it")
    values = _undotted(values, shown)
    known = (*SECTIONS, *BENEATH, *more)
    for section, value in values.items():
        if section not in known:
            raise UserError(f"{shown}: {section}: no such section{nearest(section, known)}")
        if section not in ("active", *more) and not isinstance(value, dict | None):
            raise UserError(f"{shown}: {section}: {value!r} is no mapping; write its keys below it, one per line")
    return {section: value for section, value in values.items() if value is not None}


def _undotted(values: dict, shown: str) -> dict:
    """``corpora.mine: {...}`` put under ``corpora``, so that lines can be appended to a file; ``active.mine: true``."""
    whole = {key: value for key, value in values.items() if "." not in key}
    for key in (key for key in values if "." in key):
        section, _, name = key.partition(".")
        if section == "active":
            whole[section] = [*(whole.get(section) or []), *([name] if values[key] else [])]
            continue
        if section not in NAMED:
            raise UserError(f"{shown}: {key}: no section of names{nearest(section, ('active', *NAMED))}")
        entries = whole.get(section) or {}
        if name in entries:
            raise UserError(f"{shown}: {key}: is under {section}: too; put them together")
        whole[section] = {**entries, name: values[key]}
    return whole


def _check_once(node: yaml.Node | None, where: str, shown: str) -> None:
    """YAML takes the last of two equal keys and says nothing; a second `corpora:` would undo the first."""
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = key.value, key.start_mark.line + 1
            dotted = f"{where}.{name}" if where else name
            if name in lines:
                raise UserError(f"{shown}: {dotted}: is on lines {lines[name]} and {line}; put them together")
            lines[name] = line
            _check_once(value, dotted, shown)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_once(value, where, shown)


def catalogue(folder: Path) -> tuple[dict, Sources]:
    """All files of a catalogue as one, and which file each entry stands in.

    Raises
    ------
    UserError
        The folder holds no file, or two files define one entry.
    """
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise UserError(f"{folder}: no catalogue: it holds no *.yaml; take the folder of the repository")
    whole: dict[str, Any] = {}
    sources: Sources = {}
    for path in paths:
        shown = str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
        values = loaded(path, shown, "paper")
        paper = values.pop("paper", None)
        for section, entries in values.items():
            if section == "active":
                raise UserError(f"{shown}: active: belongs in params.yaml; move it there")
            for name, entry in entries.items():
                if (section, name) in sources:
                    raise UserError(
                        f"{shown}: {section}.{name}: is in {sources[section, name]} too; keep one of the two"
                    )
                if paper and section == "systems" and isinstance(entry, dict):
                    entry = {"paper": paper, **entry}
                whole.setdefault(section, {})[name] = entry
                sources[section, name] = shown
    return whole, sources
