"""The letters that CTC heads spell with, and greedy decoding."""

import itertools
import unicodedata

import torch

from ..transcripts.numbers import said

ALPHABET = " 'abcdefghijklmnopqrstuvwxyz"
"""CTC labels 1..28; 0 is the blank."""
LABELS = len(ALPHABET) + 1
_APOSTROPHES = str.maketrans("’‘ʼ`´", "'" * 5)


def written(text: str) -> str:
    """A text in the characters of ALPHABET alone, as CTC writes it.

    Numbers are written out, curly apostrophes count as straight ones, letters lose their accents.
    """
    plain = unicodedata.normalize("NFKD", said(text).lower().translate(_APOSTROPHES))
    kept = "".join(c if c in ALPHABET else " " for c in plain if not unicodedata.combining(c))
    return " ".join(kept.split())


def spelled(text: str) -> list[int]:
    """The CTC labels of a text as it is :func:`written`."""
    return [ALPHABET.index(c) + 1 for c in written(text)]


def needed(labels: list[int]) -> int:
    """The frames that CTC needs at least: one per letter, and a blank between two that are the same."""
    return len(labels) + sum(one == other for one, other in itertools.pairwise(labels))


def greedy(logits: torch.Tensor, lengths: torch.Tensor) -> list[str]:
    """Best-path decoding of [batch, frames, labels]: repeats merged, blanks removed."""
    texts = []
    for path, length in zip(logits.argmax(-1), lengths.tolist(), strict=True):
        labels = torch.unique_consecutive(path[:length])
        texts.append(" ".join("".join(ALPHABET[i - 1] for i in labels.tolist() if i).split()))
    return texts
