"""Pan 2024 (GMP-ATL): the models of its three stages around one speech encoder."""

import torch
from torch import nn

from .pooling import masked_mean


def projection(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """LinearP of the paper: Linear, ReLU, Linear."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def unrolled(lstm: nn.LSTM, hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The outputs [batch, frames, 2 * units] of a BiLSTM over the valid frames of ``hidden`` [batch, frames, width]."""
    packed = nn.utils.rnn.pack_padded_sequence(hidden, lengths, batch_first=True, enforce_sorted=False)
    return nn.utils.rnn.pad_packed_sequence(lstm(packed)[0], batch_first=True)[0]


class Adapter(nn.Module):
    """Stage 1: encoder, BiLSTM, mean pooling, LinearP, a head for emotion and, with ``gender``, one for that."""

    def __init__(self, speech, lstm: int, hidden: int, classes: int, gender: bool):
        super().__init__()
        self.speech = speech
        self.lstm = nn.LSTM(speech.width, lstm, batch_first=True, bidirectional=True)
        self.project = projection(2 * lstm, hidden, hidden)
        self.emotion = nn.Linear(hidden, classes)
        self.gender = nn.Linear(hidden, 2) if gender else None

    def forward(self, hidden: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Last layer [batch, frames, width], lengths -> logits: emotion [batch, classes], gender [batch, 2] or None."""
        vector = torch.relu(self.project(masked_mean(unrolled(self.lstm, hidden, lengths), lengths)))
        return self.emotion(vector), self.gender(vector) if self.gender else None


class PseudoLabeller(nn.Module):
    """Stage 2: encoder and LinearP with one output per scale of the clustering (section 3.2)."""

    def __init__(self, speech, hidden: int, scales: list[int]):
        super().__init__()
        self.speech = speech
        self.trunk = nn.Sequential(nn.Linear(speech.width, hidden), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(hidden, k) for k in scales)

    def forward(self, frames: torch.Tensor) -> list[torch.Tensor]:
        """Frames [frames, width] -> logits [frames, k] per scale."""
        shared = self.trunk(frames)
        return [head(shared) for head in self.heads]


class Classifier(nn.Module):
    """Stage 3: encoder, BiLSTM where ``lstm`` is not 0, mean pooling, LinearP; the loss brings the class weights.

    Section 3.3.
    """

    def __init__(self, speech, hidden: int, lstm: int = 0):
        super().__init__()
        self.speech = speech
        self.lstm = nn.LSTM(speech.width, lstm, batch_first=True, bidirectional=True) if lstm else None
        self.project = projection(2 * lstm or speech.width, hidden, hidden)

    def forward(self, hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """One layer [batch, frames, width], lengths [batch] -> embeddings [batch, hidden]."""
        return self.project(masked_mean(unrolled(self.lstm, hidden, lengths) if self.lstm else hidden, lengths))
