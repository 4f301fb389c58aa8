"""An encoder under a small head: what the recipe ``finetune`` trains."""

import torch
from torch import nn

from .pooling import frame_mask, masked_mean


def statistics(frames: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean and standard deviation of frames, [batch, frames, width] and [batch, frames] -> [batch, 2 width].

    A variance below 1e-5 counts as that, which has a gradient.
    """
    mean = torch.einsum("bf,bfw->bw", weights, frames)
    centred = frames - mean[:, None]
    return torch.cat([mean, torch.einsum("bf,bfw->bw", weights, centred.square()).clamp(min=1e-5).sqrt()], 1)


class Attention(nn.Module):
    """Weights of frames from softmax(v . tanh(W x + b)) (Okabe 2018, equations 4 and 5); 0 beyond a sequence."""

    def __init__(self, width: int):
        super().__init__()
        self.hidden, self.out = nn.Linear(width, width), nn.Linear(width, 1, bias=False)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """[batch, frames, width] and [batch] -> [batch, frames]."""
        scores = self.out(torch.tanh(self.hidden(frames)))[..., 0]
        return scores.masked_fill(~frame_mask(lengths, frames), float("-inf")).softmax(1)


class Tuned(nn.Module):
    """Frames pooled over time, then a head: dropout, [linear, layer norm, ReLU, dropout,] linear.

    ``pooling``: ``mean``; ``mean+std``, both side by side; ``attention``, both weighted by :class:`Attention`
    (attentive statistics, Okabe 2018). Without ``hidden`` units the part in brackets is left out.
    """

    def __init__(self, encoder, outputs: int, pooling: str, hidden: int, dropout: float):
        super().__init__()
        self.encoder, self.pooling = encoder, pooling
        self.attention = Attention(encoder.width) if pooling == "attention" else None
        width = encoder.width if pooling == "mean" else 2 * encoder.width
        inner = [nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Dropout(dropout)] if hidden else []
        self.head = nn.Sequential(nn.Dropout(dropout), *inner, nn.Linear(hidden or width, outputs))

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """The encoder's last hidden state [batch, frames, width] and lengths [batch] -> [batch, outputs]."""
        if self.pooling == "mean":
            return self.head(masked_mean(frames, lengths))
        if self.attention is not None:
            weights = self.attention(frames, lengths)
        else:
            weights = frame_mask(lengths, frames) / lengths.to(frames.device)[:, None]
        return self.head(statistics(frames, weights))
