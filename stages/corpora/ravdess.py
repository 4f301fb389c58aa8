"""RAVDESS, speech and where asked for song: everything stands in the file names.

``Actor_NN/03-01-06-01-02-01-12.wav`` is modality (03 audio only), channel (01 speech, 02 song), emotion, intensity,
statement, repetition and actor (odd: male, even: female). Livingstone and Russo 2018, doi:10.1371/journal.pone.0196391;
Zenodo record 1188976. 1,440 speech files, 60 by each of 24 actors; there is no strong neutral. 1,012 song files, 44 by
each actor but 18, without disgust and surprise.
"""

import itertools
import re
from pathlib import Path
from typing import Literal

from stages.errors import UserError
from stages.settings import Section, setting

LICENCE = "Creative Commons BY-NC-SA 4.0; cite Livingstone and Russo 2018"
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
STATEMENTS = ("Kids are talking by the door", "Dogs are sitting by the door")
INTENSITIES = ("normal", "strong")
CHANNELS = {"01": "speech", "02": "song"}
ACTORS = tuple(f"{n:02d}" for n in range(1, 25))
_NAME = re.compile(r"(\d\d)-(\d\d)-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")


class Ravdess(Section):
    """The folder that holds ``Actor_01`` to ``Actor_24``, at any depth, as WAV or FLAC."""

    reader: Literal["ravdess"] = setting("ravdess", "how the corpus is laid out")
    path: str = setting("corpora/ravdess", "folder holding Actor_NN/*.wav or *.flac, searched in its subfolders")
    song: bool = setting(False, "read the 1,012 song files too (column channel: speech or song)")
    partial: bool = setting(False, "admit a part of the 1,440 speech files; anything but the whole is refused else")


def expected(song: bool = False) -> list[str]:
    """The names, without suffix, of all 1,440 speech files, with ``song`` of the 1,012 song files too."""
    names = []
    for channel, emotion, actor in itertools.product((1, 2) if song else (1,), range(1, 9), ACTORS):
        if channel == 2 and (emotion > 6 or actor == "18"):
            continue
        intensities = (1,) if emotion == 1 else (1, 2)
        for intensity, statement, repetition in itertools.product(intensities, (1, 2), (1, 2)):
            names.append(f"03-{channel:02d}-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor}")
    return sorted(names)


def utterances(settings: Ravdess, key: str) -> tuple[list[dict], list[Path]]:
    """Rows of labels and the audio file of each, sorted by utterance; video, and song unless asked for, is passed over.

    Raises
    ------
    UserError
        No such folder, a name out of the pattern, one clip found twice, or not the release's files.
    """
    root = Path(settings.path).expanduser()
    if not root.is_dir():
        raise UserError(
            f"{key}.path: no folder {root}; unpack Audio_Speech_Actors_01-24.zip of Zenodo record 1188976 there"
        )
    found: dict[str, Path] = {}
    for path in sorted(root.rglob("Actor_[0-9][0-9]/*")):
        if path.suffix.lower() not in (".wav", ".flac") or path.name.startswith("."):
            continue
        parts = _NAME.fullmatch(path.stem)
        if not parts or path.parent.name[-2:] != parts[7]:
            raise UserError(f"{path}: not a RAVDESS name of this actor; move the file out of {key}.path")
        if parts[1] != "03" or parts[2] not in CHANNELS or (parts[2] == "02" and not settings.song):
            continue
        if path.stem in found:
            raise UserError(f"{path}: the same clip as {found[path.stem]}; point {key}.path at one copy")
        found[path.stem] = path
    if not found:
        raise UserError(f"{key}.path: no Actor_NN/*.wav or *.flac under {root}; point it at the unpacked corpus")
    whole = set(expected(settings.song))
    if not settings.partial and whole != set(found):
        missing, extra = sorted(whole - set(found)), sorted(set(found) - whole)
        first = f"{missing[0]} is missing" if missing else f"{extra[0]} is not part of it"
        kind = "speech and song" if settings.song else "speech"
        raise UserError(
            f"{root}: {len(found)} {kind} files where RAVDESS has {len(whole)} ({first}); "
            f"complete the corpus, or set {key}.partial: true"
        )
    return [_row(found[name], root) for name in sorted(found)], [found[name] for name in sorted(found)]


def _row(path: Path, root: Path) -> dict:
    _, channel, emotion, intensity, statement, repetition, actor = path.stem.split("-")
    return {
        "utterance": path.stem,
        "speaker": actor,
        "gender": "male" if int(actor) % 2 else "female",
        "text": STATEMENTS[int(statement) - 1],
        "emotion": EMOTIONS[int(emotion) - 1],
        "channel": CHANNELS[channel],
        "intensity": INTENSITIES[int(intensity) - 1],
        "statement": statement,
        "repetition": repetition,
        "file": path.relative_to(root).as_posix(),
    }
