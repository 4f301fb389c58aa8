"""What ``adapt``, ``cluster`` and ``retrain`` share: units of fold and seed, set by an entry of the section."""

from pathlib import Path

from ..config import settings
from ..runtime import code_digest, process
from ..stores.scratch import ROOT
from ..training import units
from ..training.economy import Economy


def arguments(parser) -> None:
    from . import training_inputs

    parser.add_argument("--study", required=True)
    parser.add_argument("--name", required=True, help="entry of the stage's section in params.yaml")
    parser.add_argument("--part", default="1of1", help="share of the folds, as 2of5 (default: 1of1, all)")
    parser.add_argument("--speech-encoder", default="", help="its name in encoders")
    parser.add_argument("--scratch", type=Path, default=ROOT, help="store of finished units")
    parser.add_argument("--out", type=Path, required=True, help="output: the arrays of all units")
    training_inputs.add_arguments(parser)


def asked(args) -> dict:
    """What a command line with :func:`arguments` says, as :func:`run` takes it."""
    from . import training_inputs

    names = ("params", "study", "name", "part", "speech_encoder", "scratch", "out")
    return {name: getattr(args, name) for name in names} | {"paths": training_inputs.paths_of(vars(args))}


def run(
    stage: str,
    model: type[settings.Section],
    make,
    *,
    params: str,
    study: str,
    name: str,
    part: str,
    paths: dict[str, Path | None],
    speech_encoder: str,
    scratch: Path,
    out: Path,
) -> None:
    """Make every unit of a part of the folds and write their arrays to ``out``.

    ``make(section, inputs, fold, seed, unit)`` gives a unit's arrays and notes. Of the notes ``seen`` names the
    utterances that it was fitted on, ``leaks`` those of a fit that is declared to have seen tested ones. ``section`` is
    the entry ``name`` of the stage's section in ``params``, with the study's changes; finished units lie in
    ``scratch``.
    """
    import torch

    from ..runtime import gpu
    from .training_inputs import Inputs

    section = settings.load(model, f"chains.{study}.{stage}.{name}", params)
    process.use_threads(section.threads)
    torch.set_num_threads(section.threads)
    seeds = settings.read(params, f"studies.{study}.seeds")
    inputs = Inputs(paths, params, "emotion", speech=speech_encoder, device=gpu.pick())
    examples, inputs.scratch = inputs.examples, scratch
    shared = {"section": section.model_dump(), "inputs": inputs.digests(), "device": str(inputs.device)}
    shared["code"] = code_digest.digest("recipes.training_inputs", stage)

    def work(number, seed, unit):
        inputs.forget()
        arrays, notes = make(section, inputs, examples.fold(number), seed, unit)
        for key, note in (("seen", inputs.note_seen), ("leaks", inputs.note_leak)):
            if key in notes:
                note(f"{stage} {name}", notes.pop(key))
        notes |= {"effective batch": section.effective_batch} if isinstance(section, Economy) else {}
        return arrays, notes | inputs.seen_notes

    pairs = [(fold, seed) for fold in units.part_of(part, examples.folds) for seed in seeds]
    results = units.run(stage, pairs, lambda f, s: shared | {"examples": examples.digest(f)}, work, scratch)
    units.write(out, results, "")
