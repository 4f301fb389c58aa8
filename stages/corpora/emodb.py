"""EMO-DB, the Berlin database: ten actors, ten sentences, seven emotions (Burkhardt et al. 2005).

``wav/03a01Fa.wav`` names speaker, sentence, the emotion's German letter, and version. Sentences and speakers follow the
documentation of audformat. Open, CC BY 4.0: emodb.zip of Zenodo record 7447302 (release 1.3.0) has these wav files.
Unverified: follows descriptions of the layout.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Literal

from ..config.settings import Section, setting
from ..runtime.errors import UserError
from . import csv_file, release
from .fetch import Archive
from .release import Found, Places

EMOTIONS = dict(zip("WLEAFTN", ("angry", "bored", "disgust", "fearful", "happy", "sad", "neutral"), strict=True))
COUNTS = {"angry": 127, "bored": 81, "disgust": 46, "fearful": 69, "happy": 71, "sad": 62, "neutral": 79}
CLIPS = 535
OF_SPEAKER = {"03": 49, "08": 58, "09": 43, "10": 38, "11": 55, "12": 35, "13": 61, "14": 69, "15": 56, "16": 71}
"""Clips by speaker, from memory; they add up to the release's count."""
SPEAKERS = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
AGES = dict(zip(SPEAKERS, (31, 34, 21, 32, 26, 30, 32, 35, 25, 31), strict=True))
MEN = ("03", "10", "11", "12", "15")
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute Abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hoch getragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
LICENCE = "Creative Commons Attribution 4.0 (CC BY 4.0); cite Burkhardt et al. 2005"

_NAME = re.compile(r"(\d\d)([ab]\d\d)([A-Z])([a-z])")


class Emodb(Section):
    """The folder that holds ``wav/``, at any depth."""

    reader: Literal["emodb"] = setting("how the corpus is laid out")
    path: str = setting("folder holding wav/*.wav; downloaded there from the archives if absent")
    archives: list[Archive] = setting("where to download it from; [] for never")
    partial: bool = setting("admit other counts than the release's, listed in quarantine.csv; refused else")


def provides(values: dict) -> set[str]:
    """The labels that the corpus has."""
    return {"speaker", "gender", "text", "emotion"}


def places(settings: Emodb) -> Places:
    """The whole folder: files may lie at any depth."""
    return Places(folders=(release.root(settings.model_dump()),))


def utterances(settings: Emodb, key: str) -> Found:
    """Every clip. Columns beyond the manifest's: sentence, version, age, and recognised (the share of 20 listeners who
    recognised the acted emotion), if the copy has erkennung.txt (unverified: read as audformat does).

    Raises
    ------
    UserError
        The folder is missing, a file name is not of EMO-DB, or the counts differ from the release's.
    """
    root = release.folder(settings.path, key, "unpack emodb.zip of Zenodo record 7447302 there")
    audio = release.by_stem(release.sounds(root, "**/wav/*"), key)
    shares = {name: share for path in release.visible(root.rglob("erkennung.txt")) for name, share in _recognised(path)}
    rows = {name: _row(name, path, root) | {"recognised": shares.get(name)} for name, path in audio.items()}
    classes = Counter(row["emotion"] for row in rows.values())
    counts = {f"class {name}": (classes[name], count) for name, count in COUNTS.items()} | {"clips": (len(rows), CLIPS)}
    return release.whole(rows, audio, (), counts, settings.partial, key, root, layout="wav/*.wav")


def _row(name: str, path: Path, root: Path) -> dict:
    parts = _NAME.fullmatch(name)
    if not parts or parts[1] not in AGES or parts[2] not in SENTENCES or parts[3] not in EMOTIONS:
        raise UserError(f"{path}: not an EMO-DB file name; move the file out of the folder wav")
    return {
        "utterance": name,
        "speaker": parts[1],
        "gender": "male" if parts[1] in MEN else "female",
        "text": SENTENCES[parts[2]],
        "emotion": EMOTIONS[parts[3]],
        "sentence": parts[2],
        "version": parts[4],
        "age": AGES[parts[1]],
        "file": path.relative_to(root).as_posix(),
    }


def _recognised(path: Path):
    """(clip, share) from the tab-separated table with the columns Satz and erkannt (per cent, decimal comma)."""
    lines = [(i, line.split("\t")) for i, line in enumerate(release.text(path).splitlines(), 1) if line.strip()]
    header = [name.strip() for name in lines[0][1]] if lines else []
    for i, line in lines[1:]:
        values = dict(zip(header, (value.replace("\xa0", "").strip() for value in line), strict=False))
        if values.get("Satz") and values.get("erkannt"):
            heard = csv_file.number(values["erkannt"].replace(",", "."), f"{path}: line {i}: erkannt", release.OWN)
            yield Path(values["Satz"]).stem, round(heard / 100, 6)
