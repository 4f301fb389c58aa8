"""What single raters said: a table beside the manifest, one row per utterance and rater, and the shares of votes.

``ratings.csv`` has the columns RATING_COLUMNS; ``emotion`` holds the classes that a rater chose, ``also`` those named
as secondary, both parted by blanks. The manifest has the soft labels: ``votes_<class>`` and ``raters``.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from .manifest import cell

RATING_COLUMNS = ("utterance", "rater", "emotion", "also", "arousal", "valence", "dominance")


class Rating(NamedTuple):
    """One rater's judgement of one utterance, numbers in the corpus' own units."""

    rater: str
    emotion: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    arousal: float | None = None
    valence: float | None = None
    dominance: float | None = None


def shares(votes: Iterable[Sequence[str]], classes: Sequence[str]) -> dict[str, float | int | None]:
    """``votes_<class>`` of every class and ``raters``, how many voted.

    Every rater has one vote, split evenly over the classes that the rater chose; one who chose none does not vote.
    Where nobody voted, the shares are unknown.
    """
    given = [tuple(chosen) for chosen in votes if chosen]
    total: dict[str, float] = dict.fromkeys(classes, 0.0)
    for chosen in given:
        for name in chosen:
            total[name] += 1 / len(chosen)
    found = {f"votes_{name}": round(total[name] / len(given), 6) if given else None for name in classes}
    return found | {"raters": len(given)}


def write_ratings(path: Path | str, ratings: Iterable[tuple[str, Rating]]) -> None:
    """Write (utterance, rating) pairs in their order; a corpus without ratings gets the header alone."""
    with open(path, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(RATING_COLUMNS)
        for utterance, rating in ratings:
            numbers = (cell(rating.arousal), cell(rating.valence), cell(rating.dominance))
            writer.writerow([utterance, rating.rater, " ".join(rating.emotion), " ".join(rating.also), *numbers])
