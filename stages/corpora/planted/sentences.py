"""Sentences that say what they should: frames filled with words whose mean loading is nearest to the meaning asked."""

import re
import string
from dataclasses import dataclass
from functools import cache

import numpy as np

from . import couplings, lexicon
from .latents import generator

SCALE = 0.51
"""Mean loading of a clause's three words that counts as one standard deviation of meaning."""

FILLINGS = 20_000
"""Random fillings of every frame, among which the nearest is searched."""

NEAREST = 16


@dataclass(frozen=True)
class Sentence:
    """The clauses in spoken order, each with whether it is the emotional one."""

    clauses: tuple[tuple[str, bool], ...]

    @property
    def text(self) -> str:
        return " ".join(text for text, _ in self.clauses)


@cache
def _slots(frame: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in string.Formatter().parse(frame) if name)


@cache
def _loadings(kind: str) -> np.ndarray:
    return np.array([lexicon.LOADING[word] for word in lexicon.WORDS[kind]])


def _fill(frame: str, words: dict[str, list[str]], rng: np.random.Generator) -> str:
    """The frame with ``words`` taken in turn for each kind, and people, places and days at random."""
    taken = {kind: iter(found) for kind, found in words.items()}
    parts = []
    for before, name, _, _ in string.Formatter().parse(frame):
        parts.append(before)
        if name in taken:
            parts.append(next(taken[name]))
        elif name:
            choices = lexicon.FILLERS[name]
            parts.append(choices[rng.integers(len(choices))])
    return re.sub(r"\ba (?=[aeiou])", "an ", "".join(parts))


