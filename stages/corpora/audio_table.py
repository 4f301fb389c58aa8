"""audio.csv: what ingest found in the audio of every utterance, usable or not; and which file it was."""

import csv
from collections.abc import Iterable
from pathlib import Path

from .manifest import read_rows

FILES = ("utterance", "file", "size", "sha256")
"""Columns of an inventory's files.csv: the path below the corpus' folder, bytes, and SHA-256 of the bytes."""
COLUMNS = ("utterance", "duration", "sha256", "duplicate_of", "clipped", "file", "reason")
"""Columns of audio.csv; ``file`` and ``reason`` of what cannot be used, the others of what can."""


def write(path: Path | str, rows: Iterable[dict]) -> None:
    """Write rows in their order; what a row lacks is empty."""
    with open(path, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


def read(path: Path | str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The usable rows and the others, each sorted by utterance.

    Raises
    ------
    UserError
        It is not there or not as :func:`write` leaves it.
    """
    rows = sorted(read_rows(path, COLUMNS, "ingest"), key=lambda row: row["utterance"])
    return [row for row in rows if not row["reason"]], [row for row in rows if row["reason"]]
