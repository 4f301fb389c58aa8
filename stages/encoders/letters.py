"""The letters that CTC heads spell with, and greedy decoding."""

import torch

ALPHABET = " 'abcdefghijklmnopqrstuvwxyz"
"""CTC labels 1..28; 0 is the blank."""
LABELS = len(ALPHABET) + 1


def written(text: str) -> str:
    """A text in the characters of ALPHABET alone, as CTC writes it; a curly apostrophe counts as a straight one."""
    kept = "".join(c if c in ALPHABET else " " for c in text.lower().replace("’", "'"))
    return " ".join(kept.split())


def spelled(text: str) -> list[int]:
    """The CTC labels of a text as it is :func:`written`."""
    return [ALPHABET.index(c) + 1 for c in written(text)]


def greedy(logits: torch.Tensor, lengths: torch.Tensor) -> list[str]:
    """Best-path decoding of [batch, frames, labels]: repeats merged, blanks removed."""
    texts = []
    for path, length in zip(logits.argmax(-1), lengths.tolist(), strict=True):
        labels = torch.unique_consecutive(path[:length])
        texts.append(" ".join("".join(ALPHABET[i - 1] for i in labels.tolist() if i).split()))
    return texts
