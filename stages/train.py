"""Train the folds and seeds of one system and write what it predicts.

Reads manifest, protocol and what the recipe asks for (stages/recipes/); params ``train``, ``systems.SYSTEM``,
``studies.STUDY.seeds`` and ``studies.STUDY.changes.SYSTEM``. Writes the predictions of validation and test rows (CSV)
and the models of all units (safetensors).
"""

from pathlib import Path

import numpy as np

from stages import code, devices, jobs, settings, units
from stages.recipes import system
from stages.settings import Section, setting
from stages.stores import scratch


class Train(Section):
    """What all training jobs share; nothing here but the threads changes a result."""

    threads: int = setting(1, "threads of every training (another number rounds differently)", ge=1)
    workers: int = setting(
        4, "folds and seeds of a frozen system trained side by side, as cores allow; no influence on the result", ge=1
    )
    memory_gb: float = setting(
        4.0, "normalised frames kept in memory per job, GB; beyond that they are read anew", ge=0
    )


def arguments(parser) -> None:
    from stages.recipes import inputs

    parser.add_argument("--study", required=True)
    parser.add_argument("--system", required=True)
    parser.add_argument("--part", default="1of1", help="share of the folds, as 2of5 (default: 1of1, all)")
    parser.add_argument("--cores", type=int, default=1, help="that folds and seeds are shared out among (default: 1)")
    parser.add_argument("--speech-encoder", default="", help="its name in encoders")
    parser.add_argument("--text-encoder", default="", help="its name in encoders")
    parser.add_argument("--beside-encoder", default="", help="descriptors fused with speech, a name in encoders")
    parser.add_argument("--scratch", type=Path, default=scratch.ROOT, help="store of finished units")
    parser.add_argument("--predictions", type=Path, required=True, help="output: predictions CSV")
    parser.add_argument("--models", type=Path, required=True, help="output: models")
    inputs.add_arguments(parser)


def main(args) -> None:
    from stages.recipes.inputs import Inputs

    section = settings.load(Train, "train", args.params)
    jobs.use_threads(section.threads)
    row = system.load(args.params, args.study, args.system)
    seeds = seeds_of(row, settings.read(args.params, f"studies.{args.study}.seeds"))
    encoders = args.speech_encoder, args.text_encoder
    workers = 1 if row.heavy else max(1, args.cores // section.threads)
    inputs = Inputs(args, row.task, *encoders, section.memory_gb / workers, args.beside_encoder, device_of(row))
    train_and_write(args, row, inputs, seeds, section.threads, workers)


def device_of(row):
    """Where a system is trained: recipes that fine-tune an encoder take a GPU where there is one."""
    return devices.pick() if row.heavy else "cpu"


def seeds_of(row, seeds: list[int]) -> list[int]:
    """The study's seeds, or the first alone for a recipe without chance in it."""
    return seeds[:1] if row.deterministic else seeds


def train_and_write(args, row, inputs, seeds: list[int], threads: int, workers: int = 1) -> dict:
    """Train every unit of the job, write predictions and models, and return the units.

    ``teach`` and ``distill`` end in it too. ``workers`` units are trained side by side.
    """
    recipe, examples, inputs.scratch = system.module(row.recipe), inputs.examples, args.scratch
    digests = inputs.digests()
    shared = {"row": row.model_dump(), "inputs": digests, "threads": threads, "device": str(inputs.device)}
    shared["code"] = code.digest("stages.recipes.inputs", recipe.__name__)

    def depends(fold, seed):
        return shared | {"examples": examples.digest(fold)}

    def work(number, seed, unit):
        fold = examples.fold(number)
        inputs.saw = {}
        outputs, arrays, notes = recipe.train(row, inputs, fold, seed, unit)
        return arrays | {"outputs": np.asarray(outputs, np.float32)}, notes | {"saw": inputs.saw}

    folds = units.part_of(args.part, examples.folds)
    pairs = [(f, s) for f in folds for s in seeds]
    results = units.run(f"{row.stage}-{args.system}", pairs, depends, work, args.scratch, workers)
    write_predictions(args.predictions, examples, results)
    units.write(args.models, results, "model/", about(row, inputs))
    return results


def about(row, inputs) -> dict:
    """What makes the models usable by themselves: the row they were trained by, what they put out, their encoders."""
    examples, encoders = inputs.examples, {}
    for kind in ("speech", "text", "beside"):
        if inputs.encoders[kind]:
            weights = getattr(inputs, kind).attributes["weights"] if inputs.paths[kind] else ""
            encoders[kind] = {"name": inputs.encoders[kind], "weights": weights}
    labels = examples.classes if row.task == "emotion" else examples.dimensions
    return {"row": row.model_dump(), "labels": labels, "encoders": encoders}


def write_predictions(path: Path, examples, results: dict) -> None:
    """The prediction file of all units, in the contract's columns."""
    import pandas as pd

    tables = []
    for (fold, seed), (arrays, notes) in results.items():
        table = examples.predictions(examples.fold(fold), seed, arrays["outputs"], notes.get("hypotheses"))
        if notes.get("tested alone"):
            table = table[table["role"] == "test"]
        if notes.get("labels alone"):
            table = table.drop(columns=[name for name in table if name.startswith("logit_")])
        tables.append(table)
    with jobs.writing(path) as temporary:
        pd.concat(tables).to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    jobs.run(main, __doc__, arguments)
