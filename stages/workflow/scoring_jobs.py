"""Inputs, settings and options of the jobs that score systems and report on a study."""

from . import corpus_jobs
from .plan import DATA, Files, Plan, Reads


def evaluate_reads(plan: Plan, study: str, name: str) -> Reads:
    """The settings that ``evaluate`` reads: its section, and where the system's encoders come from."""
    return plan.reads("evaluate", *(f"encoders.{one}.source" for one in plan.published(study, name)))


def seen_options(plan: Plan, study: str, name: str) -> str:
    """The options that name a system's published encoders and the folder that counts scorings."""
    corpus, encoders = plan.params["studies"][study]["corpus"], " ".join(plan.published(study, name))
    return f"--corpus {corpus} --ledger {plan.ledger(study)}" + (f" --encoders {encoders}" if encoders else "")


def report_inputs(plan: Plan, study: str) -> Files:
    own = plan.params["studies"][study]
    found = plan.files(study, ()) | corpus_jobs.protocol_inputs(plan, own["corpus"], own["protocol"])
    if sources := texts(plan, study):
        found["transcripts"] = [f"{DATA}/transcribe/{own['corpus']}/{name}.csv" for name in sources]
    found["evaluations"] = [f"{DATA}/evaluate/{study}/{name}.json" for name in own["systems"]]
    found["predictions"] = [f"{DATA}/evaluate/{study}/{name}.csv" for name in own["systems"]]
    if tried := plan.trials(study):
        found["robustness"] = [f"{DATA}/robustness/{study}/{trial}/{name}.json" for trial, name in tried]
        found["tried"] = [f"{DATA}/robustness/{study}/{trial}/{name}.csv" for trial, name in tried]
    found["quarantine"] = f"{DATA}/ingest/{own['corpus']}/quarantine.csv"
    if plan.params["corpora"][own["corpus"]]["reader"] == "planted":
        found["ceilings"] = f"{DATA}/ingest/{own['corpus']}/ceilings.json"
    return found


def report_reads(plan: Plan, study: str) -> Reads:
    """The settings that a report reads: its section, the study, its corpus, its protocol and its systems."""
    own = plan.params["studies"][study]
    keys = [f"shipped.{study}", f"corpora.{own['corpus']}", f"protocols.{own['protocol']}"]
    keys += [f"robustness.{trial}" for trial in own.get("trials", {})]
    keys += [f"transcripts.{name}" for name in texts(plan, study)]
    for name in own["systems"]:
        named = set(plan.row(study, name).encoders().values()) - {"study"}
        keys += [f"systems.{name}", f"rows.{study}.{name}", *(f"encoders.{encoder}" for encoder in sorted(named))]
        for stage, entry in plan.chain(study, plan.row(study, name)):
            keys += [f"{stage}.{entry}", f"chains.{study}.{stage}.{entry}"]
    return plan.reads("report", "evaluate", "ours", f"studies.{study}", *dict.fromkeys(keys))


def texts(plan: Plan, study: str) -> list[str]:
    """The entries of ``transcripts:`` whose text the systems of a study read, in the systems' order."""
    read = [plan.transcripts(study, name) for name in plan.params["studies"][study]["systems"]]
    return list(dict.fromkeys(filter(None, read)))