class Writer:
    """Finds words for meanings; ``stream`` keeps the corpus' fillings and the oracle's apart."""

    def __init__(self, seed: int, stream: str):
        from scipy.spatial import cKDTree

        self.rng = generator(seed, f"words {stream}")
        self.kinds, self.fillings, self.scores, self.trees = [], [], [], []
        for frame in lexicon.CLAUSES:
            kinds = [name for name in _slots(frame) if name in lexicon.WORDS]
            picks = np.stack([self.rng.integers(len(lexicon.WORDS[k]), size=FILLINGS) for k in kinds], 1)
            same = np.zeros(FILLINGS, bool)
            for i, j in ((0, 1), (1, 2)):  # no word twice in a clause
                same |= (kinds[i] == kinds[j]) & (picks[:, i] == picks[:, j])
            picks = picks[~same]
            scores = np.mean([_loadings(k)[picks[:, i]] for i, k in enumerate(kinds)], 0) / SCALE
            self.kinds.append(kinds)
            self.fillings.append(picks)
            self.scores.append(scores)
            self.trees.append(cKDTree(scores))

    def choose(self, meanings: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frames [count], ranked fillings [count, 16] and the scores [count, 3] of the first of each."""
        frames = self.rng.integers(len(self.trees), size=len(meanings))
        ranked = np.empty((len(meanings), NEAREST), np.int64)
        scores = np.empty((len(meanings), 3))
        for f, tree in enumerate(self.trees):
            mine = np.flatnonzero(frames == f)
            if len(mine):
                found = tree.query(meanings[mine], NEAREST)[1]
                found[:, :4] = self.rng.permuted(found[:, :4], axis=1)
                ranked[mine], scores[mine] = found, self.scores[f][found[:, 0]]
        return frames, ranked, scores

    def write(self, meanings: np.ndarray) -> tuple[list[Sentence], np.ndarray]:
        """One sentence for each of ``meanings`` [count, 3], no text twice, and the realised scores [count, 3].

        Raises
        ------
        RuntimeError
            All near fillings are taken: more sentences than the lexicon holds.
        """
        frames, ranked, scores = self.choose(meanings)
        seen: set[str] = set()
        sentences = []
        for i, f in enumerate(frames):
            for pick in ranked[i]:
                sentence = self._sentence(f, self.fillings[f][pick])
                if sentence.text not in seen:
                    break
            else:
                raise RuntimeError("no unused sentence near a meaning: ask for fewer utterances of a seed")
            seen.add(sentence.text)
            sentences.append(sentence)
            scores[i] = self.scores[f][pick]
        return sentences, scores

    def _sentence(self, frame: int, picks: np.ndarray) -> Sentence:
        words: dict[str, list[str]] = {}
        for kind, pick in zip(self.kinds[frame], picks, strict=True):
            words.setdefault(kind, []).append(lexicon.WORDS[kind][pick])
        clause = (_fill(lexicon.CLAUSES[frame], words, self.rng), True)
        if self.rng.random() >= couplings.LONG:
            return Sentence((clause,))
        first = self.rng.random() < 0.5
        frames = lexicon.AFTER if first else lexicon.BEFORE
        plain = (_fill(frames[self.rng.integers(len(frames))], {}, self.rng), False)
        return Sentence((clause, plain) if first else (plain, clause))


def neutral(seed: int, count: int) -> list[Sentence]:
    """``count`` different sentences of one clause, of the corpus' frames, in words without loadings."""
    rng = generator(seed, "neutral sentences")
    words = {kind: [word for word in lexicon.WORDS[kind] if not any(lexicon.LOADING[word])] for kind in lexicon.KINDS}
    found: dict[str, Sentence] = {}
    while len(found) < count:
        frame = lexicon.CLAUSES[rng.integers(len(lexicon.CLAUSES))]
        text = _fill(frame, {kind: list(rng.permutation(words[kind])) for kind in lexicon.KINDS}, rng)
        found.setdefault(text, Sentence(((text, True),)))
    return list(found.values())


def unlabelled_sentences(seed: int, count: int, phrases: float = 0) -> list[str]:
    """``count`` sentences for pretraining, from frames that the corpus has not, with the lexicon's words.

    The words of a sentence share an attitude (a random point in arousal, valence and dominance: the nearer a
    word's loadings, the likelier it is), so which words keep company tells what they mean. A share of about
    ``phrases`` is no sentences but words in random order, from which only their sound can be learnt.
    """
    rng = generator(seed, "unlabelled sentences")
    attitudes = rng.standard_normal((count, 3))
    frames = rng.integers(len(lexicon.OTHER), size=count)
    most = max(_slots(frame).count(kind) for frame in lexicon.OTHER for kind in lexicon.KINDS)
    picks = {}
    for kind in lexicon.KINDS:
        far = ((attitudes[:, None] - _loadings(kind)) ** 2).sum(2)
        noisy = rng.gumbel(size=far.shape) - far / (2 * 0.45**2)
        picks[kind] = np.argsort(-noisy, axis=1, kind="stable")[:, :most]
    sentences = []
    for i, f in enumerate(frames):
        words = {kind: [lexicon.WORDS[kind][j] for j in picks[kind][i]] for kind in lexicon.KINDS}
        frame = lexicon.OTHER[f]
        if rng.random() < 0.4:
            frame += " " + lexicon.OTHER_TAILS[rng.integers(len(lexicon.OTHER_TAILS))]
        sentences.append(_fill(frame, words, rng))
    rng = generator(seed, "phrases")
    return [_phrase(rng) if rng.random() < phrases else sentence for sentence in sentences]


def _phrase(rng: np.random.Generator) -> str:
    """Four to nine words in random order: half of them the lexicon's, half those around them in all frames."""
    return " ".join(
        choices[rng.integers(len(choices))]
        for choices in (_own() if rng.random() < 0.5 else _around() for _ in range(rng.integers(4, 10)))
    )


@cache
def _own() -> list[str]:
    return [word for kind in (*lexicon.WORDS.values(), *lexicon.FILLERS.values()) for word in kind]


@cache
def _around() -> list[str]:
    frames = (*lexicon.CLAUSES, *lexicon.BEFORE, *lexicon.AFTER, *lexicon.OTHER, *lexicon.OTHER_TAILS)
    return sorted({word for frame in frames for word in re.sub(r"{\w+}", " ", frame).split()})
