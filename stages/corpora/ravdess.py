"""RAVDESS, speech and optionally song: the file names hold all labels.

``Actor_NN/03-01-06-01-02-01-12.wav`` names modality (03 audio only), channel (01 speech, 02 song), emotion, intensity,
statement, repetition and actor (odd: male, even: female). Livingstone and Russo 2018, doi:10.1371/journal.pone.0196391;
Zenodo record 1188976, which publishes the archives' digests. 1,440 speech files, 60 by each of 24 actors; 1,012 song
files, 44 by each actor but the 18th. There is no strong neutral, and nobody sings disgust or surprise. The speech
part is verified; the song part is unverified and follows descriptions.
"""

import itertools
import re
from pathlib import Path
from typing import Literal

from ..config.settings import Section, setting
from ..runtime.errors import UserError
from . import release
from .fetch import Archive
from .release import Departure, Found, Places

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SUNG = 6
"""The first so many emotions are also sung."""
STATEMENTS = ("Kids are talking by the door", "Dogs are sitting by the door")
INTENSITIES = ("normal", "strong")
CHANNELS = {"01": "speech", "02": "song"}
ACTORS = tuple(f"{n:02d}" for n in range(1, 25))
MUTE = "18"
"""The actor without songs."""
LICENCE = "Creative Commons BY-NC-SA 4.0, not for commercial use; cite Livingstone and Russo 2018"
_NAME = re.compile(r"(\d\d)-(\d\d)-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")


class Ravdess(Section):
    """The folder that holds ``Actor_01`` to ``Actor_24``, at any depth, as WAV or FLAC."""

    reader: Literal["ravdess"] = setting("how the corpus is laid out")
    path: str = setting("folder holding Actor_NN/*.wav or *.flac, at any depth; downloaded there if absent")
    song: bool = setting("take the 1,012 songs in as well")
    archives: list[Archive] = setting("where to download it from; [] for never")
    partial: bool = setting("admit a part of the files, listed in quarantine.csv; refused else")


def provides(values: dict) -> set[str]:
    """The labels that the corpus has."""
    return {"speaker", "gender", "text", "emotion"}


def expected(song: bool = False) -> list[str]:
    """The names, without suffix, of all 1,440 speech files, and of the 1,012 songs."""
    names = []
    for channel, emotion, actor in itertools.product((1, 2) if song else (1,), range(1, 9), ACTORS):
        if channel == 2 and (emotion > SUNG or actor == MUTE):
            continue
        intensities = (1,) if emotion == 1 else (1, 2)
        for intensity, statement, repetition in itertools.product(intensities, (1, 2), (1, 2)):
            names.append(f"03-0{channel}-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor}")
    return sorted(names)


def places(settings: Ravdess) -> Places:
    """The whole folder: files may lie at any depth."""
    return Places(folders=(release.root(settings.model_dump()),))


def utterances(settings: Ravdess, key: str) -> Found:
    """Every clip; it skips video, and song unless ``song`` is true.

    Columns beyond the manifest's: channel, intensity, sentence (01 or 02), repetition.

    Raises
    ------
    UserError
        The folder is missing, a file name has another pattern, a clip occurs twice, or files differ from the release.
    """
    unpack = "unpack Audio_Speech_Actors_01-24.zip of Zenodo record 1188976 there"
    root = release.folder(settings.path, key, unpack)
    clips = release.sounds(root, "**/Actor_[0-9][0-9]/*", (".wav", ".flac"))
    files: dict[str, Path] = {}
    for name, path in release.by_stem(clips, key).items():
        parts = _NAME.fullmatch(name)
        if not parts or path.parent.name[-2:] != parts[7]:
            raise UserError(f"{path}: not a RAVDESS file name of this actor; move the file out of {key}.path")
        if parts[1] == "03" and (parts[2] == "01" or (parts[2] == "02" and settings.song)):
            files[name] = path
    names = set(expected(settings.song))
    departures = [Departure(name, "", "is missing") for name in sorted(names - set(files))]
    departures += [Departure(name, str(files[name]), "is not part of it") for name in sorted(set(files) - names)]
    rows = {name: _row(path, root) for name, path in files.items()}
    counts, layout = {"files": (len(files), len(names))}, "Actor_NN/*.wav or *.flac"
    return release.whole(rows, files, departures, counts, settings.partial, key, root, layout=layout)


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
        "sentence": statement,
        "repetition": repetition,
        "file": path.relative_to(root).as_posix(),
    }
