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
    from .recipes import training_job
    from .training import units

    results = training_job.run(settings.load(Teach, "teach", args.params), **training_job.asked(args))
    units.write(args.views, results, "teacher/")


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
