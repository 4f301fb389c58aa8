"""Pepino 2021's downstream model."""

import torch
from torch import nn

from stages.models.pooling import segment_mean


class LayerAverage(nn.Module):
    """Trainable average of layers: sum(alpha f) / sum(alpha), alpha initially 1 (Pepino 2021, equation 1).

    With ``softmax`` the weights are softmax(alpha), alpha initially 0; raw weights may turn negative.
    """

    def __init__(self, layers: int, softmax: bool = False):
        super().__init__()
        self.softmax = softmax
        self.alpha = nn.Parameter(torch.zeros(layers) if softmax else torch.ones(layers))

    def weights(self) -> torch.Tensor:
        """The normalised weights [layers]."""
        return self.alpha.softmax(0) if self.softmax else self.alpha / self.alpha.sum()

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """[layers, frames, width] -> [frames, width], as one product of a vector and a matrix."""
        return (self.weights() @ frames.flatten(1)).view(frames.shape[1:])


class Dense(nn.Module):
    """Layer average, two pointwise ReLU layers with dropout, mean over time, linear (Pepino 2021, section 2.3).

    Frames of a batch lie end to end, without padding.
    """

    def __init__(self, layers: int, width: int, hidden: int, outputs: int, dropout: float, softmax: bool):
        super().__init__()
        self.average = LayerAverage(layers, softmax)
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """[layers, sum of lengths, width] and [batch] -> logits [batch, outputs]."""
        hidden = self.average(frames) if len(frames) > 1 else frames[0]
        hidden = self.dropout(torch.relu(self.first(hidden)))
        hidden = self.dropout(torch.relu(self.second(hidden)))
        return self.out(segment_mean(hidden, lengths))
