"""Pepino 2021's downstream model."""

import torch
from torch import nn

from .dropout import Dropout
from .pooling import masked_mean, segment_mean


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

    Parameters
    ----------
    second
        What the second layer is: ``dense``, ``lstm-tanh`` (the paper's LSTM) or ``lstm-relu`` (the released code's).
    beside
        Width of descriptors at the same rate, which have a first layer of their own (the paper's Fusion); 0: none.
    dropout_first
        Dropout comes before each of the two layers, as in the released code, and not after.
    """

    def __init__(self, layers, width, hidden, outputs, dropout, softmax, second="dense", beside=0, dropout_first=False):
        super().__init__()
        self.average = LayerAverage(layers, softmax)
        self.first = nn.Linear(width, hidden)
        self.beside = nn.Linear(beside, hidden) if beside else None
        joint = 2 * hidden if beside else hidden
        self.second = {
            "dense": lambda: nn.Linear(joint, hidden),
            "lstm-tanh": lambda: nn.LSTM(joint, hidden, batch_first=True),
            "lstm-relu": lambda: ReluLstm(joint, hidden),
        }[second]()
        self.out = nn.Linear(hidden, outputs)
        self.dropout, self.dropout_first = Dropout(dropout), dropout_first

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor, beside=None) -> torch.Tensor:
        """[layers, sum of lengths, width], [batch] and [sum of lengths, beside] -> logits [batch, outputs]."""
        before, after = (self.dropout, nn.Identity()) if self.dropout_first else (nn.Identity(), self.dropout)
        hidden = torch.relu(self.first(before(self.average(frames) if len(frames) > 1 else frames[0])))
        if self.beside is not None:
            hidden = torch.cat([hidden, torch.relu(self.beside(before(beside)))], 1)
        hidden = before(after(hidden))
        if isinstance(self.second, nn.LSTM):
            packed = nn.utils.rnn.pack_sequence(hidden.split(lengths.tolist()), enforce_sorted=False)
            padded, _ = nn.utils.rnn.pad_packed_sequence(self.second(packed)[0], batch_first=True)
            return self.out(masked_mean(after(padded), lengths))
        if isinstance(self.second, ReluLstm):
            padded = self.second(nn.utils.rnn.pad_sequence(hidden.split(lengths.tolist()), batch_first=True))
            return self.out(masked_mean(after(padded), lengths))
        return self.out(segment_mean(after(torch.relu(self.second(hidden))), lengths))


class ReluLstm(nn.Module):
    """An LSTM with ReLU in the place of tanh, of the cell's input and of its output, as Keras' ``activation="relu"``.

    Weights start as Keras' do (Glorot, orthogonal), biases at zero and the forget gate's at one.
    """

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.input, self.recurrent = nn.Linear(width, 4 * hidden), nn.Linear(hidden, 4 * hidden, bias=False)
        nn.init.xavier_uniform_(self.input.weight)
        nn.init.orthogonal_(self.recurrent.weight)
        nn.init.zeros_(self.input.bias)
        nn.init.ones_(self.input.bias[hidden : 2 * hidden])

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """[batch, frames, width] -> [batch, frames, hidden]; what follows a sequence's end has no influence on it."""
        driven, states = self.input(frames), []
        state = cell = frames.new_zeros(len(frames), self.recurrent.in_features)
        for step in driven.unbind(1):
            gate, forget, new, out = (step + self.recurrent(state)).chunk(4, 1)
            cell = forget.sigmoid() * cell + gate.sigmoid() * torch.relu(new)
            state = out.sigmoid() * torch.relu(cell)
            states.append(state)
        return torch.stack(states, 1)


def to_rate(frames: torch.Tensor, ratio: int, count: int) -> torch.Tensor:
    """Means of each ``ratio`` frames [frames, width] -> [count, width]; where frames end, the last one goes on."""
    missing = max(0, ratio * count - len(frames))
    filled = torch.cat([frames, frames[-1:].expand(missing, -1)])[: ratio * count]
    return filled.view(count, ratio, -1).mean(1)
