"""Inputs, settings and options of the jobs that train systems, and of ``adapt``, ``cluster`` and ``retrain``."""

from ..recipes import chain
from ..runtime import code_digest
from .plan import DATA, Files, Plan, Reads


def system_inputs(plan: Plan, study: str, name: str, part: str) -> Files:
    """Inputs of the job that trains a system."""
    row = plan.row(study, name)
    names = row.files()
    if "speech-weights" in names and "audio" not in names and plan.heard(plan.encoder(study, row.speech, "speech")):
        names = (*names, "audio")
    found = plan.files(study, names, row.speech, row.text, getattr(row, "beside", ""), plan.transcripts(study, name))
    if row.recipe == "external":
        found["elsewhere"] = row.file
    if row.starts_from:
        found["start"] = chain_output(study, chain.output(row.starts_from), part)
    for name, system in row.after.items():
        models = plan.models(study, system)
        found[name] = next((path for path in models if path.endswith(f"/{part}.safetensors")), models[0])
    if "teacher" in row.after:
        found["teacher"] = found["teacher"].removesuffix(".safetensors") + ".views.safetensors"
    return found


def system_reads(plan: Plan, stage: str, study: str, name: str) -> Reads:
    """The settings that a training job reads: its stage's section, its row in the study, the seeds, its encoders."""
    row = plan.row(study, name)
    keys = [stage, f"rows.{study}.{name}", f"studies.{study}.seeds"]
    if {"speech-weights", "text-weights"} & set(row.files()):
        keys.append(f"encoders.{plan.encoder(study, row.speech, 'speech')}")
    if "text-weights" in row.files():
        keys.append(f"encoders.{plan.encoder(study, row.text, 'text')}")
    return plan.reads(*keys)


def training_cores(plan: Plan, study: str, name: str) -> int:
    """The cores that a training job can use: several workers for a frozen system with several seeds."""
    section, row = plan.params["train"], plan.row(study, name)
    several = not row.heavy and not row.deterministic and len(plan.params["studies"][study]["seeds"]) > 1
    return section["threads"] * (section["workers"] if several else 1)


def system_encoders(plan: Plan, study: str, name: str) -> str:
    row = plan.row(study, name)
    return encoder_options(plan, study, **row.encoders())


def encoder_options(plan: Plan, study: str, speech: str = "", text: str = "", beside: str = "") -> str:
    """The command-line options that name a job's encoders; '' for one that it does not use."""
    wanted = {"speech": speech, "text": text, "beside": beside}
    return " ".join(f"--{k}-encoder {plan.encoder(study, name, k)}" for k, name in wanted.items() if name)


def recipe_code(plan: Plan, stage: str, study: str, name: str) -> str:
    return code_digest.digest(stage, f"recipes.{plan.row(study, name).recipe}")


def chain_inputs(plan: Plan, stage: str, study: str, name: str, part: str) -> Files:
    """Inputs of ``adapt``, ``cluster`` and ``retrain``: with the outputs that the entry names."""
    entry = plan.entry(study, stage, name)
    names, transcripts = ("speech", "audio", "speech-weights"), plan.params["studies"][study]["transcripts"]
    if chain.learns_words(entry):
        names = (*names, "transcripts")
    found = plan.files(study, names, entry["speech"], transcripts=transcripts)
    return found | {key: chain_output(study, one, part) for key, one in chain.read_by(entry).items()}


def chain_output(study: str, output: chain.Output, part: str) -> str:
    """The file that a stage makes of an entry."""
    stage, name = output
    return f"{DATA}/{stage}/{study}/{name}/{part}.safetensors"


def chain_encoder(plan: Plan, stage: str, study: str, name: str) -> str:
    return encoder_options(plan, study, plan.entry(study, stage, name)["speech"])


def chain_reads(plan: Plan, stage: str, study: str, name: str) -> Reads:
    """The settings that a job of ``adapt``, ``cluster`` or ``retrain`` reads."""
    speech = plan.encoder(study, plan.entry(study, stage, name)["speech"], "speech")
    return plan.reads(f"chains.{study}.{stage}.{name}", f"studies.{study}.seeds", f"encoders.{speech}")
