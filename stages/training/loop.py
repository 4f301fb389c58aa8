"""The training loop that every neural recipe shares: early stopping on validation, resumable, deterministic."""

import copy
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch

from ..encoders import checkpoint
from ..runtime.reporting import log
from ..stores.scratch import Unit

CHECKPOINT_SECONDS = 60
"""How often an unfinished unit is saved; the interval has no influence on any result."""


@dataclass
class History:
    """What a training went through: one entry per epoch, and why it ended."""

    loss: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    best_epoch: int = 0
    capped: bool = False
    """True when the limit on epochs ended the training before its patience did."""


def seeded(seed: int) -> torch.Generator:
    """Seed torch's global generator (initial weights, dropout) and return another one for shuffling."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # else every new tensor is written twice
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed + 1)


def shuffled(
    positions: np.ndarray, size: int, generator: torch.Generator, drop_last=False, wrap=False
) -> list[np.ndarray]:
    """``positions`` in random order, in batches of ``size``.

    An incomplete last one is left out with ``drop_last``, and filled up with the first ones with ``wrap``.

    A whole epoch is never dropped: fewer positions than ``size`` make one batch.
    """
    order = positions[torch.randperm(len(positions), generator=generator).numpy()]
    if wrap and len(order) > size:
        order = np.concatenate([order, order[: -len(order) % size]])
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    if drop_last and len(batches) > 1 and len(batches[-1]) < size:
        batches.pop()
    return batches


def bucketed(positions: np.ndarray, lengths: np.ndarray, size: int, generator: torch.Generator) -> list[np.ndarray]:
    """Random batches of similar length: shuffled, sorted by length within eight batches' worth, batches shuffled.

    The last, incomplete batch is dropped, for a correlation over few rows is noise (de Oliveira 2023 buckets by
    length; a batch's correlation of length and label is the price).
    """
    order = positions[torch.randperm(len(positions), generator=generator).numpy()]
    chunks = [order[i : i + 8 * size] for i in range(0, len(order), 8 * size)]
    order = np.concatenate([chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks])
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    if len(batches) > 1 and len(batches[-1]) < size:
        batches.pop()
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def fit(
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: Callable[[], Iterable],
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
) -> History:
    """Train ``model`` and leave it with the weights of its best validation score.

    Parameters
    ----------
    batches
        Called once per epoch, gives the epoch's batches; draws only from ``generator``.
    loss_of
        Loss of one batch, a scalar.
    validate
        Score on the validation rows, higher is better; None trains for all ``epochs`` and keeps the last weights.
    patience
        Epochs without a better score before the training ends; None never ends early.
    accumulate
        Batches whose gradients are summed (each divided by their number) before one step.
    clip, clip_value
        The largest norm of all gradients together, and the largest gradient of any one parameter.
    schedule
        Called with the number of each optimiser step, before it, to set learning rates.
    plateau
        Reduces the learning rate; it is given minus the validation score after every epoch.
    unit
        Where an unfinished training is saved, so that one that was killed goes on from there, bit by bit the same.

    Raises
    ------
    FloatingPointError
        A loss is not finite.
    """
    history, best, epoch, step = History(), copy.deepcopy(model.state_dict()), 0, 0
    saved = unit.resume() if unit else None
    if saved:
        epoch, step = _restore(saved, model, optimiser, plateau, generator, history, best)
        log.info("goes on after epoch %d", epoch)
    last_mark = time.monotonic()
    while epoch < epochs and (patience is None or epoch - history.best_epoch < patience or epoch == 0):
        model.train()
        total, count = 0.0, 0
        optimiser.zero_grad()
        group = list(batches())
        for number, batch in enumerate(group, 1):
            loss = loss_of(batch)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"epoch {epoch + 1}: the loss is {loss.item()}; lower the learning rate")
            (loss / min(accumulate, len(group))).backward()
            if number % accumulate == 0 or number == len(group):
                if schedule:
                    schedule(step)
                if clip:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
                if clip_value:
                    torch.nn.utils.clip_grad_value_(model.parameters(), clip_value)
                optimiser.step()
                optimiser.zero_grad()
                step += 1
            total, count = total + loss.item(), count + 1
        epoch += 1
        history.loss.append(total / max(count, 1))
        if validate:
            model.eval()
            with torch.no_grad():
                score = validate()
            history.score.append(score)
            if plateau:
                plateau.step(-score)
            if epoch == 1 or score > max(history.score[:-1]):
                history.best_epoch, best = epoch, copy.deepcopy(model.state_dict())
        if unit and time.monotonic() - last_mark > CHECKPOINT_SECONDS:
            _mark(unit, model, optimiser, plateau, generator, history, best, epoch, step)
            last_mark = time.monotonic()
    history.capped = bool(validate) and patience is not None and epoch - history.best_epoch < patience
    if validate:
        model.load_state_dict(best)
    model.eval()
    return history


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


def as_arrays(state: dict[str, torch.Tensor], prefix: str = "") -> dict[str, np.ndarray]:
    """A state dictionary as numpy arrays, every name preceded by ``prefix``."""
    return {prefix + name: on_cpu(value).copy() for name, value in state.items()}


def on_cpu(values: torch.Tensor) -> np.ndarray:
    """A tensor's values, wherever it was computed."""
    return values.detach().cpu().numpy()


def network(model: torch.nn.Module) -> dict[str, np.ndarray]:
    """The weights of a trained model under the names that a recipe keeps them by, ``model/network/...``."""
    return as_arrays(model.state_dict(), "model/network/")


def filled(model: torch.nn.Module, arrays: dict[str, np.ndarray]) -> torch.nn.Module:
    """``model`` with the weights that :func:`network` kept, in eval mode.

    ``arrays`` are a unit's as :func:`stages.training.units.read` gives them, without ``model/``.

    Raises
    ------
    UserError
        A weight is missing, unexpected or of another shape.
    """
    weights = {n.removeprefix("network/"): a for n, a in arrays.items() if n.startswith("network/")}
    checkpoint.fill(model, {n: torch.from_numpy(a) for n, a in weights.items()}, "trained model")
    return model.eval()


def _mark(unit, model, optimiser, plateau, generator, history, best, epoch, step) -> None:
    optimiser_state = optimiser.state_dict()
    arrays = as_arrays(model.state_dict(), "model/") | as_arrays(best, "best/")
    for index, values in optimiser_state["state"].items():
        arrays |= as_arrays({k: torch.as_tensor(v) for k, v in values.items()}, f"optimiser/{index}/")
    arrays["random/global"] = torch.get_rng_state().numpy()
    if torch.cuda.is_initialized():
        arrays["random/gpu"] = torch.cuda.get_rng_state().numpy()
    arrays["random/shuffle"] = generator.get_state().numpy()
    notes = {
        "history": history.__dict__,
        "groups": optimiser_state["param_groups"],
        "plateau": {k: v for k, v in plateau.state_dict().items() if _plain(v)} if plateau else None,
        "epoch": epoch,
        "step": step,
    }
    unit.mark(arrays, notes)


def _plain(value) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def _restore(saved, model, optimiser, plateau, generator, history, best) -> tuple[int, int]:
    arrays, notes = saved

    def part(prefix):
        return {k.removeprefix(prefix): torch.from_numpy(v) for k, v in arrays.items() if k.startswith(prefix)}

    model.load_state_dict(part("model/"))
    best.update(part("best/"))
    state: dict = {}
    for name, value in part("optimiser/").items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": state, "param_groups": notes["groups"]})
    if plateau:
        plateau.load_state_dict(notes["plateau"])
    torch.set_rng_state(torch.from_numpy(arrays["random/global"]))
    if "random/gpu" in arrays:
        torch.cuda.set_rng_state(torch.from_numpy(arrays["random/gpu"]))
    generator.set_state(torch.from_numpy(arrays["random/shuffle"]))
    for name, value in notes["history"].items():
        setattr(history, name, value)
    return notes["epoch"], notes["step"]
