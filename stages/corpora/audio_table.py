"""audio.csv: what ingest measured in the audio of every utterance, and why it skipped a file; columns of files.csv."""

import csv
from collections.abc import Iterable
from pathlib import Path

from .manifest import read_rows

FILES = ("utterance", "file", "size", "sha256")
"""Columns of an inventory's files.csv: the path below the corpus' folder, bytes, and SHA-256 of the bytes."""
COLUMNS = ("utterance", "duration", "sha256", "duplicate_of", "clipped", "file", "reason")
"""Columns of audio.csv; unusable files have ``file`` and ``reason``, usable ones all others."""


def write(path: Path | str, rows: Iterable[dict]) -> None:
    """Write rows in their order; missing values are empty."""
    with open(path, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


def read(path: Path | str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The usable rows and the others, each sorted by utterance.

    Raises
    ------
    UserError
        The file is missing or does not have the format of :func:`write`.
    """
    rows = sorted(read_rows(path, COLUMNS, "ingest"), key=lambda row: row["utterance"])
    return [row for row in rows if not row["reason"]], [row for row in rows if row["reason"]]
