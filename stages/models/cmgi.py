"""Gao 2024: speech and text encoder joined by the cross-modal gated interaction (CmGI) or less, with a CTC head."""

from typing import NamedTuple

import torch
from torch import nn

from ..encoders.letters import LABELS
from .pooling import frame_mask, masked_mean


class Form(NamedTuple):
    """How the modalities interact (section 2.2, Table 2), and what the equations leave open."""

    width: int
    """Of both modalities once they interact."""
    heads: int
    dropout: float
    """In attention and before the classifier."""
    interaction: str = "cmgi"
    """``none``, ``sa`` (self-attention, equation 3), ``ca`` (cross-attention, 4) or ``cmgi`` (both)."""
    gate: str = "temporal"
    """``none``, ``mean`` (equation 5) or ``temporal`` (equation 6, of ``cmgi`` alone)."""
    literal_eq3: bool = False
    """Equation 3 as printed, over the other modality; the text says intra-modal."""
    ca_over: str = "s"
    """What ``ca`` attends over: ``s``, the outputs of self-attention, as equation 4 prints it, or ``x``."""
    sigmoid: str = "last"
    """``last``: the gate is sigmoid(f(.)), within 0 and 1; ``first``: f(sigmoid(.)), as equations 5 and 6 print it."""
    shared: bool = False
    """All attentions have the same W, as the symbols of equations 3 and 4 are."""
    attention: str = "multi-head"
    """``multi-head``: torch's, with biases and W^O; ``printed``: W^Q, W^K and W^V alone, one head."""


class MultiHead(nn.Module):
    """Attention of queries over keys and values with several heads, W^O and biases, padding masked."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.inner = nn.MultiheadAttention(width, heads, dropout, batch_first=True)

    def forward(self, query: torch.Tensor, other: torch.Tensor, other_mask: torch.Tensor) -> torch.Tensor:
        """[batch, q, width], [batch, k, width], [batch, k] -> [batch, q, width]."""
        return self.inner(query, other, other, key_padding_mask=~other_mask, need_weights=False)[0]


class Printed(nn.Module):
    """softmax((q W^Q)(k W^K)^T / sqrt(width)) (k W^V), padding masked: equations 3 and 4 as they are printed."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: torch.Tensor, other: torch.Tensor, other_mask: torch.Tensor) -> torch.Tensor:
        """As :meth:`MultiHead.forward`."""
        scores = self.query(query) @ self.key(other).transpose(1, 2) / query.shape[-1] ** 0.5
        weights = scores.masked_fill(~other_mask[:, None], float("-inf")).softmax(-1)
        return self.dropout(weights) @ self.value(other)


