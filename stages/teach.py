"""Train a multimodal teacher and keep what it says of every training and validation utterance.

Reads manifest, protocol, frozen speech features, text features; params ``teach``, ``systems.SYSTEM``,
``studies.STUDY.seeds`` and ``studies.STUDY.changes.SYSTEM``. Writes the teacher's own predictions (CSV), its models,
and per unit its embeddings and predictions for the student (safetensors). Srinivasan 2022, sections 3.1 and 3.2.
"""

from pathlib import Path

from stages import jobs, settings, train
from stages.recipes import system
from stages.settings import Section, setting


class Teach(Section):
    """What all teacher jobs share."""

    threads: int = setting(1, "threads of every job (another number rounds differently)", ge=1)
    memory_gb: float = setting(
        4.0, "normalised frames kept in memory per job, GB; beyond that they are read anew", ge=0
    )


def arguments(parser) -> None:
    train.arguments(parser)
    parser.add_argument("--views", type=Path, required=True, help="output: embeddings and predictions for the student")


def main(args) -> None:
    from stages import units
    from stages.recipes.inputs import Inputs

    section = settings.load(Teach, "teach", args.params)
    jobs.use_threads(section.threads)
    row = system.load(args.params, args.study, args.system)
    seeds = settings.read(args.params, f"studies.{args.study}.seeds")
    inputs = Inputs(args, row.task, args.speech_encoder, args.text_encoder, section.memory_gb)
    results = train.train_and_write(args, row, inputs, seeds, section.threads)
    units.write(args.views, results, "teacher/")


if __name__ == "__main__":
    jobs.run(main, __doc__, arguments)
