"""MSP-Podcast, releases 1.6, 1.10, 1.11 and 1.12 (Lotfian and Busso 2019, doi:10.1109/TAFFC.2017.2736999).

A release has Audios/, Labels/, Transcripts/ and Partitions.txt. Release 1.12 also has the labels of earlier releases
(``Previous_releases_information/previous_releases_info/v1.6/label/``) and the files removed since
(``.../files_removed_from_prev_versions/``), so it can serve as an earlier release. Unverified: follows the layout in
public code and in the release's readme, as the corpus is licensed.
"""

from collections import Counter
from pathlib import Path
from typing import Literal

from ..config.settings import Section, setting
from ..runtime.errors import UserError
from . import csv_file, msp_raters, release
from .msp_raters import CLASSES
from .ratings import Rating, shares
from .release import Departure, Found, Places

EMOTIONS = dict(zip("ASHUFDCNOX", (*CLASSES, ""), strict=True))
"""By the consensus' code; X means no agreement."""
LICENCE = "licensed by the University of Texas at Dallas; cite Lotfian and Busso 2019"
SPLITS = {
    "1.6": {"Train": 34_280, "Development": 5_958, "Test1": 10_124},
    "1.10": {"Train": 63_076, "Development": 10_999, "Test1": 16_903, "Test2": 13_289},
    "1.11": {"Train": 84_030, "Development": 19_815, "Test1": 30_647, "Test2": 14_815, "Test3": 2_347},
}
"""Turns: 1.6 from Srinivasan 2022, 1.11 from the corpus' page; 1.10 is unverified."""
TURNS = {"1.6": 50_362, "1.10": 104_267, "1.11": 151_654, "1.12": 207_136}
COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
OLD = "Previous_releases_information"
LABELS, PARTITIONS = ("Labels", "labels", "label"), ("Partitions.txt", "Partition.txt")
CONSENSUS = ("labels_consensus.csv", "labels_concensus.csv")
"""Their names differ between releases."""


class MspPodcast(Section):
    """The folder of a release, or of 1.12 to rebuild an earlier one from."""

    reader: Literal["msp-podcast"] = setting("how the corpus is laid out")
    path: str = setting("folder holding Audios and Labels")
    version: Literal["1.6", "1.10", "1.11", "1.12"] = setting("release whose labels and splits are read")
    partial: bool = setting("admit other counts than the release's, listed in quarantine.csv; refused else")


def provides(values: dict) -> set[str]:
    """The labels that the corpus has."""
    return {"speaker", "gender", "text", "emotion", "arousal", "valence", "dominance", "split"}


def places(settings: MspPodcast) -> Places:
    """Audio, labels, transcripts and partition; for an earlier release its labels and the files removed since."""
    root = release.root(settings.model_dump())
    old = [
        root / OLD / "previous_releases_info" / f"v{settings.version}",
        root / OLD / "files_removed_from_prev_versions",
    ]
    files = tuple(root / name for name in PARTITIONS)
    folders = [root / "Transcripts", *(root / name for name in LABELS), *old]
    return Places(files, (root / "Audios", *folders), optional=(*files, *folders))


def utterances(settings: MspPodcast, key: str) -> Found:
    """Every turn of the release that has audio; ``split`` comes from the release.

    Turns that only the partition lists (Test3) have no labels. Columns beyond the manifest's: votes_<class> (from
    the raters' primary classes), raters, consensus (the release's code, X for no agreement).

    Raises
    ------
    UserError
        The folder or this version's labels are missing, a table has another format, or counts differ.
    """
    page = "http://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html"
    root = release.folder(settings.path, key, f"MSP-Podcast is licensed: apply at {page}, then give its folder")
    labels = _labels(root, settings.version, key)
    removed = release.sounds(root / OLD / "files_removed_from_prev_versions", "*/*")
    audio = {path.stem: path for path in release.visible(removed)} if labels.parent != root else {}
    audio |= {path.stem: path for path in release.visible(release.sounds(root, "Audios/*"))}
    ratings = msp_raters.ratings(labels)
    rows, places = {}, {}
    for where, record in release.table(next(_existing(labels, CONSENSUS)), COLUMNS):
        name = Path(record.fields["FileName"]).stem
        rows[name], places[name] = _row(name, record.fields, ratings.get(name, []), where), where
    for name, split in _partition(labels, root).items():
        unlabelled = {"utterance": name, "split": split} | shares((), CLASSES)
        rows.setdefault(name, unlabelled | {"speaker": "", "gender": ""})
    missing = f"in release {settings.version}, but without audio"
    departures = [Departure(name, "", missing) for name in set(rows) - set(audio)]
    present = {name: row for name, row in rows.items() if name in audio}
    for name, row in present.items():
        transcript = root / "Transcripts" / f"{name}.txt"
        row["text"] = " ".join(release.text(transcript).split()) if transcript.is_file() else ""
        row["file"] = audio[name].relative_to(root).as_posix()
    split = Counter(row["split"] for row in present.values())
    counts = {f"split {name}": (split[name], count) for name, count in SPLITS.get(settings.version, {}).items()}
    counts["turns"] = (len(present), TURNS[settings.version])
    found = release.whole(present, audio, departures, counts, settings.partial, key, root, layout="Audios/*.wav")
    return found._replace(places=places)


def _existing(folder: Path, names: tuple[str, ...]):
    return (folder / name for name in names if (folder / name).is_file())


def _labels(root: Path, version: str, key: str) -> Path:
    """The folder with the labels of ``version``: those kept for earlier releases first, then the release's own."""
    old = root / OLD / "previous_releases_info" / f"v{version}"
    tried = [base / name for base in (old, root) for name in LABELS]
    for folder in tried:
        if next(_existing(folder, CONSENSUS), None):
            return folder
    raise UserError(
        f"{key}.path: no labels_consensus.csv of release {version} in {tried[0]} or {tried[3]}; correct {key}.version"
    )


def _row(name: str, row: dict[str, str], ratings: list[Rating], where: str) -> dict:
    if row["EmoClass"] not in EMOTIONS:
        raise UserError(f"{where}: EmoClass: '{row['EmoClass']}' is not one of {' '.join(EMOTIONS)}; {release.OWN}")
    return {
        "utterance": name,
        "speaker": csv_file.identity(row["SpkrID"]),
        "gender": csv_file.gender(row["Gender"], f"{where}: Gender"),
        "emotion": EMOTIONS[row["EmoClass"]],
        **{
            column: csv_file.number(row[given], f"{where}: {given}", release.OWN)
            for column, given in (("arousal", "EmoAct"), ("valence", "EmoVal"), ("dominance", "EmoDom"))
        },
        "split": row["Split_Set"].replace("Validation", "Development"),
        "consensus": row["EmoClass"],
        **shares((rating.emotion for rating in ratings), CLASSES),
        "ratings": ratings,
    }


def _partition(labels: Path, root: Path) -> dict[str, str]:
    """The split of each turn, from lines such as ``Test3; MSP-PODCAST_test3_0001.wav`` of the partition file."""
    path = next(_existing(root, PARTITIONS), None) if labels.parent == root else None
    pairs = (line.split(";") for line in release.text(path).splitlines()) if path else ()
    return {Path(pair[1].strip()).stem: pair[0].strip() for pair in pairs if len(pair) == 2}
