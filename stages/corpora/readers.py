"""All readers under one type, and what the stages ask of any of them."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from stages import settings
from stages.corpora import planted, ravdess, table
from stages.corpora.planted import Planted
from stages.corpora.ravdess import Ravdess
from stages.corpora.table import Table
from stages.errors import UserError

Corpus = Annotated[Planted | Ravdess | Table, Field(discriminator="reader")]
"""An entry of ``corpora:``, told apart by its key ``reader``."""

_ADAPTER = TypeAdapter(Corpus)
_LICENCES = {"planted": planted.LICENCE, "ravdess": ravdess.LICENCE}
_READERS = {Ravdess: ravdess.utterances, Table: table.utterances}


def load(name: str, params: str) -> Corpus:
    """The validated entry ``corpora.{name}`` of the parameter file."""
    key = f"corpora.{name}"
    return settings.adapt(_ADAPTER, settings.read(params, key), key, params)


def read(corpus: Corpus, name: str) -> tuple[list[dict], list[Path]]:
    """Rows of labels, sorted by utterance, and the audio file of each; a synthetic corpus has no files.

    Raises
    ------
    UserError
        The corpus is not there or not as its reader expects it.
    """
    if isinstance(corpus, Planted):
        return sorted(planted.utterances(corpus), key=lambda row: row["utterance"]), []
    return _READERS[type(corpus)](corpus, f"corpora.{name}")


def licence(reader: str) -> str:
    """The terms of a reader's corpus; empty where they are not known (a user's own)."""
    return _LICENCES.get(reader, "")


def sources(corpus: Corpus) -> list[str]:
    """Files and folders that the corpus is read from; none for a synthetic one."""
    if isinstance(corpus, Planted):
        return []
    return [corpus.table, corpus.audio] if isinstance(corpus, Table) else [corpus.path]


def synthesised(corpus: Planted, rows: list[dict], workers: int) -> Iterator[tuple[str, Any]]:
    """(utterance, int16 [samples] at 16 kHz) of a synthetic corpus, in the order of ``rows``."""
    made = planted.synthesise(corpus, rows, workers=workers)
    for row, (utterance, samples) in zip(rows, made, strict=True):
        if utterance != row["utterance"]:
            raise UserError(f"planted: synthesised {utterance} where {row['utterance']} was due; report this fault")
        yield utterance, samples


def provides(values: dict) -> set[str] | None:
    """Which labels a corpus can have, told from its entry in ``corpora:`` before it is read.

    None where that cannot be known yet (a table that is not there; ingest will say so).
    """
    if values["reader"] == "planted":
        return {"speaker", "gender", "session", "text", "emotion", "arousal", "valence", "dominance"}
    if values["reader"] == "ravdess":
        return {"speaker", "gender", "text", "emotion"}
    path = Path(values["table"])
    if not path.is_file():
        return None
    with open(path, encoding="utf-8-sig", newline="") as file:
        return set(next(csv.reader(file), []))
