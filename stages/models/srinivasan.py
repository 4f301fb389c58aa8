"""Srinivasan 2022: every modality summed up, the summaries projected to one embedding, and a linear prediction."""

import torch
from torch import nn

from .pooling import frame_mask, masked_mean

HEADS = 4
"""Of the transformer that may stand in the GRU's place; the paper says no more of it than that it was comparable."""


class Summary(nn.Module):
    """A GRU of several layers; the last one's output at the last valid frame (section 4.2)."""

    def __init__(self, width: int, hidden: int, layers: int):
        super().__init__()
        self.gru = nn.GRU(width, hidden, layers, batch_first=True)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """[batch, frames, width], [batch] (on the CPU) -> [batch, hidden]."""
        packed = nn.utils.rnn.pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
        return self.gru(packed)[1][-1]


class Attended(nn.Module):
    """A linear layer and transformer blocks, their output averaged over the valid frames: ours, as are its sizes."""

    def __init__(self, width: int, hidden: int, layers: int):
        super().__init__()
        self.enter = nn.Linear(width, hidden)
        block = nn.TransformerEncoderLayer(hidden, HEADS, 4 * hidden, 0.0, batch_first=True)
        self.blocks = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """[batch, frames, width], [batch] -> [batch, hidden]."""
        states = self.blocks(self.enter(frames), src_key_padding_mask=~frame_mask(lengths, frames))
        return masked_mean(states, lengths)


AGGREGATORS = {"gru": Summary, "transformer": Attended}


class Srinivasan(nn.Module):
    """Figure 1 of the paper: e = P [u_1; ...] over the modalities seen (equations 1 and 2), then a linear prediction.

    Parameters
    ----------
    widths
        {modality: width of its frames}, in the order in which their summaries are joined.
    encoder
        The speech encoder, where some of it is trained too; None over frozen features. It is not run in here: frames
        are what comes out of it.
    """

    def __init__(
        self, widths: dict[str, int], aggregator: str, hidden: int, layers: int, embedding: int, outputs: int, encoder
    ):
        super().__init__()
        self.encoder = encoder
        kind = AGGREGATORS[aggregator]
        self.summaries = nn.ModuleDict({name: kind(width, hidden, layers) for name, width in widths.items()})
        self.project, self.out = nn.Linear(len(widths) * hidden, embedding), nn.Linear(embedding, outputs)

    def forward(self, *branches: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Frames and lengths of every modality -> embedding [batch, embedding], prediction [batch, outputs]."""
        pairs = zip(self.summaries.values(), branches, strict=True)
        embedding = self.project(torch.cat([summary(*branch) for summary, branch in pairs], 1))
        return embedding, self.out(embedding)
