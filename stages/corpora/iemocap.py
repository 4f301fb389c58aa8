"""IEMOCAP: five dyadic sessions, ten actors, scripted and improvised (Busso et al. 2008).

``SessionN/dialog/EmoEvaluation/<dialogue>.txt`` has the labels, a block per turn: a header with the consensus, then per
rater a line ``C-<rater>`` with categories and a line ``A-<rater>`` with attributes (1-5). The files in Categorical/ and
Attribute/ repeat these lines. Raters E* are external and make the consensus; F1 and M1 are the speakers themselves, who
are in ratings.csv but do not vote. doi:10.1007/s10579-008-9076-6. Unverified: follows descriptions of the layout, as
the corpus is licensed.
"""

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Literal

from ..config.settings import Section, setting
from ..runtime.errors import UserError
from . import release
from .ratings import Rating, shares
from .release import Departure, Found, Places

EMOTIONS = {
    "ang": "angry",
    "hap": "happy",
    "exc": "excited",
    "sad": "sad",
    "neu": "neutral",
    "fru": "frustrated",
    "fea": "fearful",
    "sur": "surprised",
    "dis": "disgust",
    "oth": "other",
    "xxx": "",
}
"""By the consensus' code; ``xxx`` means no agreement."""
CLASSES = tuple(name for name in EMOTIONS.values() if name)
LICENCE = "licensed for research by the University of Southern California; cite Busso et al. 2008"
TURNS = 10_039
FOUR = {"Session1": 1085, "Session2": 1023, "Session3": 1151, "Session4": 1031, "Session5": 1241}
"""Turns labelled angry, happy (with excited), neutral or sad."""
OF_CLASS = {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}

_VALUE = r"(\d+(?:\.\d*)?)"
_TURN = re.compile(rf"\[{_VALUE} - {_VALUE}\]\t(\S+)\t(\w+)\t\[{_VALUE}, {_VALUE}, {_VALUE}\]")
_NAME = re.compile(r"(Ses0([1-5])[FM]_(\w+))_([FM])\d+")
_RATING = re.compile(r"([CA])-(\w+):\s*([^\t(]*)")
_ATTRIBUTE = re.compile(r"(val|act|dom)\s+(\d+(?:\.\d+)?)")
_SPOKEN = re.compile(r"(Ses\w+) \[[\d.]+-[\d.]+\]: *(.*)")
_TAG = re.compile(r"\[[^\]]*\]")


class Iemocap(Section):
    """The folder ``IEMOCAP_full_release`` with Session1 to Session5."""

    reader: Literal["iemocap"] = setting("how the corpus is laid out")
    path: str = setting("folder holding Session1 to Session5")
    partial: bool = setting("admit other counts than the release's, listed in quarantine.csv; refused else")


def provides(values: dict) -> set[str]:
    """The labels that the corpus has."""
    return {"speaker", "gender", "session", "text", "emotion", "arousal", "valence", "dominance"}


def places(settings: Iemocap) -> Places:
    """Turns, labels and transcripts of the sessions; videos and motion capture do not count."""
    root = release.root(settings.model_dump())
    parts = ("sentences/wav", "dialog/EmoEvaluation", "dialog/transcriptions")
    return Places(folders=tuple(root / f"Session{n}" / part for n in range(1, 6) for part in parts))


