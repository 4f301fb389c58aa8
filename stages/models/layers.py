"""de Oliveira 2023's layer analysis (Figure 2)."""

import torch
from torch import nn

from .dense import LayerAverage
from .regressor import pool


class Weighted(nn.Module):
    """Layer average, pooling over time, Linear(d, d), tanh, dropout, Linear(d, 1)."""

    def __init__(self, layers: int, width: int, softmax: bool, pooling: str, dropout: float):
        super().__init__()
        self.average, self.pooling = LayerAverage(layers, softmax), pooling
        self.first, self.out = nn.Linear(width * (2 if pooling == "concat" else 1), width), nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """[layers, sum of lengths, width] and [batch] -> [batch, 1]."""
        padded = nn.utils.rnn.pad_sequence(self.average(frames).split(lengths.tolist()), batch_first=True)
        return self.out(self.dropout(torch.tanh(self.first(pool(padded, lengths, self.pooling)))))
