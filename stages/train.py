"""Train the folds and seeds of one system and write what it predicts.

Reads manifest, protocol and what the recipe asks for (stages/recipes/); params ``train``, ``systems.SYSTEM``,
``studies.STUDY.seeds`` and ``rows.STUDY.SYSTEM``. Writes the predictions of validation and test rows (CSV)
and the models of all units (safetensors).
"""

from .config import settings
from .config.settings import Section, setting
from .runtime import process


class Train(Section):
    """What all training jobs share; nothing here but the threads changes a result."""

    threads: int = setting("threads of every training (another number rounds differently)", ge=1)
    workers: int = setting(
        "folds and seeds of a frozen system trained side by side, as cores allow; no influence on the result", ge=1
    )
    memory_gb: float = setting("normalised frames kept in memory per job, GB; beyond that they are read anew", ge=0)


def arguments(parser) -> None:
    from .recipes import training_job

    training_job.arguments(parser)


def main(args) -> None:
    from .recipes import training_job

    training_job.run(settings.load(Train, "train", args.params), **training_job.asked(args))


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