def utterances(settings: Iemocap, key: str) -> Found:
    """Every labelled turn that has audio.

    Columns beyond the manifest's: dialogue, scenario (script or improvisation), start and end in the dialogue (s),
    text_tagged (the transcript with tags such as [LAUGHTER]), votes_<class>, raters.

    Raises
    ------
    UserError
        The folder is missing, a label file has another format, a turn has two labels, or counts differ.
    """
    apply = "apply at https://sail.usc.edu/iemocap/iemocap_release.htm, then give the path of IEMOCAP_full_release"
    root = release.folder(settings.path, key, f"IEMOCAP is licensed: {apply}")
    audio = release.by_stem(release.sounds(root, "Session[1-5]/sentences/wav/*/*"), key)
    rows: dict[str, dict] = {}
    for path in release.visible(root.glob("Session[1-5]/dialog/EmoEvaluation/*.txt")):
        spoken = _transcripts(path.parents[1] / "transcriptions" / path.name)
        for row in _turns(path):
            if row["utterance"] in rows:
                raise UserError(f"{path}: {row['utterance']}: another file labels it too; keep one of them")
            rows[row["utterance"]] = row | _text(spoken.get(row["utterance"], ""))
    departures = [Departure(u, "", "labelled, but without audio") for u in sorted(set(rows) - set(audio))]
    departures += [Departure(u, str(audio[u]), "audio without a label") for u in sorted(set(audio) - set(rows))]
    rows = {name: row for name, row in rows.items() if name in audio}
    for name, row in rows.items():
        row["file"] = audio[name].relative_to(root).as_posix()
    layout = "Session1/sentences/wav/DIALOGUE/*.wav"
    return release.whole(rows, audio, departures, _counts(rows), settings.partial, key, root, layout=layout)


def _counts(rows: dict[str, dict]) -> dict[str, tuple[int, int]]:
    merged = {name: "happy" if row["emotion"] == "excited" else row["emotion"] for name, row in rows.items()}
    four = Counter(rows[name]["session"] for name, emotion in merged.items() if emotion in OF_CLASS)
    classes = Counter(merged.values())
    counts = {f"{session}, four classes": (four[session], count) for session, count in FOUR.items()}
    counts |= {f"class {name}": (classes[name], count) for name, count in OF_CLASS.items()}
    return counts | {"turns": (len(rows), TURNS)}


def _turns(path: Path):
    """Rows from the blocks of a label file."""
    for block in re.split(r"\n\s*\n", release.text(path).replace("\r\n", "\n")):
        lines = block.strip("\n").split("\n")
        if not lines[0].startswith("["):
            continue
        turn = _TURN.match(lines[0])
        name = turn and _NAME.fullmatch(turn[3])
        if not name or turn[4] not in EMOTIONS:
            raise UserError(f"{path}: '{lines[0][:80]}' is not a turn of IEMOCAP; take the release's own file")
        ratings = _ratings(lines[1:])
        yield {
            "utterance": turn[3],
            "speaker": f"Ses0{name[2]}{name[4]}",
            "gender": {"F": "female", "M": "male"}[name[4]],
            "session": f"Session{name[2]}",
            "dialogue": name[1],
            "scenario": name[3],
            "start": turn[1],
            "end": turn[2],
            "emotion": EMOTIONS[turn[4]],
            **{dimension: float(turn[i]) for i, dimension in ((6, "arousal"), (5, "valence"), (7, "dominance"))},
            **shares((rating.emotion for rating in ratings if rating.rater.startswith("E")), CLASSES),
            "ratings": ratings,
        }


def _ratings(lines: list[str]) -> list[Rating]:
    by_rater: dict[str, dict] = defaultdict(dict)
    for line in lines:
        if rating := _RATING.match(line):
            kind, rater, values_text = rating.groups()
            if kind == "C":
                words = (word.strip().lower()[:3] for word in values_text.split(";") if word.strip())
                by_rater[rater]["emotion"] = tuple(dict.fromkeys(EMOTIONS.get(word) or "other" for word in words))
            else:
                values = {name: float(value) for name, value in _ATTRIBUTE.findall(values_text)}
                dimensions = {"act": "arousal", "val": "valence", "dom": "dominance"}
                by_rater[rater] |= {dimensions[name]: value for name, value in values.items()}
    return [Rating(rater, **by_rater[rater]) for rater in sorted(by_rater)]


def _transcripts(path: Path) -> dict[str, str]:
    lines = release.text(path).splitlines() if path.is_file() else []
    return {spoken[1]: spoken[2].strip() for line in lines if (spoken := _SPOKEN.match(line))}


def _text(tagged: str) -> dict[str, str]:
    return {"text": " ".join(_TAG.sub(" ", tagged).split()), "text_tagged": tagged}
