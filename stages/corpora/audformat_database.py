"""A database in audformat (github.com/audeering/audformat), the exchange format of audEERING's corpora.

A folder holds ``db.yaml``, tables beside it and media below. The parameters name the table column for each column of
the manifest as ``table/column``; ``table/column/field`` names a field of a scheme's labels (a speaker's gender).
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..config.settings import Section, nearest, setting
from ..runtime.errors import UserError
from . import csv_file, release
from .consistency import DISTINCT, Name
from .manifest import DIMENSIONS
from .release import Departure, Found, Places


class AudformatDatabase(Section):
    """Any database whose tables are filewise: a row per audio file."""

    reader: Literal["audformat"] = setting("how the corpus is laid out")
    path: str = setting("folder holding db.yaml")
    columns: dict[str, str] = setting(
        "manifest column: table/column, or table/column/field for a field of the scheme's labels; others are kept",
    )
    partial: bool = setting("admit listed files that are not there, listed in quarantine.csv; refused else")
    distinct: list[Name] = Field([], description=DISTINCT)


def provides(values: dict) -> set[str]:
    """The labels that the corpus has."""
    return set(values["columns"])


def places(settings: AudformatDatabase) -> Places:
    """The whole folder: tables and media may be anywhere in it."""
    return Places(folders=(release.root(settings.model_dump()),))


def utterances(settings: AudformatDatabase, key: str) -> Found:
    """Every file of the named tables; an utterance's name is its path in the database without suffix.

    Raises
    ------
    UserError
        The database, a table, a column, a field or an audio file is missing, or a table is segmented.
    """
    import audformat

    root = release.folder(settings.path, key, "give the folder of an audformat database")
    if not (root / "db.yaml").is_file():
        raise UserError(f"{key}.path: no db.yaml in {root}; give the folder of an audformat database")
    for path in [root / "db.yaml", *root.glob("db.*.csv"), *root.glob("db.*.parquet")]:
        csv_file.refuse_pointer(path)
    database = audformat.Database.load(str(root))
    rows: dict[str, dict[str, Any]] = {}
    for name, source in settings.columns.items():
        for file, value in _values(database, source, f"{key}.columns.{name}").items():
            utterance = str(Path(file).with_suffix("")).replace("/", "-")
            row = rows.setdefault(utterance, {"utterance": utterance, "file": Path(file).as_posix()})
            row[name] = _plain(value, name, f"{root / 'db.yaml'}: {source}: {file}")
    audio = {name: root / row["file"] for name, row in rows.items() if (root / row["file"]).is_file()}
    departures = [Departure(name, "", "in the tables, but without audio") for name in sorted(set(rows) - set(audio))]
    present = {name: rows[name] for name in audio}
    return release.whole(present, audio, departures, {}, settings.partial, key, root)


def _values(database, source: str, where: str) -> dict:
    """Values by file of ``table/column`` or ``table/column/field``."""
    table, _, rest = source.partition("/")
    column, _, field = rest.partition("/")
    if table not in database.tables:
        raise UserError(f"{where}: no table '{table}'{nearest(table, database.tables)}")
    if database.tables[table].type != "filewise":
        raise UserError(f"{where}: table '{table}' is segmented; cut the audio into a file per segment first")
    if column not in database.tables[table].columns:
        raise UserError(f"{where}: no column '{column}'{nearest(column, database.tables[table].columns)}")
    try:
        frame = database[table].get(map={column: field} if field else None)
    except (ValueError, KeyError):
        raise UserError(
            f"{where}: the labels of '{column}' have no field '{field}'; name one of the scheme's fields"
        ) from None
    return frame[field or column].to_dict()


def _plain(value: Any, name: str, where: str) -> Any:
    import pandas as pd

    if pd.isna(value):
        return ""
    if name in DIMENSIONS:
        return csv_file.number(value, where) if isinstance(value, str) else float(value)
    if name == "gender":  # audformat's scheme has a third value, which no other reader has
        return "" if str(value).strip().casefold() == "other" else csv_file.gender(str(value), where)
    if isinstance(value, str):
        return csv_file.identity(value) if name in ("speaker", "session") else value.strip()
    return value.item() if hasattr(value, "item") else value
