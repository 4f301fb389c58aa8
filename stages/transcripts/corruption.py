"""Transcripts with a chosen word error rate: a simple model of recognition errors, for corpora with gold text.

Every word of the plainly normalised reference gets an error with the same probability: it is substituted, deleted or
followed by an inserted word, in given shares. New words follow the word frequencies of the corpus. Bisection sets the
probability so that the aligned WER of the whole corpus is the requested one. The errors depend only on the seed and the
utterance's id. Errors of real recognisers cluster and sound like the reference; these do neither.
"""

import hashlib
from collections import Counter
from typing import Literal

from pydantic import model_validator

from ..config.settings import Section, setting
from ..runtime.errors import UserError
from .text import error_rates, words

TOLERANCE = 0.03
"""Largest difference between the WER of the whole corpus and the requested one."""


class Corrupted(Section):
    """Gold transcripts, corrupted to a set word error rate."""

    kind: Literal["corrupted"] = setting("where transcripts come from")
    wer: float = setting("word error rate of the whole corpus", ge=0, le=0.9)
    substitutions: float = setting("share of the errors that replace a word", ge=0, le=1)
    deletions: float = setting("share of the errors that drop a word", ge=0, le=1)
    insertions: float = setting("share of the errors that add a word", ge=0, le=1)
    seed: int = setting("seed of the errors", ge=0)

    @model_validator(mode="after")
    def _whole(self):
        total = self.substitutions + self.deletions + self.insertions
        if abs(total - 1) > 1e-6:
            raise ValueError(f"substitutions, deletions and insertions sum to {total:g}; make them sum to 1")
        return self


def corrupt(references: dict[str, str], settings: Corrupted, where: str) -> dict[str, str]:
    """{utterance: corrupted text} from {utterance: reference}; empty references stay empty.

    Raises
    ------
    UserError
        The rate cannot be reached within :data:`TOLERANCE`: too few words, or too few different ones.
    """
    import numpy as np

    spoken = {utterance: words(text) for utterance, text in references.items()}
    counts = Counter(word for line in spoken.values() for word in line)
    vocabulary = sorted(counts)
    share = np.cumsum([counts[word] for word in vocabulary]) / max(1, sum(counts.values()))
    draws = {u: _draws(settings.seed, u, len(line)) for u, line in spoken.items()}

    def at(probability: float) -> dict[str, str]:
        return {u: _apply(line, draws[u], probability, settings, vocabulary, share) for u, line in spoken.items()}

    def rate(texts: dict[str, str]) -> float:
        return error_rates(list(references.values()), [texts[u] for u in references])[1] or 0.0

    low, high = 0.0, 1.0
    best = at(0.0)
    reached = 0.0
    for _ in range(14):
        middle = (low + high) / 2
        texts = at(middle)
        measured = rate(texts)
        if abs(measured - settings.wer) < abs(reached - settings.wer):
            best, reached = texts, measured
        if abs(measured - settings.wer) < 5e-4:
            break
        low, high = (middle, high) if measured < settings.wer else (low, middle)
    if abs(reached - settings.wer) > TOLERANCE:
        raise UserError(
            f"{where}.wer: {settings.wer} cannot be reached with this corpus' {sum(counts.values())} words "
            f"({len(vocabulary)} different ones); set it to {reached:.3f}, the nearest"
        )
    return best


def _draws(seed: int, utterance: str, count: int):
    """Three uniform numbers per word [count, 3]: whether it gets an error, which one, and the new word."""
    import numpy as np

    digest = hashlib.sha256(f"{seed}:{utterance}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little")).random((count, 3))


def _apply(line: list[str], draws, probability: float, settings: Corrupted, vocabulary: list[str], share) -> str:
    import numpy as np

    text = []
    picks = np.minimum(np.searchsorted(share, draws[:, 2], side="right"), len(vocabulary) - 1)
    for word, (hit, kind, _), pick in zip(line, draws.tolist(), picks.tolist(), strict=True):
        if hit >= probability:
            text.append(word)
        elif kind < settings.substitutions:
            same = vocabulary[pick] == word
            text.append(vocabulary[(pick + 1) % len(vocabulary)] if same else vocabulary[pick])
        elif kind >= settings.substitutions + settings.deletions:
            text += [word, vocabulary[pick]]
    return " ".join(text)
