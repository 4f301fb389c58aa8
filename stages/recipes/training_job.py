"""A job that trains the folds and seeds of one system: its command line, its units, what it writes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import settings
from ..runtime import code_digest, disk, gpu, process, reporting
from ..stores import scratch
from ..training import units
from ..training.economy import Economy
from . import system_config, training_inputs


def arguments(parser) -> None:
    parser.add_argument("--study", required=True)
    parser.add_argument("--system", required=True)
    parser.add_argument("--part", default="1of1", help="share of the folds, as 2of5 (default: 1of1, all)")
    parser.add_argument("--cores", type=int, default=1, help="that share the folds and seeds (default: 1)")
    parser.add_argument("--speech-encoder", default="", help="its name in encoders")
    parser.add_argument("--text-encoder", default="", help="its name in encoders")
    parser.add_argument("--beside-encoder", default="", help="descriptors fused with speech, a name in encoders")
    parser.add_argument("--scratch", type=Path, default=scratch.ROOT, help="store of finished units")
    parser.add_argument("--predictions", type=Path, required=True, help="output: predictions CSV")
    parser.add_argument("--models", type=Path, required=True, help="output: models")
    training_inputs.add_arguments(parser)


def asked(args) -> dict:
    """What a command line with :func:`arguments` says, as :func:`run` takes it."""
    kinds = ("speech", "text", "beside")
    return {
        "job": Job(args.system, args.part, args.scratch, args.predictions, args.models),
        "params": args.params,
        "study": args.study,
        "paths": training_inputs.paths_of(vars(args)),
        "encoders": {kind: getattr(args, f"{kind}_encoder") for kind in kinds},
        "cores": args.cores,
    }


def run(
    section, job: "Job", params: str, study: str, paths: dict[str, Path | None], encoders: dict[str, str], cores: int
) -> dict:
    """Train the job's system in ``study``, write predictions and models, and return the finished units.

    Parameters
    ----------
    section
        The stage's own settings: its threads, and ``memory_gb`` where it limits the frames kept in memory.
    encoders
        {``speech``, ``text`` or ``beside``: the encoder's name, '' for none}.
    cores
        That share the folds and seeds.
    """
    process.use_threads(section.threads)
    row = system_config.load(params, study, job.system)
    if row.heavy:
        reporting.begins()
    seeds = seeds_of(row, settings.read(params, f"studies.{study}.seeds"))
    device = device_of(row)
    workers = 1 if row.heavy or str(device) != "cpu" else max(1, cores // section.threads)
    memory = {"memory_gb": section.memory_gb / workers} if hasattr(section, "memory_gb") else {}
    inputs = training_inputs.Inputs(paths, params, row.task, device=device, **encoders, **memory)
    return train_and_write(job, row, inputs, seeds, section.threads, workers)


def device_of(row):
    """Where a system is trained: on a GPU where there is one, if its recipe takes it."""
    return gpu.pick() if row.takes_gpu else "cpu"


def seeds_of(row, seeds: list[int]) -> list[int]:
    """The study's seeds, or the first alone for a recipe without chance in it."""
    return seeds[:1] if row.deterministic else seeds


@dataclass(frozen=True)
class Job:
    """A training job: its system, its share of the folds (``2of5``), the places of finished units and results."""

    system: str
    part: str
    scratch: Path
    predictions: Path
    models: Path


def train_and_write(job: Job, row, inputs, seeds: list[int], threads: int, workers: int = 1) -> dict:
    """Train every unit of the job, write predictions and models, and return the units.

    ``train``, ``teach`` and ``distill`` end in it. ``workers`` units are trained side by side.
    """
    recipe, examples, inputs.scratch = system_config.module(row.recipe), inputs.examples, job.scratch
    digests = inputs.digests()
    shared = {"row": row.model_dump(), "inputs": digests, "threads": threads, "device": str(inputs.device)}
    shared["code"] = code_digest.digest("recipes.training_inputs", f"recipes.{row.recipe}")

    again = hasattr(recipe, "restored") and not row.transcribes

    def depends(fold, seed):
        tested = [] if again else examples.names(examples.fold(fold).test)
        return shared | {"examples": examples.digest(fold), "tested": tested}

    def work(number, seed, unit):
        fold = examples.fold(number)
        inputs.forget()
        outputs, arrays, notes = recipe.train(row, inputs, fold, seed, unit)
        notes |= {"effective batch": row.effective_batch} if isinstance(row, Economy) else {}
        kept = {"outputs": np.asarray(outputs, np.float32), "scored": fold.scored}
        return arrays | kept, notes | inputs.seen_notes

    folds = units.part_of(job.part, examples.folds)
    pairs = [(f, s) for f in folds for s in seeds]
    results = units.run(f"{row.stage}-{job.system}", pairs, depends, work, job.scratch, workers)
    write_predictions(job.predictions, row, inputs, results)
    units.write(job.models, results, "model/", about(row, inputs))
    return results


def about(row, inputs) -> dict:
    """What a reader of the models needs: the row they were trained by, their labels and their encoders."""
    examples, encoders = inputs.examples, {}
    for kind in ("speech", "text", "beside"):
        if inputs.encoders[kind]:
            weights = getattr(inputs, kind).attributes["weights"] if inputs.paths[kind] else ""
            encoders[kind] = {"name": inputs.encoders[kind], "weights": weights}
    labels = examples.classes if row.task == "emotion" else examples.dimensions
    return {"row": row.model_dump(), "labels": labels, "encoders": encoders}


def outputs_of(row, inputs, fold, arrays) -> np.ndarray:
    """A unit's outputs for ``fold.scored`` [rows, outputs + columns].

    Rows that are tested only since it was trained, those of a test part added later, are predicted by its model.
    """
    known = dict(zip(arrays["scored"].tolist(), np.array(arrays["outputs"]), strict=True))
    if new := [position for position in fold.scored.tolist() if position not in known]:
        model = {n.removeprefix("model/"): np.array(arrays[n]) for n in arrays if n.startswith("model/")}
        found = system_config.module(row.recipe).restored(row, inputs, model)(np.array(new))
        known |= dict(zip(new, np.asarray(found, np.float32), strict=True))
    return np.stack([known[position] for position in fold.scored.tolist()])


def write_predictions(path: Path, row, inputs, results: dict) -> None:
    """The prediction file of all units, in the contract's columns."""
    import pandas as pd

    examples, tables = inputs.examples, []
    for (number, seed), (arrays, notes) in results.items():
        fold = examples.fold(number)
        outputs = outputs_of(row, inputs, fold, arrays)
        table = examples.predictions(fold, seed, outputs[:, : examples.outputs], notes.get("hypotheses"))
        for place, name in enumerate(row.columns, examples.outputs):
            table[name] = outputs[:, place]
        if notes.get("tested alone"):
            table = table[table["role"] == "test"]
        if notes.get("labels alone"):
            table = table.drop(columns=[name for name in table if name.startswith("logit_")])
        tables.append(table)
    with disk.writing(path) as temporary:
        pd.concat(tables).to_csv(temporary, index=False, float_format="%.6g")
