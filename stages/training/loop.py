"""The training loop of all that is trained here, recipes and built-in encoders: deterministic and resumable."""

import copy
import time
from collections.abc import Callable, Iterable

import torch

from ..runtime.reporting import log, progress
from ..stores.scratch import Unit
from . import checkpoint
from .checkpoint import History, State

CHECKPOINT_SECONDS = 60
"""How often an unfinished unit is saved; the interval has no influence on any result."""


def seeded(seed: int) -> torch.Generator:
    """Seed torch's global generator (initial weights, dropout) and return another one for the batches."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # else every new tensor is written twice
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed + 1)


def fit(
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: Callable[[int], Iterable],
    loss_of: Callable[..., torch.Tensor],
    validate: Callable[[], float] | None,
    *,
    epochs: int,
    generator: torch.Generator,
    patience: int | None = None,
    accumulate: int = 1,
    clip: float | None = None,
    clip_value: float | None = None,
    schedule: Callable[[int], None] | None = None,
    plateau: torch.optim.lr_scheduler.ReduceLROnPlateau | None = None,
    unit: Unit | None = None,
    every: int | None = None,
    title: str = "",
) -> History:
    """Train ``model`` and leave it in eval mode, with the weights of its best validation score.

    Parameters
    ----------
    batches
        Gives the batches of an epoch (0, 1, ...), drawn from ``generator`` alone. Pretraining, which validates
        nothing, takes one batch for an epoch.
    loss_of
        Loss of one batch, a scalar.
    validate
        Score on the validation rows, higher is better; None trains for all ``epochs`` and keeps the last weights.
    patience
        Epochs without a better score before the training ends; None never ends early.
    accumulate
        Batches of one step; an epoch's last step may have fewer. Each counts by its share of the step's utterances, so
        that the gradient is that of one large batch where the loss is a mean over utterances (a correlation is not:
        there it is the mean of the batches').
    clip, clip_value
        The largest norm of all gradients together, and the largest gradient of any one parameter.
    schedule
        Called with the number of each optimiser step, before it, to set learning rates.
    plateau
        Reduces the learning rate (:func:`on_plateau`); it is given minus the validation score after every epoch.
    unit
        Where an unfinished training is saved, so that one that was killed goes on from there bit for bit.
    every
        Epochs between checkpoints; None: saved by the clock.
    title
        What a progress bar over the epochs says; '' shows none.

    Raises
    ------
    FloatingPointError
        A loss is not finite.
    """
    state = State(model, optimiser, generator, plateau)
    if unit and checkpoint.restore(unit, state):
        log.info("goes on after epoch %d", len(state.history.loss))
    history, last_save = state.history, time.monotonic()
    remaining = range(len(history.loss), epochs)
    optimiser.zero_grad()
    for epoch in progress(remaining, title) if title else remaining:
        if patience is not None and epoch and epoch - history.best_epoch >= patience:
            break

        model.train()
        drawn, total = list(batches(epoch)), 0.0
        for group in (drawn[i : i + accumulate] for i in range(0, len(drawn), accumulate)):
            for batch, share in zip(group, _shares(group), strict=True):
                loss = loss_of(batch)
                if not torch.isfinite(loss):
                    raise FloatingPointError(f"epoch {epoch + 1}: the loss is {loss.item()}; lower the learning rate")
                (loss * share).backward()
                total += loss.item()
            if schedule:
                schedule(state.steps)
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            if clip_value:
                torch.nn.utils.clip_grad_value_(model.parameters(), clip_value)
            optimiser.step()
            optimiser.zero_grad()
            state.steps += 1
        history.loss.append(total / max(len(drawn), 1))

        if validate:
            model.eval()
            with torch.no_grad():
                score = validate()
            if plateau:
                plateau.step(-score)
            if not history.score or score > max(history.score):
                history.best_epoch, state.best = epoch + 1, copy.deepcopy(model.state_dict())
            history.score.append(score)

        due = (epoch + 1) % every == 0 if every else time.monotonic() - last_save > CHECKPOINT_SECONDS
        if unit and due:
            checkpoint.save(unit, state)
            last_save = time.monotonic()

    if validate:
        history.capped = patience is not None and len(history.loss) - history.best_epoch < patience
        model.load_state_dict(state.best)
    model.eval()
    return history


def _shares(group: list) -> list[float]:
    """What each batch of a step counts, by its utterances."""
    if len(group) == 1:
        return [1.0]
    sizes = [len(batch) for batch in group]
    return [size / sum(sizes) for size in sizes]


def on_plateau(optimiser: torch.optim.Optimizer, factor: float, patience: int):
    """Multiplies the learning rate by ``factor`` after more than ``patience`` epochs without a better score.

    Better is any gain at all: torch's own threshold is relative, and a negative score meets it without one.
    """
    return torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=factor, patience=patience, threshold=0.0, threshold_mode="abs"
    )


def warm_up(optimiser: torch.optim.Optimizer, steps: int, share: float, decay: bool) -> Callable[[int], None]:
    """Linear warm-up over the first ``share`` of ``steps``, then constant or (``decay``) linear down to zero."""
    rates = [group["lr"] for group in optimiser.param_groups]
    warm = max(1, round(share * steps))

    def set_rates(step: int) -> None:
        factor = min(1.0, (step + 1) / warm)
        if decay and step >= warm:
            factor = max(0.0, (steps - step) / max(1, steps - warm))
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * factor

    return set_rates
