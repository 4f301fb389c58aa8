"""What keeps padding out of valid frames: masks, and a group norm over time that leaves it out.

Base models of the wav2vec 2.0 family normalise over time in their first convolution (a GroupNorm with one channel per
group), so zero padding changes valid frames (transformers #21534, measured at 34 to 64 %).
"""

import torch
from torch import nn


def within(lengths: torch.Tensor, size: int) -> torch.Tensor:
    """True for the valid ones of ``size`` frames or samples: [batch, size]."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


class MaskedGroupNorm(nn.GroupNorm):
    """A GroupNorm with one channel per group whose statistics leave padding out (float32 inside).

    ``eps``, if given, is added to the variance in place of the norm's own: one as large as the variance of speech
    lets loudness through, which the norm would else remove.
    """

    def __init__(self, norm: nn.GroupNorm, eps: float | None = None):
        if norm.num_groups != norm.num_channels:
            raise ValueError("only a GroupNorm with one channel per group is supported")
        super().__init__(norm.num_groups, norm.num_channels, norm.eps if eps is None else eps)
        self.weight, self.bias = norm.weight, norm.bias
        self.lengths: torch.Tensor | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if self.lengths is None:
            return super().forward(values)
        kept = within(self.lengths, values.shape[-1])[:, None]
        count = self.lengths[:, None, None].float()
        wide = values.float()
        mean = wide.masked_fill(~kept, 0).sum(-1, keepdim=True) / count
        centred = wide - mean
        variance = centred.masked_fill(~kept, 0).square().sum(-1, keepdim=True) / count
        scale = torch.rsqrt(variance + self.eps) * self.weight[:, None]
        return (centred * scale + self.bias[:, None]).to(values.dtype)
