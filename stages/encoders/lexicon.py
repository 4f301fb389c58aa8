"""Words of a vocabulary in the place of what CTC misspelt."""

from .letters import ALPHABET

NEAR = 0.5
"""A word is replaced by one that shares at least this part of its letters: 1 - Levenshtein distance / longer length."""
SINGLE = {"a", "i"}


class Lexicon:
    """Puts the nearest word of ``vocabulary`` where a text has a word that it lacks.

    ``vocabulary``: the pieces of a text encoder. Those that begin a word, are written as CTC writes and are no single
    letter but a and i count as words; a text encoder knows no other by its meaning.
    """

    def __init__(self, vocabulary: list[str]):
        letters = set(ALPHABET) - {" "}
        self.words = [word for word in vocabulary if set(word) <= letters and (len(word) > 1 or word in SINGLE)]
        self._found = {word: word for word in self.words}

    def nearest(self, word: str) -> str:
        """The word itself where it is known or nothing is near; of several as near the first of the vocabulary."""
        from rapidfuzz import distance, process

        if word not in self._found:
            similarity = distance.Levenshtein.normalized_similarity
            found = process.extractOne(word, self.words, scorer=similarity, score_cutoff=NEAR)
            self._found[word] = found[0] if found else word
        return self._found[word]

    def corrected(self, text: str) -> str:
        """Every word of ``text`` by :meth:`nearest`."""
        return " ".join(map(self.nearest, text.split()))
