"""The single raters of MSP-Podcast, from labels_detailed.csv in either of its forms, else from labels.txt.

Release 1.6 has a column per attribute; later ones a text ``EmoDetail`` such as
``WORKER0000001; Neutral; Neutral,Confused; A:1.000000; V:4.000000; D:1.000000;``. labels.txt has blocks of such lines.
"""

import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from sys import intern

from . import release
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
        for row in release.table(detailed, ("FileName",)):
            detail = row.get("EmoDetail") and ",".join([row["EmoDetail"], *row.get(None, ())])  # quoted or not
            rater = row.get("Workers") or row.get("WorkerID") or ""
            rating = _line(detail) if detail else _rating(rater, *(row.get(column) or "" for column in COLUMNS))
            by_turn[Path(row["FileName"]).stem] += [rating] if rating else []
    elif (blocks := labels / "labels.txt").is_file():
        turn = ""
        for line in release.text(blocks).splitlines():
            if line.startswith("MSP-"):
                turn = Path(line.partition(";")[0].strip()).stem
            elif rating := _line(line):
                by_turn[turn].append(rating)
    return by_turn


def _line(line: str) -> Rating | None:
    """The rating in a line; None if it has none."""
    parts = _WORKER.match(line.strip())
    return _rating(*parts.groups()) if parts else None


def _rating(rater: str, major: str, second: str, act: str, val: str, dom: str) -> Rating:
    return Rating(intern(rater), _classes(major), _secondary(second), _number(act), _number(val), _number(dom))


@cache
def _number(given: str) -> float | None:
    return release.number(given, "labels_detailed.csv")


@cache
def _classes(major: str) -> tuple[str, ...]:
    """The primary class; free text such as ``Other-annoyed`` is other."""
    return (_NAMES.get(major.strip().lower(), "other"),) if major.strip() else ()


@cache
def _secondary(second: str) -> tuple[str, ...]:
    """Secondary emotions as the release spells them, with hyphens for spaces; there are more of them than classes."""
    return tuple(intern("-".join(word.lower().split())) for word in second.split(",") if word.strip())
