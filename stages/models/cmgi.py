"""Gao 2024: CTC head on the speech encoder and the cross-modal gated interaction (CmGI) with the text encoder."""

import torch
from torch import nn

from ..encoders.letters import LABELS
from .pooling import frame_mask, masked_mean


class Attention(nn.Module):
    """Multi-head attention of queries over keys and values, padding masked (equations 3 and 4)."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.inner = nn.MultiheadAttention(width, heads, dropout, batch_first=True)

    def forward(self, query: torch.Tensor, other: torch.Tensor, other_mask: torch.Tensor) -> torch.Tensor:
        """[batch, q, width], [batch, k, width], [batch, k] -> [batch, q, width]."""
        return self.inner(query, other, other, key_padding_mask=~other_mask, need_weights=False)[0]


class Interaction(nn.Module):
    """Self-attention, cross-attention and a temporal gate per modality (section 2.2).

    Equation 3 is printed with both modalities; true self-attention is meant (the text says intra-modal). Equation 6's
    shapes only agree when each branch gates its own s and c: output = [s * G ; c * (1 - G)], G = sigmoid(f([s ; c])).
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.own = nn.ModuleList(Attention(width, heads, dropout) for _ in range(2))
        self.cross = nn.ModuleList(Attention(width, heads, dropout) for _ in range(2))
        self.gate = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(2))

    def forward(self, frames: list[torch.Tensor], masks: list[torch.Tensor]) -> list[torch.Tensor]:
        """Two sequences [batch, length_i, width] and masks -> two of [batch, length_i, 2 width]."""
        s = [self.own[i](frames[i], frames[i], masks[i]) for i in range(2)]
        c = [self.cross[i](s[i], s[1 - i], masks[1 - i]) for i in range(2)]
        outputs = []
        for i in range(2):
            gate = torch.sigmoid(self.gate[i](torch.cat([s[i], c[i]], -1)))
            outputs.append(torch.cat([s[i] * gate, c[i] * (1 - gate)], -1))
        return outputs


class CmGI(nn.Module):
    """Speech encoder with CTC and emotion heads (stage 1), joined by the text encoder and the interaction (stage 2).

    An encoder that was trained with CTC brings its head.
    """

    def __init__(self, speech, text, classes: int, width: int, heads: int, dropout: float):
        super().__init__()
        self.speech, self.text = speech, text
        self.ctc = nn.Linear(speech.width, LABELS)
        if speech.letters:
            self.ctc.load_state_dict(speech.letters)
        self.alone = nn.Linear(speech.width, classes)
        self.project = nn.ModuleList([nn.Linear(speech.width, width), nn.Linear(text.width, width)])
        self.interaction = Interaction(width, heads, dropout)
        self.dropout, self.out = nn.Dropout(dropout), nn.Linear(4 * width, classes)

    def acoustic(self, hidden: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Emotion logits of the speech encoder alone (mean pooling) and CTC logits: stage 1."""
        return self.alone(masked_mean(hidden, lengths)), self.ctc(hidden)

    def forward(self, hidden: torch.Tensor, lengths: torch.Tensor, ids, mask) -> tuple[torch.Tensor, torch.Tensor]:
        """Emotion logits [batch, classes] of both modalities and CTC logits [batch, frames, labels]: stage 2."""
        words = self.text(ids, mask)[-1]
        masks = [frame_mask(lengths, hidden), mask.bool()]
        mixed = self.interaction([self.project[0](hidden), self.project[1](words)], masks)
        pooled = [masked_mean(m, n) for m, n in zip(mixed, (lengths, mask.sum(1)), strict=True)]
        return self.out(self.dropout(torch.cat(pooled, 1))), self.ctc(hidden)
