"""The one parser of every CSV that comes from outside: a user's table, a release's labels, a request to predict.

Blanks around fields and names of columns do not count, nor do they around quotes. A file that is no such table is named
for what it is: another delimiter, another encoding, a workbook, a pointer of Git LFS.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from ..config.settings import nearest
from ..runtime.errors import UserError

RELEASE = "take the release's own file"
"""What to do about a fault in a release's file."""
POINTER = b"version https://git-lfs."
"""How a pointer of Git LFS begins, in any file."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_GENDERS = {"male": "male", "m": "male", "female": "female", "f": "female", "": "", "unknown": ""}
_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


class Record(NamedTuple):
    """A row: the line on which it begins, its fields by column, and the fields beyond the last column."""

    line: int
    fields: dict[str, str]
    surplus: list[str]


def header(path: Path, columns: Sequence[str] = (), remedy: str = "add it") -> list[str]:
    """The names of the columns.

    Raises
    ------
    UserError
        As :func:`records` does for the file and its header; ``columns`` are those that it must have.
    """
    with opened(path) as file:
        names = _header(path, csv.reader(file, skipinitialspace=True))
    _check_header(path, names, columns, remedy)
    return names


def records(path: Path, columns: Sequence[str], remedy: str = "add it", loose: bool = False) -> Iterator[Record]:
    """Every row that is not blank, one at a time.

    Parameters
    ----------
    columns
        Those that the table must have; ``remedy`` says what to do where one is missing.
    loose
        A row may have more fields than the header, and what is not UTF-8 is replaced: releases are as they are.

    Raises
    ------
    UserError
        The file is missing, no UTF-8 or no CSV with commas; a column is missing, nameless or there twice; or a row has
        another number of fields. The message names the line.
    """
    try:
        with opened(path, "replace" if loose else "strict") as file:
            read: list[str] = []
            reader = csv.reader(_kept(file, read), skipinitialspace=True)
            names = _header(path, reader)
            _check_header(path, names, columns, remedy)
            line = reader.line_num + 1
            read.clear()
            for values in reader:
                if _open(read, values):
                    raise UserError(f"{path}: line {line}: a quote that is opened here is never closed; close it")
                values = [value.strip() for value in values]
                if any(values):
                    if len(values) < len(names) or (len(values) > len(names) and not loose):
                        wrong = f"{len(values)} fields where the header has {len(names)}"
                        comma = "put quotes around text that holds commas" if remedy != RELEASE else remedy
                        raise UserError(f"{path}: line {line}: {wrong}; {comma}")
                    yield Record(line, dict(zip(names, values, strict=False)), values[len(names) :])
                line = reader.line_num + 1
                read.clear()
    except UnicodeDecodeError:
        raise UserError(f"{path}: {_where_not_utf8(path)}; save it as UTF-8") from None
    except csv.Error as fault:
        raise UserError(f"{path}: not a readable CSV ({fault}); save it as CSV with commas") from None


def opened(path: Path, errors: str = "strict") -> IO[str]:
    """The file as text in UTF-8, for a parser of CSV.

    Raises
    ------
    UserError
        The file is missing, a pointer of Git LFS, in UTF-16, or a workbook.
    """
    refuse_pointer(path)
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct the path") from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder, not a table; give the path of a CSV") from None
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        raise UserError(f"{path}: UTF-16 or binary, not a CSV in UTF-8; save it as 'CSV UTF-8'")
    if head.startswith((b"PK\3\4", b"\xd0\xcf\x11\xe0")):
        raise UserError(f"{path}: a workbook, not a CSV; export its sheet as 'CSV UTF-8' with commas")
    return open(path, encoding="utf-8-sig", newline="", errors=errors)


def refuse_pointer(path: Path) -> None:
    """Refuse a file that Git LFS has not fetched."""
    try:
        with open(path, "rb") as file:
            pointer = file.read(len(POINTER)) == POINTER
    except OSError:  # whoever opens it says what is wrong
        return
    if pointer:
        raise UserError(f"{path}: a Git LFS pointer, not the file; run 'git lfs pull' in {path.parent}")


def _header(path: Path, reader) -> list[str]:
    try:
        return [name.strip() for name in next(reader, [])]
    except UnicodeDecodeError:
        raise UserError(f"{path}: {_where_not_utf8(path)}; save it as UTF-8") from None


def _check_header(path: Path, names: list[str], columns: Sequence[str], remedy: str) -> None:
    for column in columns:
        if column in names:
            continue
        for mark, word in _DELIMITERS.items():
            if any(mark in name for name in names):
                raise UserError(f"{path}: line 1: fields are separated by {word}; save it as CSV with commas")
        raise UserError(f"{path}: line 1: no column '{column}'{nearest(column, names)}; {remedy}")
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise UserError(f"{path}: line 1: column '{twice[0]}' occurs twice; rename or remove one")


def _kept(lines: Iterable[str], read: list[str]) -> Iterator[str]:
    """``lines``, each of which is added to ``read``."""
    for line in lines:
        read.append(line)
        yield line


def _open(read: list[str], values: list[str]) -> bool:
    """Whether a quote is open at the end of the lines of a row. One inside a bare field (5" pipe) opens nothing."""
    odd = sum(line.count('"') for line in read) % 2 == 1
    return odd and (len(read) > 1 or sum(value.count('"') for value in values) % 2 == 0)


def _where_not_utf8(path: Path) -> str:
    content = Path(path).read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        return f"line {line}: not UTF-8 (byte 0x{content[fault.start]:02x})"
    return "not UTF-8"


def number(given: str, where: str, remedy: str = "correct it or leave it empty") -> float | None:
    """A finite number in digits, with a point; None if the field is empty.

    Raises
    ------
    UserError
        The field is anything else, as ``1_000``, ``2,5``, ``nan`` or ``NA``; ``where`` names it.
    """
    given = given.strip()
    if not given:
        return None
    if not _NUMBER.fullmatch(given) or abs(float(given)) == float("inf"):
        point = " (decimals take a point)" if _NUMBER.fullmatch(given.replace(",", ".")) else ""
        raise UserError(f"{where}: '{given}' is not a number{point}; {remedy}")
    return float(given)


def count(given: str, where: str, remedy: str = "correct it") -> int:
    """A whole number from 0, in digits.

    Raises
    ------
    UserError
        The field is anything else, or empty; ``where`` names it.
    """
    if not re.fullmatch(r"\d+", given.strip(), re.ASCII):
        raise UserError(f"{where}: '{given}' is not a whole number; {remedy}")
    return int(given)


def gender(given: str, where: str, remedy: str = "correct it or leave it empty") -> str:
    """``female``, ``male`` or '' where unknown, whatever the case.

    Raises
    ------
    UserError
        The field is anything else; ``where`` names it.
    """
    try:
        return _GENDERS[given.strip().casefold()]
    except KeyError:
        raise UserError(f"{where}: '{given}' is not female, male or empty; {remedy}") from None


def identity(given: str) -> str:
    """An id, empty where it says that it is unknown."""
    given = given.strip()
    return "" if given.casefold() == "unknown" else given


def alike(name: str) -> str:
    """The form in which names are the same that differ only in case, blanks, leading zeros or Unicode form."""
    plain = "".join(unicodedata.normalize("NFKC", name).casefold().split())
    return re.sub(r"(?<!\d)0+(?=\d)", "", unicodedata.normalize("NFKC", plain))
