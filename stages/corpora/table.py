"""A user's own corpus, without code: a CSV with a row per utterance, and a folder of audio."""

import difflib
import glob
import os
import unicodedata
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..config.settings import Section, setting
from ..runtime.errors import UserError
from ..runtime.reporting import log
from . import csv_file, release
from .consistency import DISTINCT, Name
from .manifest import COLUMNS, DIMENSIONS, MEASURED, known
from .release import Found, Places

SHOWN = 40
"""Faults of a table that are shown at once."""
_IDS = ("speaker", "session", "dialogue", "split")


class Table(Section):
    """A CSV with the column ``file`` and any of the manifest's; only protocols that name other columns use them."""

    reader: Literal["table"] = setting("how the corpus is laid out")
    table: str = setting(
        "CSV with the column file and any of utterance, speaker, gender, session, text, emotion, arousal, valence, "
        "dominance, split; further columns are for protocols that name them",
    )
    audio: str = setting("folder that the column file is relative to")
    distinct: list[Name] = Field([], description=DISTINCT)


def provides(values: dict) -> set[str] | None:
    """The columns of the table; None if the file is missing (the inventory reports that)."""
    path = Path(values["table"]).expanduser()
    if not path.is_file():
        return None
    return set(csv_file.header(path, ("file",)))


def places(settings: Table) -> Places:
    """The table and the files that it names."""
    return Places(files=(Path(settings.table).expanduser(),), named=release.root(settings.model_dump()))


def utterances(settings: Table, key: str) -> Found:
    """Rows of labels and the audio file of each, sorted by utterance (without that column, the file's stem).

    Raises
    ------
    UserError
        The table has a fault; the message names its line and field: a missing file or column, a repeated utterance
        or file, an invalid gender or number, or too many or too few fields.
    """
    path, folder = Path(settings.table).expanduser(), Path(settings.audio).expanduser()
    if not path.is_file():
        raise UserError(f"{key}.table: no file {path}; give the path of the corpus' CSV")
    if not folder.is_dir():
        raise UserError(f"{key}.audio: no folder {folder}; give the folder that holds the audio files")
    _check_header(csv_file.header(path, ("file",)), path)
    rows: dict[str, dict] = {}
    lines: dict[str, int] = {}
    paths: dict[str, Path] = {}
    seen: dict[str, int] = {}
    faults = []
    for line, fields, _ in csv_file.records(path, ("file",)):
        try:
            row = _row(fields, f"{path}: line {line}")
            sound, utterance = _sound(row, folder, f"{path}: line {line}", key, hint=not faults)
            if utterance in lines:
                raise UserError(
                    f"{path}: line {line}: utterance: '{utterance}' is on line {lines[utterance]} too; "
                    "give each line its own name in a column 'utterance'"
                )
            if (place := os.path.normpath(sound)) in seen:
                raise UserError(
                    f"{path}: line {line}: file: {row['file']} is on line {seen[place]} too; keep one of them"
                )
        except UserError as fault:
            faults.append(str(fault))
            continue
        rows[utterance], lines[utterance], paths[utterance], seen[place] = row, line, Path(sound), line
    if faults:
        _refuse(faults)
    if not rows:
        raise UserError(f"{path}: no lines below the header; add one per utterance")
    names = sorted(rows)
    places = {name: f"{path}: line {lines[name]}" for name in names}
    return Found([rows[name] for name in names], [paths[name] for name in names], places=places)


def _sound(row: dict, folder: Path, where: str, key: str, hint: bool) -> tuple[str, str]:
    """The path of a row's file, and its utterance, which is then in the row.

    With ``hint`` the folder is searched for what a missing file may be.
    """
    if not row["file"]:
        raise UserError(f"{where}: file: empty; name the audio file")
    sound = os.path.join(folder, row["file"])
    if not os.path.isfile(sound):
        near = hint and _near(folder, row["file"])
        raise UserError(f"{where}: file: no such file {sound}{near or f'; correct the name or {key}.audio'}")
    row["utterance"] = row.get("utterance") or os.path.splitext(os.path.basename(sound))[0]
    return sound, row["utterance"]


def _refuse(faults: list[str]) -> None:
    """Stop for the first of ``faults``; the others are shown before it."""
    for fault in faults[1:SHOWN]:
        log.warning("%s", fault)
    more = f" ({len(faults) - 1} more lines of this table have faults" if len(faults) > 1 else ""
    more += ", see above)" if 1 < len(faults) <= SHOWN else f", the first {SHOWN - 1} above)" if more else ""
    raise UserError(faults[0] + more)


def _near(folder: Path, name: str) -> str:
    """A hint at the file that is meant where there is none of this name; empty if none looks like it."""
    place = folder / name
    if place.parent.is_dir():
        wanted, beside = _spelling(place.name), sorted(os.listdir(place.parent))
        for other in beside:
            if _spelling(other) == wanted:
                same = unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", place.name)
                form = "Unicode form" if same else "case"
                return f"; there is {other!a}, which differs only in {form}: rename one of them"
        for other in beside:
            if _spelling(os.path.splitext(other)[0]) == _spelling(place.stem):
                return f"; there is '{other}': correct the suffix"
    if len(parts := Path(name).parts) > 1 and (folder / parts[-1]).is_file():
        return f"; there is {folder / parts[-1]}: leave the folder out of the name"
    below = (
        next((path for path in folder.rglob(glob.escape(place.name)) if path.is_file()), None) if place.name else None
    )
    return f"; there is {below}: write '{below.relative_to(folder)}'" if below else ""


def _spelling(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _check_header(header: list[str], path: Path) -> None:
    if "" in header:
        raise UserError(f"{path}: line 1: a column has no name; name or remove it")
    ours = [name for name in COLUMNS if name not in MEASURED]
    for name in header:
        if name in MEASURED:
            log.warning(
                "%s: ingest measures column '%s'; the table's values are kept as 'table_%s'",
                path,
                name,
                name,
            )
        elif not known(name) and (near := difflib.get_close_matches(name, ours, 1, 0.75)):
            log.warning(
                "%s: column '%s' is not a manifest column and is kept as an extra; did you mean '%s'?",
                path,
                name,
                near[0],
            )


def _row(fields: dict[str, str], where: str) -> dict:
    row = {f"table_{name}" if name in MEASURED else name: value for name, value in fields.items()}
    row["gender"] = csv_file.gender(row.get("gender", ""), f"{where}: gender")
    for name, value in row.items():
        if name in DIMENSIONS or name in ("agreement", "raters") or name.startswith("votes_"):
            csv_file.number(value, f"{where}: {name}")
        elif name in _IDS:
            row[name] = csv_file.identity(value)
        if name in (*_IDS, "emotion") and '"' in value:
            raise UserError(f"{where}: {name}: {value} has quotes in it; put them around the whole field, or none")
    return row
