"""Srinivasan 2022: GRU summaries of speech and text, joint or audio embedding, linear prediction."""

import torch
from torch import nn


class Summary(nn.Module):
    """Two-layer GRU; its output at the last valid frame (section 4.2)."""

    def __init__(self, width: int, hidden: int, layers: int):
        super().__init__()
        self.gru = nn.GRU(width, hidden, layers, batch_first=True)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """[batch, frames, width], [batch] -> [batch, hidden]."""
        packed = nn.utils.rnn.pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
        return self.gru(packed)[1][-1]


class Teacher(nn.Module):
    """Joint embedding e_at = P_at [u_a ; u_t] (equation 1) and its prediction."""

    def __init__(self, speech: int, text: int, hidden: int, layers: int, embedding: int, outputs: int):
        super().__init__()
        self.speech, self.text = Summary(speech, hidden, layers), Summary(text, hidden, layers)
        self.project, self.out = nn.Linear(2 * hidden, embedding), nn.Linear(embedding, outputs)

    def forward(self, speech: tuple, text: tuple) -> tuple[torch.Tensor, torch.Tensor]:
        """(frames, lengths) of both -> embedding [batch, embedding], prediction [batch, outputs]."""
        embedding = self.project(torch.cat([self.speech(*speech), self.text(*text)], 1))
        return embedding, self.out(embedding)


class Single(nn.Module):
    """One modality's summary, its projection and prediction (rows 3 to 8 of Table 2)."""

    def __init__(self, width: int, hidden: int, layers: int, embedding: int, outputs: int):
        super().__init__()
        self.summary = Summary(width, hidden, layers)
        self.project, self.out = nn.Linear(hidden, embedding), nn.Linear(embedding, outputs)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """[batch, frames, width], [batch] -> [batch, outputs]."""
        return self.out(self.project(self.summary(frames, lengths)))


class Student(nn.Module):
    """Speech encoder, GRU, audio embedding e_a = P_a u_a (equation 2) and its prediction."""

    def __init__(self, encoder, hidden: int, layers: int, embedding: int, outputs: int):
        super().__init__()
        self.encoder = encoder
        self.summary = Summary(encoder.width, hidden, layers)
        self.project, self.out = nn.Linear(hidden, embedding), nn.Linear(embedding, outputs)

    def forward(self, hidden: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Last layer [batch, frames, width], [batch] -> embedding [batch, embedding], prediction [batch, outputs]."""
        embedding = self.project(self.summary(hidden, lengths))
        return embedding, self.out(embedding)
