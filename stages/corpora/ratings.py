"""Single raters' judgements (a table beside the manifest, one row per utterance and rater), and the shares of votes.

``ratings.csv`` has the columns RATING_COLUMNS; ``emotion`` has the classes that a rater chose, ``also`` the
secondary ones, both separated by spaces. The manifest has the soft labels: ``votes_<class>`` and ``raters``.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .manifest import cell

RATING_COLUMNS = ("utterance", "rater", "emotion", "also", "arousal", "valence", "dominance")


class Rating(NamedTuple):
    """One rater's judgement of one utterance, numbers in the corpus' units."""

    rater: str
    emotion: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    arousal: float | None = None
    valence: float | None = None
    dominance: float | None = None

    def cells(self) -> list[str]:
        """The cells of its row in ratings.csv after the utterance."""
        numbers = (cell(self.arousal), cell(self.valence), cell(self.dominance))
        return [self.rater, " ".join(self.emotion), " ".join(self.also), *numbers]


def shares(votes: Iterable[Sequence[str]], classes: Sequence[str]) -> dict[str, float | int | None]:
    """``votes_<class>`` for every class, and ``raters``: how many voted.

    Every rater has one vote, split evenly over the chosen classes; a rater without a choice does not vote. If nobody
    voted, the shares are unknown.
    """
    given = [tuple(chosen) for chosen in votes if chosen]
    total: dict[str, float] = dict.fromkeys(classes, 0.0)
    for chosen in given:
        for name in chosen:
            total[name] += 1 / len(chosen)
    share_of = {f"votes_{name}": round(total[name] / len(given), 6) if given else None for name in classes}
    return share_of | {"raters": len(given)}
