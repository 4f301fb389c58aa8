"""A user's own corpus, without code: a CSV with a row per utterance, and a folder of audio."""

import csv
import difflib
import math
import os
from pathlib import Path
from typing import Literal

from ..config.settings import Section, nearest, setting
from ..runtime.errors import UserError
from ..runtime.reporting import log
from . import release
from .manifest import COLUMNS, DIMENSIONS, MEASURED, known
from .release import Found, Places

_GENDERS = {"male": "male", "m": "male", "female": "female", "f": "female", "": "", "unknown": ""}


class Table(Section):
    """A CSV with the column ``file`` and any of the manifest's; only protocols that name other columns use them."""

    reader: Literal["table"] = setting("how the corpus is laid out")
    table: str = setting(
        "CSV with the column file and any of utterance, speaker, gender, session, text, emotion, arousal, valence, "
        "dominance, split; further columns are for protocols that name them",
    )
    audio: str = setting("folder that the column file is relative to")


def provides(values: dict) -> set[str] | None:
    """The columns of the table; None if the file is missing (the inventory reports that)."""
    path = Path(values["table"])
    if not path.is_file():
        return None
    with open(path, encoding="utf-8-sig", newline="") as file:
        return set(next(csv.reader(file), []))


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
    rows: dict[str, dict] = {}
    lines: dict[str, int] = {}
    paths: dict[str, Path] = {}
    seen: dict[str, int] = {}
    for line, fields in _records(path):
        row = _row(fields, path, line)
        if not row["file"]:
            raise UserError(f"{path}: line {line}: file: empty; name the audio file")
        sound = os.path.join(folder, row["file"])
        utterance = row["utterance"] = row.get("utterance") or os.path.splitext(os.path.basename(sound))[0]
        if not os.path.isfile(sound):
            raise UserError(f"{path}: line {line}: file: no such file {sound}; correct the name or {key}.audio")
        if utterance in rows:
            raise UserError(
                f"{path}: line {line}: utterance: '{utterance}' is on line {lines[utterance]} too; "
                "give each line its own name in a column 'utterance'"
            )
        if (place := os.path.normpath(sound)) in seen:
            raise UserError(f"{path}: line {line}: file: {row['file']} is on line {seen[place]} too; keep one of them")
        rows[utterance], lines[utterance], paths[utterance], seen[place] = row, line, Path(sound), line
    if not rows:
        raise UserError(f"{path}: no lines below the header; add one per utterance")
    names = sorted(rows)
    return Found([rows[name] for name in names], [paths[name] for name in names])


def _records(path: Path):
    """Every row's line number and its fields by column."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle)
            header = [name.strip() for name in next(reader, [])]
            _check_header(header, path)
            for values in reader:
                if not any(value.strip() for value in values):
                    continue
                if len(values) != len(header):
                    raise UserError(
                        f"{path}: line {reader.line_num}: {len(values)} fields where the header has {len(header)}; "
                        "put quotes around text that holds commas"
                    )
                yield reader.line_num, dict(zip(header, (value.strip() for value in values), strict=True))
    except UnicodeDecodeError as fault:
        raise UserError(f"{path}: not UTF-8 ({fault.reason} at byte {fault.start}); save it as UTF-8") from None
    except csv.Error as fault:
        raise UserError(f"{path}: not a readable CSV ({fault}); save it as CSV with commas") from None


def _check_header(header: list[str], path: Path) -> None:
    if "file" not in header:
        raise UserError(f"{path}: line 1: no column 'file'{nearest('file', header)}; add it")
    twice = [name for name in header if header.count(name) > 1]
    if twice or "" in header:
        what = f"column '{twice[0]}' occurs twice" if twice and twice[0] else "a column has no name"
        raise UserError(f"{path}: line 1: {what}; rename or remove it")
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


def _row(fields: dict[str, str], path: Path, line: int) -> dict:
    row = {f"table_{name}" if name in MEASURED else name: value for name, value in fields.items()}
    gender = row.get("gender", "")
    if gender.lower() not in _GENDERS:
        raise UserError(f"{path}: line {line}: gender: '{gender}' is not female, male or empty; correct it")
    row["gender"] = _GENDERS[gender.lower()]
    for name in DIMENSIONS:
        value = row.get(name, "")
        try:
            finite = not value or math.isfinite(float(value))
        except ValueError:
            finite = False
        if not finite:
            raise UserError(f"{path}: line {line}: {name}: '{value}' is not a number; correct it or leave it empty")
    return row
