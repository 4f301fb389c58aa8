"""What pretraining adds to the training loop: random numbers that depend on the step alone, and AdamW's settings."""

from collections.abc import Callable

import numpy as np

from ..runtime.reporting import log
from ..stores.scratch import Unit
from .section import Pretraining


def batch_at(seed: int, batches: list, step: int):
    """The one of ``batches`` that a step takes; every epoch goes through all of them in an order of its own."""
    import torch

    epoch, place = divmod(step, len(batches))
    shuffler = torch.Generator().manual_seed(seed * 7919 + epoch)
    return batches[torch.randperm(len(batches), generator=shuffler)[place]]


def train(model, loss_at: Callable, section: Pretraining, seed: int, unit: Unit) -> dict:
    """Train ``model`` with AdamW as ``section`` says, gradients clipped at norm 1, and leave it in eval mode.

    The learning rate rises linearly over the share ``warmup`` of the steps, then falls to zero.

    Parameters
    ----------
    loss_at
        Loss of a step, a scalar; given the step and a generator on the CPU, which is seeded anew with ``seed`` and
        the step's number, as torch's global one is.
    unit
        Where a checkpoint lies, and at the end the weights.

    Returns
    -------
    dict
        Mean loss of the first and of the last tenth of the steps, and its curve: the mean of each twentieth.

    Raises
    ------
    FloatingPointError
        The loss is not finite.
    """
    import torch

    from ..training.loop import fit, warm_up
    from ..training.weights import as_arrays, as_tensors

    done = unit.load()
    if done:
        arrays, notes = done
        model.load_state_dict(as_tensors(arrays))
        model.eval()
        return notes
    steps, rate = section.steps, section.learning_rate
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)
    generator = torch.Generator()

    def batches(step: int) -> list[int]:
        torch.manual_seed(seed * 1_000_003 + step)
        generator.manual_seed(seed * 1_000_003 + step + 500_000_000)
        return [step]

    history = fit(
        model,
        optimiser,
        batches,
        lambda step: loss_at(step, generator),
        None,
        epochs=steps,
        generator=generator,
        clip=1.0,
        schedule=warm_up(optimiser, steps, section.warmup, decay=True),
        unit=unit,
        title="pretraining",
    )
    tenth = max(1, steps // 10)
    notes = {"first_loss": sum(history.loss[:tenth]) / tenth, "last_loss": sum(history.loss[-tenth:]) / tenth}
    parts = np.array_split(history.loss, min(20, steps))
    notes["curve"] = [round(float(part.mean()), 4) for part in parts]
    unit.save(as_arrays(model.state_dict()), notes)
    log.info("loss %.3f at first, %.3f at last", notes["first_loss"], notes["last_loss"])
    return notes
