"""What the jobs read that take in a corpus; their rules ask here, with the plan of the whole."""

from ..raw_inputs import names
from .plan import DATA, Files, Plan, Reads


def ingest_reads(plan: Plan, corpus: str) -> Reads:
    """What decoding a corpus depends on of params.yaml; a planted one follows from its entry."""
    planted = plan.params["corpora"][corpus]["reader"] == "planted"
    return plan.reads("ingest", *([f"corpora.{corpus}"] if planted else []))


def transcribe_inputs(plan: Plan, corpus: str, transcripts: str) -> Files:
    """Inputs of the job that transcribes a corpus."""
    folder = f"{DATA}/ingest/{corpus}"
    found: Files = {"texts": names.corpus(corpus)["texts"], "heard": f"{folder}/audio.csv"}
    if names.hears(plan.params["transcripts"][transcripts]):
        found["inventory"] = names.weights(names.TRANSCRIPTS, transcripts)
    return found | {"audio": f"{folder}/audio.h5"}
