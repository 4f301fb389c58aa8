"""Train a multimodal teacher and keep what it says of every training and validation utterance.

Reads manifest, protocol, frozen speech features, text features; params ``teach``, ``systems.SYSTEM``,
``studies.STUDY.seeds`` and ``rows.STUDY.SYSTEM``. Writes the teacher's own predictions (CSV), its models,
and per unit its embeddings and predictions for the student (safetensors). Srinivasan 2022, sections 3.1 and 3.2.
"""

from pathlib import Path

from .config import settings
from .config.settings import Section, setting
from .runtime import process


class Teach(Section):
    """What all teacher jobs share."""

    threads: int = setting("threads of every job (another number rounds differently)", ge=1)
    memory_gb: float = setting("normalised frames kept in memory per job, GB; beyond that they are read anew", ge=0)


def arguments(parser) -> None:
    from .recipes import training_job

    training_job.arguments(parser)
    parser.add_argument("--views", type=Path, required=True, help="output: embeddings and predictions for the student")


def main(args) -> None:
    from .guards.seen import pack
    from .recipes import training_job
    from .training import units

    inputs, results = training_job.run(settings.load(Teach, "teach", args.params), **training_job.asked(args))
    views = {}
    for (fold, seed), (arrays, notes) in results.items():
        taught = pack(inputs.examples.names(inputs.examples.fold(fold).train), inputs.utterances)
        views[fold, seed] = arrays, notes | {"seen": notes["seen"] | {f"teach {args.system}": taught}}
    units.write(args.views, views, "teacher/")


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
