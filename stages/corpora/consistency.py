"""What no table may say by mistake: one label or person under two names, a person of two sexes.

Every reader's rows go through this. Names that differ only in case, blanks, leading zeros or Unicode form (``Angry``
and ``angry``, ``01`` and ``1``) would otherwise be two classes, or one person in training and test.
"""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, get_args

from ..runtime.errors import UserError
from .csv_file import alike

Name = Literal["speaker", "session", "dialogue", "emotion", "split"]
NAMES: tuple[str, ...] = get_args(Name)
"""Columns whose values are names of classes, people or groups."""
DISTINCT = "columns whose names may differ only in case, blanks, leading zeros or Unicode form; [] for none"
"""The meaning of the key ``distinct`` of a user's own corpus."""


def refuse_doubles(pairs: Iterable[tuple[str, str]], column: str, remedy: str) -> None:
    """Refuse values that are the same but for case, blanks, leading zeros or Unicode form.

    Parameters
    ----------
    pairs
        Every value with the place where it stands; empty values do not count.

    Raises
    ------
    UserError
        Two values are so much alike; the message names all such groups, each value with its first place.
    """
    spelt: dict[str, dict[str, str]] = {}
    first: dict[str, str] = {}
    for value, place in pairs:
        if value and value not in first:
            first[value] = place
            spelt.setdefault(alike(value), {})[value] = place
    doubles = [values for values in spelt.values() if len(values) > 1]
    if doubles:
        groups = "; ".join(" and ".join(_shown(*pair, values) for pair in values.items()) for values in doubles)
        raise UserError(
            f"{column}: {groups} differ only in case, blanks, leading zeros or Unicode form; write them alike{remedy}"
        )


def _shown(value: str, place: str, values: dict[str, str]) -> str:
    """A value with its place; by its code points where it looks the same as another."""
    looks = unicodedata.normalize("NFC", value)
    same = sum(unicodedata.normalize("NFC", other) == looks for other in values) > 1
    return f"{ascii(value) if same else repr(value)} ({place})"


def two_sexes(rows: Sequence[dict], place: Callable[[dict], str]) -> str:
    """Who is given as both sexes, with a place for each; empty if nobody is."""
    given: dict[str, dict[str, str]] = {}
    for row in rows:
        if row.get("speaker") and row.get("gender"):
            given.setdefault(row["speaker"], {}).setdefault(row["gender"], place(row))
    both = {speaker: sexes for speaker, sexes in given.items() if len(sexes) > 1}
    return "; ".join(
        f"speaker {speaker} is " + " and ".join(f"{sex} ({where})" for sex, where in sexes.items())
        for speaker, sexes in both.items()
    )
