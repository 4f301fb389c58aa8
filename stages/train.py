"""Train the folds and seeds of one system and write what it predicts.

Reads manifest, protocol and what the recipe asks for (stages/recipes/); params ``train``, ``systems.SYSTEM``,
``studies.STUDY.seeds`` and ``studies.STUDY.changes.SYSTEM``. Writes the predictions of validation and test rows (CSV)
and the models of all units (safetensors).
"""

from .config import settings
from .config.settings import Section, setting
from .recipes import system_config
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
    from .recipes.training_inputs import Inputs, paths_of

    section = settings.load(Train, "train", args.params)
    process.use_threads(section.threads)
    row = system_config.load(args.params, args.study, args.system)
    seeds = training_job.seeds_of(row, settings.read(args.params, f"studies.{args.study}.seeds"))
    workers = 1 if row.heavy else max(1, args.cores // section.threads)
    inputs = Inputs(
        paths_of(args),
        args.params,
        row.task,
        speech=args.speech_encoder,
        text=args.text_encoder,
        beside=args.beside_encoder,
        memory_gb=section.memory_gb / workers,
        device=training_job.device_of(row),
    )
    training_job.train_and_write(training_job.job_of(args), row, inputs, seeds, section.threads, workers)


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
