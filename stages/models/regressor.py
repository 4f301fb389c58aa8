"""de Oliveira 2023's audio-textual regressor."""

import torch
from torch import nn

from .pooling import masked_max, masked_mean


def pool(frames: torch.Tensor, lengths: torch.Tensor, how: str) -> torch.Tensor:
    """``mean+max``: their sum, [batch, width]; ``concat``: side by side, [batch, 2 width]; ``mean``."""
    mean = masked_mean(frames, lengths)
    if how == "mean":
        return mean
    high = masked_max(frames, lengths)
    return mean + high if how == "mean+max" else torch.cat([mean, high], 1)


class Regressor(nn.Module):
    """Pooled speech and (optionally) text encodings -> Linear(d_A + d_T, d_A), tanh, dropout, Linear(d_A, outputs).

    Takes hidden states, not raw inputs, so the encoders may be fine-tuned, frozen or cached.
    """

    def __init__(self, speech, text, outputs: int, pooling: str, dropout: float):
        super().__init__()
        self.speech, self.text, self.pooling = speech, text, pooling
        times = 2 if pooling == "concat" else 1
        width = times * (speech.width + (text.width if text is not None else 0))
        self.first, self.out = nn.Linear(width, speech.width), nn.Linear(speech.width, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor, lengths: torch.Tensor, ids=None, mask=None) -> torch.Tensor:
        """Last speech layer [batch, frames, d_A], lengths [batch], ids and mask [batch, tokens] -> [batch, outputs]."""
        vector = pool(hidden, lengths, self.pooling)
        if self.text is not None:
            words = self.text(ids, mask)[-1]
            vector = torch.cat([vector, pool(words, mask.sum(1), self.pooling)], 1)
        return self.out(self.dropout(torch.tanh(self.first(vector))))
