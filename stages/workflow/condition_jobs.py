"""Inputs, settings and options of the jobs of ``robustness``."""

from .plan import DATA, Plan


def inputs(plan: Plan, study: str, trial: str, name: str) -> dict[str, str | list[str]]:
    """Inputs by the names of the script's options: files of the study, and of the trial."""
    row, entry, own = plan.row(study, name), plan.trial(trial), plan.params["studies"][study]
    corpus, transcripts = own["corpus"], plan.transcripts(study, name)
    found: dict[str, str | list[str]] = dict(plan.files(study, ()))
    if entry.kind == "corpus":
        corpus, transcripts = entry.corpus, entry.transcripts
        found["other-manifest"] = f"{DATA}/ingest/{corpus}/manifest.csv"
        found["other-protocol"] = f"{DATA}/ingest/{corpus}/protocols/{entry.protocol}.csv"
    elif entry.kind == "transcripts":
        transcripts = entry.transcripts
    found["audio"] = f"{DATA}/ingest/{corpus}/audio.h5"
    if row.needs_text or entry.kind == "transcripts":
        found["transcripts"] = f"{DATA}/transcribe/{corpus}/{transcripts}.csv"
    encoders = {kind: plan.encoder(study, wanted, kind) for kind, wanted in row.encoders().items()}
    found |= {f"{kind}-weights": path for kind, one in encoders.items() if (path := plan.weights(one))}
    found |= plan.inventory(*encoders.values())
    found["predictions"] = f"{DATA}/evaluate/{study}/{name}.csv"
    return found | {"models": plan.models(study, name)}


def reads(plan: Plan, study: str, trial: str, name: str) -> dict:
    """The settings that a job reads: the trial, extraction, scoring, the system's encoders."""
    encoders = (f"encoders.{one}" for one in plan.system_encoder_names(study, name))
    return plan.reads(f"robustness.{trial}", "features", "evaluate", *encoders)


def options(plan: Plan, study: str, trial: str, name: str) -> str:
    """The remaining options of the script."""
    entry = plan.trial(trial)
    if entry.kind != "corpus":
        return f"--ledger {plan.ledger(study)}"
    corpora = (plan.params["studies"][study]["corpus"], entry.corpus)
    readers = {plan.params["corpora"][corpus]["reader"] for corpus in corpora}
    published = plan.published(study, name)
    found = [f"--ledger {DATA}/scorings/{entry.corpus}/{entry.protocol}"]
    found += ["--one-scheme"] if len(readers) == 1 else []
    found += [f"--encoders {' '.join(published)}"] if published else []
    return " ".join(found)
