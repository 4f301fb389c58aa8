"""Distil a multimodal teacher into an audio-only student, on condition of the teacher's residuals.

Reads manifest, protocol, the stored states that the trained blocks take, the teacher's views; params ``distill``,
``systems.SYSTEM``, ``studies.STUDY.seeds`` and ``rows.STUDY.SYSTEM``. Writes the student's predictions (CSV)
and models (safetensors). Srinivasan 2022, section 3.2.
"""

from .config import settings
from .config.settings import Section, setting
from .runtime import process


class Distill(Section):
    """What all student jobs share."""

    threads: int = setting("threads of every job (another number rounds differently)", ge=1)


def arguments(parser) -> None:
    from .recipes import training_job

    training_job.arguments(parser)


def main(args) -> None:
    from .recipes import training_job

    training_job.run(settings.load(Distill, "distill", args.params), **training_job.asked(args))


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