class Interaction(nn.Module):
    """From two sequences to one vector, with the gates that were set on the way.

    Equation 6's shapes only agree when each branch gates its own s and c: output = [s * G ; c * (1 - G)]. Equation 5
    weighs the branches' means: [a * G ; l * (1 - G)].
    """

    def __init__(self, form: Form):
        super().__init__()
        self.form = form
        crosses = form.interaction in ("ca", "cmgi")
        attends = form.interaction in ("sa", "cmgi") or (crosses and form.ca_over == "s")
        if form.shared:
            self.own = self.cross = nn.ModuleList([_attention(form)] * 2)
        else:
            self.own = nn.ModuleList(_attention(form) for _ in range(2 * attends))
            self.cross = nn.ModuleList(_attention(form) for _ in range(2 * crosses))
        branch = form.width * (2 if form.interaction == "cmgi" else 1)
        self.width = 2 * branch
        """Of the vector."""
        if form.gate == "temporal":
            self.gate = nn.ModuleList(nn.Linear(2 * form.width, form.width) for _ in range(2))
        elif form.gate == "mean":
            self.gate = nn.ModuleList([nn.Linear(2 * branch, branch)])

    def forward(
        self, frames: list[torch.Tensor], masks: list[torch.Tensor], lengths: list[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors [batch, ``self.width``] of speech and text, and mean gates [batch, gates].

        ``frames`` are two [batch, longest, width], ``masks`` two [batch, longest], ``lengths`` two [batch]. The gates:
        of each branch, the share of its own s (temporal); the share of speech (mean); none.
        """
        s, c = self._attended(frames, masks)
        if self.form.gate == "temporal":
            gates = [self._gate(i, torch.cat([s[i], c[i]], -1)) for i in range(2)]
            mixed = [torch.cat([s[i] * gates[i], c[i] * (1 - gates[i])], -1) for i in range(2)]
            means = [masked_mean(gate, n).mean(1) for gate, n in zip(gates, lengths, strict=True)]
            return self._pooled(mixed, lengths), torch.stack(means, 1)
        both = [torch.cat([s[i], c[i]], -1) if s and c else (s or c)[i] for i in range(2)]
        vector = self._pooled(both, lengths)
        if self.form.gate == "none":
            return vector, vector.new_zeros(len(vector), 0)
        gate = self._gate(0, vector)
        return vector * torch.cat([gate, 1 - gate], 1), gate.mean(1, keepdim=True)

    def _attended(self, x: list, masks: list) -> tuple[list, list]:
        """s and c of both modalities; [] for one that does not reach the output."""
        kind = self.form.interaction
        if kind == "none":
            return x, []
        if kind == "ca" and self.form.ca_over == "x":
            s = x
        else:
            of = [1, 0] if self.form.literal_eq3 else [0, 1]
            s = [self.own[i](x[i], x[of[i]], masks[of[i]]) for i in range(2)]
        if kind == "sa":
            return s, []
        c = [self.cross[i](s[i], s[1 - i], masks[1 - i]) for i in range(2)]
        return (s if kind == "cmgi" else []), c

    def _gate(self, number: int, joined: torch.Tensor) -> torch.Tensor:
        if self.form.sigmoid == "first":
            return self.gate[number](torch.sigmoid(joined))
        return torch.sigmoid(self.gate[number](joined))

    @staticmethod
    def _pooled(sequences: list, lengths: list) -> torch.Tensor:
        return torch.cat([masked_mean(one, n) for one, n in zip(sequences, lengths, strict=True)], 1)


def _attention(form: Form) -> nn.Module:
    if form.attention == "printed":
        return Printed(form.width, form.dropout)
    return MultiHead(form.width, form.heads, form.dropout)


class Said(NamedTuple):
    """What :class:`CmGI` says of a batch."""

    emotion: torch.Tensor
    """Logits [batch, classes]."""
    letters: torch.Tensor | None
    """CTC logits [batch, frames, labels]; None without a CTC head."""
    gates: torch.Tensor
    """Mean gates [batch, gates], see :meth:`Interaction.forward`."""


class CmGI(nn.Module):
    """Speech and text encoder, the interaction between them, an emotion head over it, a CTC head over speech.

    ``speech`` or ``text`` may be None: stage 1 and Table 1's experiments 1, 2 and 8. Without ``spells`` there is no CTC
    head; an encoder that was trained with CTC brings its own. Modalities that neither interact nor are gated keep their
    widths; their means stand side by side.
    """

    def __init__(self, speech, text, classes: int, form: Form, spells: bool):
        super().__init__()
        self.speech, self.text = speech, text
        self.ctc = nn.Linear(speech.width, LABELS) if spells else None
        if spells and (letters := getattr(speech, "letters", None)):
            self.ctc.load_state_dict(letters)
        self.interaction, width = None, sum(one.width for one in (speech, text) if one)
        if speech and text and (form.interaction, form.gate) != ("none", "none"):
            self.project = nn.ModuleList([nn.Linear(speech.width, form.width), nn.Linear(text.width, form.width)])
            self.interaction = Interaction(form)
            width = self.interaction.width
        self.dropout, self.out = nn.Dropout(form.dropout), nn.Linear(width, classes)

    def forward(self, heard: tuple | None, read: tuple | None) -> Said:
        """``heard``: hidden states [batch, frames, width] and their lengths [batch]; ``read``: token ids and mask."""
        sequences, masks, lengths = [], [], []
        if heard:
            sequences.append(heard[0])
            masks.append(frame_mask(heard[1], heard[0]))
            lengths.append(heard[1])
        if read:
            sequences.append(self.text(*read)[-1])
            masks.append(read[1].bool())
            lengths.append(read[1].sum(1))
        if self.interaction:
            sequences = [layer(one) for layer, one in zip(self.project, sequences, strict=True)]
            vector, gates = self.interaction(sequences, masks, lengths)
        else:
            vector = torch.cat([masked_mean(one, n) for one, n in zip(sequences, lengths, strict=True)], 1)
            gates = vector.new_zeros(len(vector), 0)
        return Said(self.out(self.dropout(vector)), self.ctc(heard[0]) if self.ctc else None, gates)
