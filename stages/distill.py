"""Distil a multimodal teacher into an audio-only student, on condition of the teacher's residuals.

Reads manifest, protocol, the stored states that the trained blocks take, the teacher's views; params ``distill``,
``systems.SYSTEM``, ``studies.STUDY.seeds`` and ``studies.STUDY.changes.SYSTEM``. Writes the student's predictions (CSV)
and models (safetensors). Srinivasan 2022, section 3.2.
"""

from stages import jobs, settings, train
from stages.recipes import system
from stages.settings import Section, setting


class Distill(Section):
    """What all student jobs share."""

    threads: int = setting(1, "threads of every job (another number rounds differently)", ge=1)


def main(args) -> None:
    from stages.recipes.inputs import Inputs

    section = settings.load(Distill, "distill", args.params)
    jobs.use_threads(section.threads)
    row = system.load(args.params, args.study, args.system)
    seeds = settings.read(args.params, f"studies.{args.study}.seeds")
    inputs = Inputs(args, row.task, args.speech_encoder, args.text_encoder, device=train.device_of(row))
    train.train_and_write(args, row, inputs, seeds, section.threads)


if __name__ == "__main__":
    jobs.run(main, __doc__, train.arguments)
