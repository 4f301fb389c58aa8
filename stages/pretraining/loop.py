"""What both pretraining recipes share: a loop over steps that goes on bit by bit the same after a kill."""

from collections.abc import Callable

from ..runtime.reporting import log, progress
from ..stores.scratch import Unit


def rate_at(step: int, steps: int, warmup: float) -> float:
    """Factor of the learning rate: linear warm-up over a share of the steps, then linearly down to zero."""
    warm = max(1, round(warmup * steps))
    return min((step + 1) / warm, (steps - step) / max(1, steps - warm), 1.0)


def train(
    model, loss_at: Callable, *, steps: int, rate: float, warmup: float, seed: int, unit: Unit, every: int
) -> dict:
    """Train ``model`` for ``steps`` steps of AdamW, gradients clipped at norm 1, and leave it in eval mode.

    Every step draws from generators that are seeded anew with ``seed`` and the step's number, so an interrupted
    training needs no random state to go on from its checkpoint.

    Parameters
    ----------
    loss_at
        Loss of a step, a scalar; given the step and a generator on the CPU.
    unit
        Where the checkpoint of every ``every`` steps lies, and at the end the weights.

    Returns
    -------
    dict
        Mean loss of the first and of the last tenth, for the log.

    Raises
    ------
    FloatingPointError
        The loss is not finite.
    """
    import torch

    done = unit.load()
    if done:
        model.load_state_dict({k: torch.from_numpy(v) for k, v in done[0].items()})
        model.eval()
        return done[1]
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)
    losses: list[float] = []
    if saved := unit.resume():
        losses = _restore(saved, model, optimiser)
        log.info("goes on after step %d", len(losses))
    model.train()
    for step in progress(range(len(losses), steps), "pretraining"):
        torch.manual_seed(seed * 1_000_003 + step)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step + 500_000_000)
        loss = loss_at(step, generator)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"step {step}: the loss is {loss.item()}; lower the learning rate")
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = rate * rate_at(step, steps, warmup)
        optimiser.step()
        losses.append(loss.item())
        if (step + 1) % every == 0 and step + 1 < steps:
            _mark(unit, model, optimiser, losses)
    tenth = max(1, steps // 10)
    notes = {"first_loss": sum(losses[:tenth]) / tenth, "last_loss": sum(losses[-tenth:]) / tenth}
    unit.save(_arrays(model.state_dict(), ""), notes)
    log.info("loss %.3f at first, %.3f at last", notes["first_loss"], notes["last_loss"])
    model.eval()
    return notes


def _arrays(state: dict, prefix: str) -> dict:
    return {prefix + name: value.detach().cpu().numpy().copy() for name, value in state.items()}


def _mark(unit: Unit, model, optimiser, losses: list[float]) -> None:
    arrays = _arrays(model.state_dict(), "model/")
    for index, values in optimiser.state_dict()["state"].items():
        arrays |= _arrays(values, f"optimiser/{index}/")
    unit.mark(arrays, {"losses": losses})


def _restore(saved, model, optimiser) -> list[float]:
    import torch

    arrays, notes = saved
    model.load_state_dict(
        {k.removeprefix("model/"): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("model/")}
    )
    state: dict = {}
    for name, value in arrays.items():
        if name.startswith("optimiser/"):
            _, index, key = name.split("/")
            state.setdefault(int(index), {})[key] = torch.from_numpy(value)
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return notes["losses"]
