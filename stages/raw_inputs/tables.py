"""The tables of a corpus' inventory: its reader's rows in a canonical form, whatever the raw files' format."""

import csv
import io
from collections.abc import Iterable

from ..corpora.audio_table import FILES
from ..corpora.manifest import COLUMNS, DIMENSIONS, FURTHER, cell, known
from ..corpora.ratings import RATING_COLUMNS
from ..corpora.release import Found

LABELS = ("utterance", "speaker", "gender", "session", "emotion", *DIMENSIONS, "split")
DEPARTURES = ("utterance", "file", "reason")
_ELSEWHERE = (*COLUMNS, "ratings")


def of_corpus(found: Found, sizes_and_digests: list[tuple[str, str]], of_user: bool) -> dict[str, bytes]:
    """{table: its contents}.

    Parameters
    ----------
    sizes_and_digests
        For every file in ``found``.
    of_user
        Whether the rows come from a user's own table, which may have any columns: those that no manifest keeps go to
        ``extra``, sorted by name. A release's columns all go to ``labels``, in the reader's order.
    """
    rows = found.rows
    columns = dict.fromkeys(name for row in rows for name in row if name not in _ELSEWHERE)
    further, extra = list(columns), []
    if of_user:
        further = [name for name in FURTHER if name in columns]
        further += sorted(name for name in columns if known(name) and name not in FURTHER)
        extra = sorted(name for name in columns if not known(name))
    files = (
        [row["utterance"], row["file"], *measured]
        for row, measured in zip(rows if found.files else [], sizes_and_digests, strict=True)
    )
    ratings = ([row["utterance"], *rating.cells()] for row in rows for rating in row.get("ratings", ()))
    return {
        "files": table(FILES, files),
        "labels": _of_rows([*LABELS, *further], rows),
        "texts": _of_rows(["utterance", "text"], rows),
        "extra": _of_rows(["utterance", *extra], rows),
        "ratings": table(RATING_COLUMNS, ratings),
        "departures": table(DEPARTURES, found.departures),
    }


def _of_rows(columns: list[str], rows: list[dict]) -> bytes:
    values = ([row.get(name) for name in columns] for row in rows)
    return table(columns, ([v if type(v) is str else cell(v) for v in row] for row in values))


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    """A CSV as bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()
