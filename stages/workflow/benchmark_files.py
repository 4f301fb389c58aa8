"""Snakemake's benchmark files of a study's jobs: what each job cost. The report reads them."""

from . import corpus_jobs, training_jobs
from .plan import DATA, Files, Plan

_ORDER = (
    "ingest",
    "manifest",
    "transcribe",
    "pretrain",
    "features",
    "adapt",
    "cluster",
    "retrain",
    "train",
    "teach",
    "distill",
    "evaluate",
    "robustness",
    "protocol",
)


def of_study(plan: Plan, study: str) -> list[str]:
    """The benchmark files of all jobs behind a report; outputs that DVC restored have none."""
    own = plan.params["studies"][study]
    files: dict[str, str] = {}
    for name in own["systems"]:
        for part in plan.parts(study, name):
            waiting = [training_jobs.system_inputs(plan, study, name, part)]
            while waiting:
                found = waiting.pop().values()
                for path in (path for one in found for path in ([one] if isinstance(one, str) else one)):
                    if path not in files:
                        files[path] = ""
                        waiting.append(_made_from(plan, study, path, part))
        files |= dict.fromkeys([*plan.predictions(study, name), f"{DATA}/evaluate/{study}/{name}.json"], "")
    files |= {f"{DATA}/robustness/{study}/{trial}/{name}.json": "" for trial, name in plan.trials(study)}
    found = [f"{DATA}/benchmarks/protocol/{own['corpus']}-{own['protocol']}.tsv"]
    for path in files:
        stage, *rest = path.removeprefix(f"{DATA}/").split("/")
        if path.startswith(f"{DATA}/") and stage != "inventory":
            if path.endswith("/manifest.csv"):
                found.append(f"{DATA}/benchmarks/manifest/{rest[0]}.tsv")
            name = rest[0] if stage == "ingest" else "-".join(rest).partition(".")[0]
            found.append(f"{DATA}/benchmarks/{stage}/{name}.tsv")
    return sorted(dict.fromkeys(found), key=lambda path: (_ORDER.index(path.split("/")[2]), path))


def _made_from(plan: Plan, study: str, path: str, part: str) -> Files:
    """The inputs of a feature store, or of an output of ``adapt``, ``cluster`` or ``retrain``."""
    stage, *rest = path.removeprefix(f"{DATA}/").split("/")
    if stage == "features":
        corpus, *between, name = (word.removesuffix(".h5") for word in rest)
        if path in plan.shards(corpus, *between[:1] or [name]):
            return corpus_jobs.features_inputs(plan, corpus, *between, part=name)
        return corpus_jobs.features_inputs(plan, corpus, name, *between)
    if stage in ("adapt", "cluster", "retrain"):
        return training_jobs.chain_inputs(plan, stage, study, rest[1], part)
    return {}
