"""What Srinivasan 2022's systems share: training (section 4.2), and frames of frozen features on the device."""

from collections.abc import Callable

from ..training.economy import Economy
from .system_config import System


def padded(frames, positions, device) -> tuple:
    """:meth:`stages.recipes.frames.Frames.padded` on ``device``; lengths stay on the CPU."""
    values, lengths = frames.padded(positions)
    return values.to(device), lengths


def fitted(row: System, examples, fold, model, optimiser, loss_of: Callable, outputs: Callable, generator, unit):
    """Train on shuffled batches; the learning rate falls by a quarter on a plateau of the validation rows' score.

    ``loss_of`` positions is minimised, ``outputs`` of positions are in the corpus' units. Returns the
    :class:`stages.training.loop.History`; the model holds the weights of the best epoch.
    """
    from ..training.batches import shuffled
    from ..training.loop import fit, on_plateau

    return fit(
        model,
        optimiser,
        lambda _: shuffled(fold.train, row.batch, generator, drop_last=True),
        loss_of,
        lambda: examples.score(fold.val, outputs(fold.val)),
        epochs=row.epochs,
        plateau=on_plateau(optimiser, 0.75, 2),
        generator=generator,
        economy=row if isinstance(row, Economy) else None,
        unit=unit,
    )
