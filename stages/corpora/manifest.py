"""The two tables that all later stages read: manifest (one row per utterance) and protocol (its role per fold)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..runtime.errors import UserError

DIMENSIONS = ("arousal", "valence", "dominance")
LABELS = ("utterance", "speaker", "gender", "session", "duration", "text", "emotion", *DIMENSIONS, "split")
COLUMNS = (*LABELS, "sha256")
"""Columns of every manifest, in order; others follow."""
MEASURED = ("duration", "sha256", "duplicate_of")
"""Columns that ingest fills from the audio itself."""
FURTHER = ("file", "dialogue", "agreement", "raters")
"""Optional columns that guards and the report use, besides the soft labels ``votes_<class>``."""


def known(name: str) -> bool:
    """Whether a manifest made from a user's table keeps the column; only protocols that name the others use them."""
    return name in (*COLUMNS, *MEASURED, *FURTHER) or name.startswith("votes_")


def cell(value: Any) -> str:
    """A value as text for a table: floats in their shortest exact form, empty for None and NaN."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    number = float(value)
    if number != number:
        return ""
    return str(int(number)) if "int" in type(value).__name__ else repr(number)


def read_rows(path: Path | str, columns: tuple[str, ...], stage: str) -> list[dict[str, str]]:
    """The rows of a table that a stage wrote, as dictionaries of text; possibly none.

    Raises
    ------
    UserError
        The file is missing, lacks one of ``columns``, or a row has more or fewer fields than the header.
    """
    import csv

    try:
        with open(path, newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle, strict=True)
            header, rows = reader.fieldnames or [], list(reader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the stage that makes it ({stage})") from None
    except (csv.Error, UnicodeDecodeError) as fault:
        raise UserError(f"{path}: not a readable CSV ({fault}); delete it and run {stage} again") from None
    for name in columns:
        if name not in header:
            raise UserError(f"{path}: line 1: no column '{name}'; delete it and run {stage} again")
    for i, row in enumerate(rows):
        if None in row or None in row.values():
            raise UserError(
                f"{path}: row {i + 1}: another number of fields than the header; delete the file and run {stage} again"
            )
    return rows


def write_manifest(path: Path | str, rows: Iterable[dict]) -> None:
    """Write rows sorted by utterance: the fixed columns, then all others in order of first appearance."""
    import csv

    rows = sorted(rows, key=lambda row: row["utterance"])
    extra = dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)
    header = [*COLUMNS, *extra]
    with open(path, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            values = (row.get(name) for name in header)
            writer.writerow([value if type(value) is str else cell(value) for value in values])


def read_manifest(path: Path | str):
    """The manifest as a data frame: text as text, ``duration`` and the dimensions as floats (NaN where unknown).

    Raises
    ------
    UserError
        The file or a column is missing, or a line repeats an utterance or has an invalid number or gender.
    """
    frame = read_table(path, COLUMNS, "manifest")
    for name in ("duration", *DIMENSIONS):
        frame[name] = numbers(frame[name], path, name)
    refuse(frame["duration"].isna() | (frame["duration"] <= 0), path, "duration: not above 0 s")
    refuse(~frame["gender"].isin(["female", "male", ""]), path, "gender: not female, male or empty")
    refuse(frame["utterance"] == "", path, "utterance: empty")
    refuse(frame["utterance"].duplicated(), path, "utterance: an earlier line has it too")
    return frame


def with_extra(manifest, path: Path | str | None):
    """The manifest with the other columns of a user's table; unchanged without ``path``.

    Raises
    ------
    UserError
        The table lacks an utterance.
    """
    if path is None:
        return manifest
    extra = read_table(path, ("utterance",), "inventory").set_index("utterance")
    refuse(~manifest["utterance"].isin(extra.index), path, "not of the same corpus as the manifest")
    return manifest.join(extra[[name for name in extra if name not in manifest]], on="utterance")


def read_table(path: Path | str, columns: tuple[str, ...], stage: str):
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the stage that makes it ({stage})") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as fault:
        why = " ".join(str(fault).split())
        raise UserError(f"{path}: not a readable CSV ({why}); delete it and run {stage} again") from None
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise UserError(f"{path}: line 1: no column '{missing[0]}'; delete it and run {stage} again")
    if frame.empty:
        raise UserError(f"{path}: no rows; delete it and run {stage} again")
    return frame


def numbers(column, path: Path | str, name: str):
    import pandas as pd

    values = pd.to_numeric(column.where(column != ""), errors="coerce").astype("float64")
    refuse((column != "") & ~values.abs().lt(float("inf")), path, f"{name}: not a finite number")
    return values


def refuse(bad, path: Path | str, what: str) -> None:
    if bad.any():
        raise UserError(f"{path}: line {int(bad.to_numpy().argmax()) + 2}: {what}; correct it or create the file again")
