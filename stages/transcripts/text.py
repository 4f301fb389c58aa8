"""Words, tags and word error rates, with two normalisers.

Plain (the default): lower case, no text in brackets, apostrophes kept inside words, all other punctuation replaced by
spaces. English: whisper's ``EnglishTextNormalizer`` (Radford et al. 2022, appendix C), which also spells out
contractions and unifies spellings and numbers; used for Whisper's English output, which writes digits.
"""

import re
from collections.abc import Sequence
from functools import cache

_BRACKETS = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>")
_BREAKS = re.compile(r"[^\w']+|_")
_LOOSE = re.compile(r"(?<!\w)'+|'+(?!\w)")


def words(text: str, english: bool = False) -> list[str]:
    """The words of a text under the plain or the English normaliser."""
    if english:
        return _english()(text).split()
    plain = _BRACKETS.sub(" ", text.lower().replace("’", "'"))
    return _LOOSE.sub(" ", _BREAKS.sub(" ", plain)).split()


def plain(text: str) -> str:
    """What models read of a text: its words under the plain normaliser, whichever source it comes from.

    So a transcript with no error reads as the corpus' own, with or without capitals and punctuation.
    """
    return " ".join(words(text))


def tags(text: str) -> list[str]:
    """The parts in brackets, such as ``[LAUGHTER]``: transcribers' notes, which may give the label away."""
    return _BRACKETS.findall(text)


def untagged(text: str) -> str:
    """``text`` without its tags."""
    return " ".join(_BRACKETS.sub(" ", text).split()) if tags(text) else text


@cache
def _english():
    from whisper.normalizers import EnglishTextNormalizer

    return EnglishTextNormalizer()


def errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Substitutions, deletions and insertions of the best alignment of two lists of words."""
    if not reference:
        return len(hypothesis)
    import jiwer

    out = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    return out.substitutions + out.deletions + out.insertions


def error_rates(
    references: Sequence[str], hypotheses: Sequence[str], english: bool = False
) -> tuple[list[float | None], float | None]:
    """WER of each utterance, and of all together (errors over reference words).

    An utterance whose reference has no words has no WER (None) and does not count in the overall WER, which is None if
    there are no reference words at all.
    """
    counts = error_counts(references, hypotheses, english)
    wrong, total = (sum(c[k] for c in counts if c) for k in (0, 1))
    return [c[0] / c[1] if c else None for c in counts], wrong / total if total else None


def error_counts(
    references: Sequence[str], hypotheses: Sequence[str], english: bool = False
) -> list[tuple[int, int] | None]:
    """Errors and reference words of each utterance; None if the reference has no words."""
    counts: list[tuple[int, int] | None] = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        spoken = words(reference, english)
        counts.append((errors(spoken, words(hypothesis, english)), len(spoken)) if spoken else None)
    return counts
