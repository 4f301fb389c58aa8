"""The single raters of MSP-Podcast, from labels_detailed.csv in either of its forms, else from labels.txt.

Release 1.6 has a column per attribute; later ones a text ``EmoDetail`` such as
``WORKER0000001; Neutral; Neutral,Confused; A:1.000000; V:4.000000; D:1.000000;``. labels.txt has blocks of such lines.
"""

import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from sys import intern

from . import csv_file, release
from .ratings import Rating

CLASSES = ("angry", "sad", "happy", "surprised", "fearful", "disgust", "contempt", "neutral", "other")
COLUMNS = ("EmoClass_Major", "EmoClass_Second", "EmoAct", "EmoVal", "EmoDom")

_WORKER = re.compile(r"(WORKER\w+);\s*(.*?);\s*(.*?);?\s*A:([\d.]+);\s*V:([\d.]+);\s*D:([\d.]+)")
_CHOICES = ("angry", "sad", "happy", "surprise", "fear", "disgust", "contempt", "neutral", "other")
_NAMES = dict(zip(_CHOICES, CLASSES, strict=True))


def ratings(labels: Path) -> dict[str, list[Rating]]:
    """Ratings by turn, from the folder ``labels`` of a release; empty if it has neither file."""
    by_turn: dict[str, list[Rating]] = defaultdict(list)
    if (detailed := labels / "labels_detailed.csv").is_file():
        for where, (_, row, surplus) in release.table(detailed, ("FileName",)):
            detail = row.get("EmoDetail") and ",".join([row["EmoDetail"], *surplus])  # quoted or not
            rater = row.get("Workers") or row.get("WorkerID") or ""
            given = [row.get(column, "") for column in COLUMNS]
            rating = _line(detail, where) if detail else _rating(rater, *given, where)
            by_turn[Path(row["FileName"]).stem] += [rating] if rating else []
    elif (blocks := labels / "labels.txt").is_file():
        turn = ""
        for i, line in enumerate(release.text(blocks).splitlines(), 1):
            if line.startswith("MSP-"):
                turn = Path(line.partition(";")[0].strip()).stem
            elif rating := _line(line, f"{blocks}: line {i}"):
                by_turn[turn].append(rating)
    return by_turn


def _line(line: str, where: str) -> Rating | None:
    """The rating in a line; None if it has none."""
    parts = _WORKER.match(line.strip())
    return _rating(*parts.groups(), where) if parts else None


def _rating(rater: str, major: str, second: str, act: str, val: str, dom: str, where: str) -> Rating:
    numbers = (_numbers.get(given) or _number(given, where) for given in (act, val, dom))
    return Rating(intern(rater), _classes(major), _secondary(second), *numbers)


_numbers: dict[str, float] = {}
"""The numbers of the texts seen: there are millions of ratings, and few values."""


def _number(given: str, where: str) -> float | None:
    value = csv_file.number(given, where, release.OWN)
    if value is not None:
        _numbers[given] = value
    return value


@cache
def _classes(major: str) -> tuple[str, ...]:
    """The primary class; free text such as ``Other-annoyed`` is other."""
    return (_NAMES.get(major.strip().lower(), "other"),) if major.strip() else ()


@cache
def _secondary(second: str) -> tuple[str, ...]:
    """Secondary emotions as the release spells them, with hyphens for spaces; there are more of them than classes."""
    return tuple(intern("-".join(word.lower().split())) for word in second.split(",") if word.strip())
