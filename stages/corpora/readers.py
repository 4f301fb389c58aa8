"""All readers under one type, and the functions that stages call on any of them. README.md shows how to add one."""

from types import ModuleType
from typing import Annotated

from pydantic import Field, TypeAdapter

from ..config import settings
from ..runtime.errors import UserError
from ..runtime.reporting import log
from . import audformat_database, consistency, crema_d, emodb, fetch, iemocap, msp_podcast, planted, ravdess, table
from .audformat_database import AudformatDatabase
from .crema_d import CremaD
from .emodb import Emodb
from .iemocap import Iemocap
from .manifest import cell
from .msp_podcast import MspPodcast
from .planted import Planted
from .ravdess import Ravdess
from .release import Departure, Found, Places
from .table import Table

Corpus = Annotated[
    Planted | Iemocap | MspPodcast | Ravdess | CremaD | Emodb | AudformatDatabase | Table,
    Field(discriminator="reader"),
]
"""An entry of ``corpora:``, selected by its key ``reader``."""

_READERS: dict[str, ModuleType] = {
    "iemocap": iemocap,
    "msp-podcast": msp_podcast,
    "ravdess": ravdess,
    "crema-d": crema_d,
    "emodb": emodb,
    "audformat": audformat_database,
    "table": table,
}
_ADAPTER = TypeAdapter(Corpus)


def load(name: str, params: str) -> Corpus:
    """The validated entry ``corpora.{name}`` of the parameter file."""
    return checked(settings.read(params, f"corpora.{name}"), name, params)


def checked(values: dict, name: str, params: str = "params.yaml") -> Corpus:
    """``values`` as the entry ``corpora.{name}``."""
    return settings.adapt(_ADAPTER, values, f"corpora.{name}", params)


def fetched(corpus: Corpus, name: str) -> None:
    """Download an open corpus whose folder is missing; see :mod:`stages.corpora.fetch`."""
    if archives := getattr(corpus, "archives", None):
        fetch.fetch(archives, corpus.path, _READERS[corpus.reader].LICENCE, f"corpora.{name}")


def read(corpus: Corpus, name: str) -> Found:
    """Rows of labels, sorted by utterance, the audio file of each (none for a synthetic corpus), and departures.

    Raises
    ------
    UserError
        The corpus is missing or does not have the layout that its reader expects, names are the same but for their
        spelling, or in a user's own corpus a speaker has two sexes.
    """
    if isinstance(corpus, Planted):
        return Found(sorted(planted.utterances(corpus), key=lambda row: row["utterance"]), [])
    found = _READERS[corpus.reader].utterances(corpus, f"corpora.{name}")
    return _consistent(found, corpus, f"corpora.{name}")


def _consistent(found: Found, corpus: Corpus, key: str) -> Found:
    """``found``, after the checks of :mod:`stages.corpora.consistency`; a release's own faults are listed."""
    of_user = isinstance(corpus, Table | AudformatDatabase)

    def place(row: dict) -> str:
        return found.places.get(row["utterance"], row["utterance"])

    distinct = corpus.distinct if of_user else ()
    for column in consistency.NAMES:
        if column not in distinct:
            remedy = f", or say {key}.distinct: [{column}] if they are different" if of_user else ""
            pairs = ((cell(row.get(column)), place(row)) for row in found.rows)
            consistency.refuse_doubles(pairs, f"{key}: {column}", remedy)
    if both := consistency.two_sexes(found.rows, place):
        if of_user:
            raise UserError(f"{key}: gender: {both}; correct one, or give the people different names")
        log.warning("%s: gender: %s; listed in quarantine.csv", key, both)
        return found._replace(departures=sorted([*found.departures, Departure("", "", both)]))
    return found


def places(corpus: Corpus) -> Places:
    """The files and folders that the corpus' reader uses; none for a synthetic corpus."""
    return Places() if isinstance(corpus, Planted) else _READERS[corpus.reader].places(corpus)


def module(reader: str) -> str:
    """The name of a reader's module in the package."""
    python_module = planted if reader == "planted" else _READERS[reader]
    return f"corpora.{python_module.__name__.rpartition('.corpora.')[2]}"


def licence(reader: str) -> str:
    """The licence of a reader's corpus; empty if unknown (a user's own)."""
    return planted.LICENCE if reader == "planted" else getattr(_READERS[reader], "LICENCE", "")


def provides(values: dict) -> set[str] | None:
    """The labels that a corpus can have, from its entry in ``corpora:`` alone; None if not known yet."""
    if values["reader"] == "planted":
        return {"speaker", "gender", "session", "text", "emotion", "arousal", "valence", "dominance"}
    return _READERS[values["reader"]].provides(values)
