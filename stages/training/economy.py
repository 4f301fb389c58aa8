"""Settings that let a training fit the memory and the time there is, and what it took of them."""

import contextlib
import functools
import resource
import sys
from typing import Literal

from ..config.settings import Section, setting


class Economy(Section):
    """What all recipes that fine-tune an encoder have: with exact numbers, none of it would change a result.

    ``batch`` stands with each recipe, for its limits and meaning differ.
    """

    precision: Literal["fp32", "bf16"] = setting(
        "of training's passes; bf16: torch's autocast (weights, losses and predictions stay fp32)"
    )
    accumulate: int = setting("forward passes per step", ge=1)
    checkpoint_activations: bool = setting("compute the encoders' activations twice instead of keeping them")

    @property
    def effective_batch(self) -> int:
        """Utterances per step of the optimiser."""
        return self.batch * self.accumulate


@contextlib.contextmanager
def spared(model, economy: Economy | None):
    """While it is open, the blocks of the encoders in ``model`` keep no activations, if that is set.

    Random numbers are drawn again as they were, so gradients are the same.
    """
    if economy is None or not economy.checkpoint_activations:
        yield
        return
    from torch.utils.checkpoint import checkpoint
    from transformers.modeling_layers import GradientCheckpointingLayer

    blocks = [one for one in model.modules() if isinstance(one, GradientCheckpointingLayer)]
    for block in blocks:  # hooks stay outside: they may change what goes in, and run once
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


def autocast(model, economy: Economy | None):
    """The context of a training's forward passes and losses: bfloat16 where the economy says so."""
    import torch

    device = next(model.parameters()).device.type
    return torch.autocast(device, torch.bfloat16, enabled=economy is not None and economy.precision == "bf16")


def in_fp32(tensor):
    """A context without autocast on the device of ``tensor``, for what bfloat16 is too coarse for."""
    import torch

    return torch.autocast(tensor.device.type, enabled=False)


def peak_memory(anew: bool = False) -> dict[str, int]:
    """The most memory held, MB: ``process`` (resident, since it began) and, where CUDA is in use, ``gpu`` (tensors).

    ``anew``: the GPU's figure is counted from now on.
    """
    found = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        found["gpu"] = torch.cuda.max_memory_allocated() >> 20
        if anew:
            torch.cuda.reset_peak_memory_stats()
    return found
