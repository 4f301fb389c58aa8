"""Grouped convolutions of few channels in bfloat16, which PyTorch gets wrong on some processors."""

import functools

import torch
from torch import nn

LEAST = 16
"""Channels of a group from which on such a convolution can be trusted. With 2 to 15, PyTorch 2.13 on a processor with
AMX gives something else (relative error .6 to .8 whatever the number of groups), and without a word."""


def keep_exact(module: nn.Module) -> None:
    """Let the grouped convolutions of few channels in ``module`` compute in float32 on a processor, autocast or not."""
    for conv in module.modules():
        if isinstance(conv, nn.Conv1d) and 1 < conv.in_channels // conv.groups < LEAST:
            conv.forward = functools.partial(_in_fp32, conv.forward)


def _in_fp32(forward, values: torch.Tensor) -> torch.Tensor:
    if values.device.type != "cpu":
        return forward(values)
    with torch.autocast("cpu", enabled=False):
        return forward(values.float())
