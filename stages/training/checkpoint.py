"""The checkpoint of an unfinished training: all that the loop needs to go on from it bit for bit.

Arrays ``model/...``, ``best/...`` (weights), ``optimiser/PARAMETER/...`` and ``random/...`` (states of generators);
notes ``history``, ``steps``, ``done``, ``total``, ``groups`` (the optimiser's settings) and ``plateau``.
"""

import json
from dataclasses import dataclass, field

import torch

from ..stores.scratch import Unit
from .weights import as_arrays, as_tensors


@dataclass
class History:
    """What a training went through: one entry per epoch, and why it ended."""

    loss: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    best_epoch: int = 0
    capped: bool = False
    """True when the limit on epochs ended the training before its patience did."""


@dataclass
class State:
    """A training between two steps.

    Attributes
    ----------
    generator
        What the batches are drawn from; torch's global generators are part of the state too.
    best
        The weights of the epoch with the best validation score; empty without validation.
    steps
        Steps of the optimiser so far.
    done, total
        Batches of the unfinished epoch that were trained on, and the sum of their losses.
    begun
        State of ``generator`` where that epoch began: from there its batches are drawn again.
    """

    model: torch.nn.Module
    optimiser: torch.optim.Optimizer
    generator: torch.Generator
    plateau: torch.optim.lr_scheduler.ReduceLROnPlateau | None = None
    history: History = field(default_factory=History)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    steps: int = 0
    done: int = 0
    total: float = 0.0
    begun: torch.Tensor | None = None


def save(unit: Unit, state: State) -> None:
    """Replace the checkpoint of ``unit``."""
    optimiser = state.optimiser.state_dict()
    arrays = as_arrays(state.model.state_dict(), "model/") | as_arrays(state.best, "best/")
    for parameter, values in optimiser["state"].items():
        arrays |= as_arrays({k: torch.as_tensor(v) for k, v in values.items()}, f"optimiser/{parameter}/")
    arrays["random/global"] = torch.get_rng_state().numpy()
    if torch.cuda.is_initialized():
        arrays["random/gpu"] = torch.cuda.get_rng_state().numpy()
    arrays["random/batches"] = state.generator.get_state().numpy()
    if state.done:
        arrays["random/begun"] = state.begun.numpy()
    plateau = state.plateau.state_dict() if state.plateau else {}
    notes = {
        "history": state.history.__dict__,
        "steps": state.steps,
        "done": state.done,
        "total": state.total,
        "groups": optimiser["param_groups"],
        "plateau": {name: value for name, value in plateau.items() if _is_plain(value)},
    }
    unit.mark(arrays, notes)


def restore(unit: Unit, state: State) -> bool:
    """Bring ``state`` to where the checkpoint of ``unit`` was made; False, and no change, where there is none."""
    saved = unit.resume()
    if saved is None:
        return False
    arrays, notes = saved
    state.model.load_state_dict(as_tensors(arrays, "model/"))
    state.best = as_tensors(arrays, "best/")
    moments: dict[int, dict] = {}
    for name, value in as_tensors(arrays, "optimiser/").items():
        parameter, key = name.split("/")
        moments.setdefault(int(parameter), {})[key] = value
    state.optimiser.load_state_dict({"state": moments, "param_groups": notes["groups"]})
    if state.plateau:
        state.plateau.load_state_dict(notes["plateau"])
    torch.set_rng_state(torch.from_numpy(arrays["random/global"]))
    if "random/gpu" in arrays:
        torch.cuda.set_rng_state(torch.from_numpy(arrays["random/gpu"]))
    state.generator.set_state(torch.from_numpy(arrays["random/batches"]))
    state.begun = torch.from_numpy(arrays["random/begun"]) if "random/begun" in arrays else None
    state.history, state.steps = History(**notes["history"]), notes["steps"]
    state.done, state.total = notes["done"], notes["total"]
    return True


def _is_plain(value) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
