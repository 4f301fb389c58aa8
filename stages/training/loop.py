"""The training loop of all that is trained here, recipes and built-in encoders: deterministic and resumable."""

import copy
import time
from collections.abc import Callable, Iterable

import torch

from ..runtime.reporting import log, progress, told
from ..stores.scratch import Unit
from . import checkpoint
from .checkpoint import History, State
from .economy import Economy, autocast, spared

CHECKPOINT_SECONDS = 60
"""How often an unfinished unit is saved, between two steps; the interval has no influence on any result."""
LONG_SECONDS = 3
"""A checkpoint that takes longer to write is written less often, so that no more than 5 % of the time goes there."""


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
    economy: Economy | None = None,
    clip: float | None = None,
    clip_value: float | None = None,
    schedule: Callable[[int], None] | None = None,
    plateau: torch.optim.lr_scheduler.ReduceLROnPlateau | None = None,
    unit: Unit | None = None,
    title: str = "",
) -> History:
    """Train ``model`` and leave it in eval mode, with the weights of its best validation score.

    Parameters
    ----------
    batches
        Gives the batches of an epoch (0, 1, ...), drawn from ``generator`` alone, the same each time that it stands the
        same. Pretraining, which validates nothing, takes one batch for an epoch.
    loss_of
        Loss of one batch, a scalar.
    validate
        Score on the validation rows, higher is better; None trains for all ``epochs`` and keeps the last weights.
    patience
        Epochs without a better score before the training ends; None never ends early.
    economy
        Precision, activations that are kept, and batches of one step (None: float32, all, one). An epoch's last step
        may have fewer. Each batch counts by its share of the step's utterances, so that the gradient is that of one
        large batch where the loss is a mean over utterances (a correlation is not: there it is the batches' mean).
    clip, clip_value
        The largest norm of all gradients together, and the largest gradient of any one parameter.
    schedule
        Called with the number of each optimiser step, before it, to set learning rates.
    plateau
        Reduces the learning rate (:func:`on_plateau`); it is given minus the validation score after every epoch.
    unit
        Where an unfinished training is saved, so that one that was killed goes on from there bit for bit, in the middle
        of an epoch too.
    title
        What a progress bar over the epochs says; '' shows none.

    Raises
    ------
    FloatingPointError
        A loss is not finite.
    """
    state = State(model, optimiser, generator, plateau)
    accumulate = economy.accumulate if economy else 1
    if unit and checkpoint.restore(unit, state):
        log.info("goes on after epoch %d, batch %d", len(state.history.loss), state.done)
    history, saver = state.history, _Saver(unit, state)

    def step(group: list) -> None:
        for batch, share in zip(group, _shares(group), strict=True):
            with autocast(model, economy):
                loss = loss_of(batch)
            if not torch.isfinite(loss):
                epoch = len(history.loss) + 1
                raise FloatingPointError(f"epoch {epoch}: the loss is {loss.item()}; lower the learning rate")
            (loss * share).backward()
            state.total += loss.item()
        if schedule:
            schedule(state.steps)
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        if clip_value:
            torch.nn.utils.clip_grad_value_(model.parameters(), clip_value)
        optimiser.step()
        optimiser.zero_grad()
        state.steps += 1
        state.done += len(group)

    remaining = range(len(history.loss), epochs)
    optimiser.zero_grad()
    for epoch in progress(remaining, title) if title else told(remaining, "epochs"):
        if patience is not None and epoch and epoch - history.best_epoch >= patience:
            break

        model.train()
        drawn = _drawn(state, batches, epoch)
        with spared(model, economy):
            for first in range(state.done, len(drawn), accumulate):
                step(drawn[first : first + accumulate])
                saver.save_if_due()
        history.loss.append(state.total / max(len(drawn), 1))

        if validate:
            model.eval()
            with torch.no_grad():
                score = validate()
            if plateau:
                plateau.step(-score)
            if not history.score or score > max(history.score):
                history.best_epoch, state.best = epoch + 1, copy.deepcopy(model.state_dict())
            history.score.append(score)
        state.done, state.total = 0, 0.0
        saver.save_if_due()

    if validate:
        history.capped = patience is not None and len(history.loss) - history.best_epoch < patience
        model.load_state_dict(state.best)
    model.eval()
    return history


class _Saver:
    """Writes the checkpoint of a training when one is due, by the clock; never where it has no ``unit``."""

    def __init__(self, unit: Unit | None, state: State):
        self.unit, self.state, self.last, self.pause = unit, state, time.monotonic(), CHECKPOINT_SECONDS

    def save_if_due(self) -> None:
        if time.monotonic() - self.last > self.pause:
            self.save()

    def save(self) -> None:
        if not self.unit:
            return
        begun = time.monotonic()
        checkpoint.save(self.unit, self.state)
        self.last = time.monotonic()
        self.pause = CHECKPOINT_SECONDS * max(1.0, (self.last - begun) / LONG_SECONDS)


def _drawn(state: State, batches: Callable[[int], Iterable], epoch: int) -> list:
    """The batches of an epoch; those of one that a checkpoint broke off are drawn once more, from where it began."""
    if not state.done:
        state.begun = state.generator.get_state()
        return list(batches(epoch))
    now = state.generator.get_state()
    state.generator.set_state(state.begun)
    drawn = list(batches(epoch))
    state.generator.set_state(now)
    return drawn


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
