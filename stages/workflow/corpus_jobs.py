"""Inputs and settings of the jobs that prepare a corpus: ingest, transcribe, protocol, features."""

from ..corpora.manifest import known
from ..corpora.release import root_key
from ..encoders.specs import NEEDED
from ..protocols.config import columns
from ..raw_inputs import names
from ..runtime.errors import UserError
from .plan import DATA, Files, Plan, Reads


def ingest_reads(plan: Plan, corpus: str) -> Reads:
    """The settings that ``ingest`` reads: where the recordings are; for a planted corpus its whole entry."""
    reader = plan.params["corpora"][corpus]["reader"]
    if reader == "planted":
        return plan.reads("ingest", f"corpora.{corpus}")
    return plan.reads("ingest", f"corpora.{corpus}.reader", f"corpora.{corpus}.{root_key(reader)}")


def transcribe_inputs(plan: Plan, corpus: str, transcripts: str) -> Files:
    """Inputs of the job that transcribes a corpus."""
    folder = f"{DATA}/ingest/{corpus}"
    found: Files = {"texts": names.corpus(corpus)["texts"], "decoded": f"{folder}/audio.csv"}
    if names.hears(plan.params["transcripts"][transcripts]):
        found["inventory"] = names.weights(names.TRANSCRIPTS, transcripts)
    return found | {"audio": f"{folder}/audio.h5"}


def protocol_inputs(plan: Plan, corpus: str, protocol: str) -> Files:
    """The manifest, and ``extra.csv`` if the protocol names a column that the manifest does not have."""
    found: Files = {"manifest": f"{DATA}/ingest/{corpus}/manifest.csv"}
    named = columns(plan.params["protocols"][protocol])
    if plan.params["corpora"][corpus]["reader"] == "table" and not all(map(known, named)):
        found["extra"] = names.corpus(corpus)["extra"]
    return found


def features_inputs(plan: Plan, corpus: str, encoder: str, transcripts: str = "", part: str = "") -> Files:
    """Inputs of the job that extracts a store or one ``part`` of it, or that joins those."""
    if not transcripts and not part and (shards := plan.shards(corpus, encoder)):
        return {"audio": f"{DATA}/ingest/{corpus}/audio.h5", "shards": shards}
    source = (
        {"transcripts": f"{DATA}/transcribe/{corpus}/{transcripts}.csv"}
        if transcripts
        else {"audio": f"{DATA}/ingest/{corpus}/audio.h5"}
    )
    weights = plan.weights(encoder)
    return source | ({"pretrained": weights} if weights else {}) | plan.inventory(encoder)


def features_reads(plan: Plan, corpus: str, encoder: str) -> Reads:
    """The settings that extraction reads: its section, the encoder and, where its entry says so, the needed layers.

    Raises
    ------
    UserError
        The entry stores what is needed, and no active study needs anything.
    """
    if NEEDED not in plan.params["encoders"][encoder]["layers"]:
        return plan.reads("features", f"encoders.{encoder}")
    if encoder not in plan.params["stored"].get(corpus, {}):
        raise UserError(
            f"{plan.path}: encoders.{encoder}.layers: needed, and no active study reads this encoder over '{corpus}';"
            " add a study to active, or name layers"
        )
    return plan.reads("features", f"encoders.{encoder}", f"stored.{corpus}.{encoder}")


def features_cores(plan: Plan, encoder: str, joined: bool = False) -> int:
    """The cores of a job that extracts features: a network's threads, or so many processes that compute descriptors."""
    if plan.networked(encoder):
        return plan.params["features"]["threads"]
    return 1 if joined else plan.params["ingest"]["workers"]


def features_priority(plan: Plan, encoder: str) -> int:
    """The priority of extraction: before what waits for it; descriptors, which need several cores, before all but the
    tables of a corpus.

    Snakemake chooses the ready jobs whose priorities have the largest sum. A job that needs several cores never begins
    while long jobs of one core take turns, so it has more than these together.
    """
    return 15 if plan.networked(encoder) else 40
