"""Distil a multimodal teacher into an audio-only student, on condition of the teacher's residuals.

Reads manifest, protocol, the stored states that the trained blocks take, the teacher's views; params ``distill``,
``systems.SYSTEM``, ``studies.STUDY.seeds`` and ``studies.STUDY.changes.SYSTEM``. Writes the student's predictions (CSV)
and models (safetensors). Srinivasan 2022, section 3.2.
"""

from .config import settings
from .config.settings import Section, setting
from .recipes import system_config
from .runtime import process


class Distill(Section):
    """What all student jobs share."""

    threads: int = setting("threads of every job (another number rounds differently)", ge=1)


def arguments(parser) -> None:
    from .recipes import training_job

    training_job.arguments(parser)


def main(args) -> None:
    from .recipes import training_job
    from .recipes.training_inputs import Inputs, paths_of

    section = settings.load(Distill, "distill", args.params)
    process.use_threads(section.threads)
    row = system_config.load(args.params, args.study, args.system)
    seeds = settings.read(args.params, f"studies.{args.study}.seeds")
    inputs = Inputs(
        paths_of(args),
        args.params,
        row.task,
        speech=args.speech_encoder,
        text=args.text_encoder,
        device=training_job.device_of(row),
    )
    training_job.train_and_write(training_job.job_of(args), row, inputs, seeds, section.threads)


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
