"""CREMA-D: 91 actors, twelve sentences, acted emotion and the votes of some 2,400 raters (Cao et al. 2014).

``AudioWAV/1001_DFA_ANG_XX.wav`` names actor, sentence, acted emotion and level. doi:10.1109/TAFFC.2014.2336244; ODbL
1.0; github.com/CheyneyComputerScience/CREMA-D, which keeps its audio in Git LFS. No archive with a published digest is
known, so nothing is downloaded. Unverified: follows descriptions of the layout.
"""

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Literal

from ..config.settings import Section, setting
from ..runtime.errors import UserError
from . import csv_file, release
from .fetch import Archive
from .ratings import Rating, shares
from .release import Departure, Found, Places

EMOTIONS = {"A": "angry", "D": "disgust", "F": "fearful", "H": "happy", "N": "neutral", "S": "sad"}
"""By the letter in the vote tables: the first of the three letters in the file name."""
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": ""}
CLIPS, ACTORS = 7442, 91
MISSPELT = {"1040_ITH_SAD_X": "1040_ITH_SAD_XX"}
SILENT = {"1076_MTI_SAD_XX": "no signal in the release itself"}
MODES = {1: "voice", 2: "face", 3: "audiovisual"}
"""What raters saw and heard, by the first digit of a vote's id."""

_NAME = re.compile(r"(1\d{3})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX)")


class CremaD(Section):
    """A clone of the repository: AudioWAV/, VideoDemographics.csv and processedResults/."""

    reader: Literal["crema-d"] = setting("how the corpus is laid out")
    path: str = setting("folder holding AudioWAV; downloaded there from the archives if absent")
    label: Literal["acted", "voice", "face", "audiovisual"] = setting(
        "column that is the emotion: what was acted, or the majority of those who heard, saw, or did both"
    )
    archives: list[Archive] = setting("where to download it from; none is known, give your own mirror's")
    partial: bool = setting("admit other counts than the release's, listed in quarantine.csv; refused else")


LICENCE = "Open Database License 1.0 (ODbL); cite Cao et al. 2014"


def provides(values: dict) -> set[str]:
    """The labels that the corpus has."""
    return {"speaker", "gender", "text", "emotion"}


def places(settings: CremaD) -> Places:
    """The clips, the actors' demographics, the votes, and the single answers if the copy has them."""
    root = release.root(settings.model_dump())
    names = ("VideoDemographics.csv", "processedResults/tabulatedVotes.csv", "finishedResponses.csv")
    files = tuple(root / name for name in names)
    return Places(files, (root / "AudioWAV",), optional=files[2:])


def utterances(settings: CremaD, key: str) -> Found:
    """Every clip but the one without signal.

    Columns beyond the manifest's: sentence, intensity, acted, voice, face and audiovisual (the majority of each kind of
    rater, empty for a tie), votes_<class> and raters (audio-only raters), age, race, ethnicity.

    Raises
    ------
    UserError
        The folder is missing, a name or table has another format, the audio is Git LFS pointers, or counts differ.
    """
    clone = "clone github.com/CheyneyComputerScience/CREMA-D with git-lfs there, or give an archive in archives:"
    root = release.folder(settings.path, key, clone)
    clips = release.by_stem(release.sounds(root, "AudioWAV/*"), key)
    audio = {MISSPELT.get(name, name): path for name, path in clips.items()}
    for path in list(audio.values())[:1]:
        csv_file.refuse_pointer(path)
    people = _people(root / "VideoDemographics.csv")
    votes = _votes(root / "processedResults" / "tabulatedVotes.csv")
    ratings = _ratings(root)
    known = [Departure(name, str(audio[name]), reason) for name, reason in SILENT.items() if name in audio]
    departures = [Departure(name, "", "has votes, but no audio") for name in sorted(set(votes) - set(audio))]
    departures += [Departure(name, str(audio[name]), "has no votes") for name in sorted(set(audio) - set(votes))]
    rows = {}
    for name in sorted(set(audio) - set(SILENT)):
        rows[name] = _row(name, votes[name], people, settings.label, audio[name], root)
        rows[name]["ratings"] = ratings.get(name, [])
    actors = len({row["speaker"] for row in rows.values()})
    counts = {"clips": (len(audio), CLIPS), "actors": (actors, ACTORS)}
    return release.whole(rows, audio, departures, counts, settings.partial, key, root, known, "AudioWAV/*.wav")


def _row(name: str, votes: dict[str, Counter], people: dict, label: str, path: Path, root: Path) -> dict:
    parts = _NAME.fullmatch(name)
    if not parts or parts[2] not in SENTENCES:
        raise UserError(f"{path}: not a CREMA-D file name; move the file out of AudioWAV")
    person = people.get(parts[1])
    if person is None:
        raise UserError(f"{root / 'VideoDemographics.csv'}: no actor {parts[1]}; take the release's own file")
    voice_votes = [(EMOTIONS[letter],) for letter, count in votes["voice"].items() for _ in range(count)]
    labels = {"acted": EMOTIONS[parts[3][0]]} | {mode: _majority(votes[mode]) for mode in MODES.values()}
    return {
        "utterance": name,
        "speaker": parts[1],
        "gender": person["Sex"],
        "text": SENTENCES[parts[2]],
        "emotion": labels[label],
        "sentence": parts[2],
        "intensity": LEVELS[parts[4]],
        **labels,
        **shares(voice_votes, tuple(EMOTIONS.values())),
        **{name.lower(): person.get(name) or "" for name in ("Age", "Race", "Ethnicity")},
        "file": path.relative_to(root).as_posix(),
    }


def _people(path: Path) -> dict[str, dict[str, str]]:
    """The demographics of every actor, the sex as ours."""
    people = {}
    for where, record in release.table(path, ("ActorID", "Sex")):
        sex = csv_file.gender(record.fields["Sex"], f"{where}: Sex", release.OWN)
        people[record.fields["ActorID"]] = record.fields | {"Sex": sex}
    return people


def _majority(votes: Counter) -> str:
    best = votes.most_common(2)
    if not best or best[0][1] == 0 or (len(best) > 1 and best[1][1] == best[0][1]):
        return ""
    return EMOTIONS[best[0][0]]


def _votes(path: Path) -> dict[str, dict[str, Counter]]:
    """Votes by clip and kind of rater."""
    votes: dict[str, dict[str, Counter]] = defaultdict(lambda: defaultdict(Counter))
    for where, record in release.table(path, (*EMOTIONS, "fileName")):
        row = record.fields
        first, number = next(iter(row.items()))
        mode = MODES.get(csv_file.count(number, f"{where}: {first or 'first field'}", release.OWN) // 100_000)
        if mode is None:
            raise UserError(f"{where}: {number} does not begin with a kind of rater (1, 2, 3); {release.OWN}")
        counted = {letter: csv_file.count(row[letter], f"{where}: {letter}", release.OWN) for letter in EMOTIONS}
        name = Path(row["fileName"]).stem
        votes[MISSPELT.get(name, name)][mode].update(counted)
    return votes


def _ratings(root: Path) -> dict[str, list[Rating]]:
    """Audio-only raters, from finishedResponses.csv if it exists; unverified, includes distracted answers."""
    path, ratings = root / "finishedResponses.csv", defaultdict(list)
    if path.is_file():
        columns = ("sessionNums", "queryType", "clipName", "respEmo")
        for _, (_, row, _) in release.table(path, columns):
            name, letter = Path(row["clipName"]).stem, row["respEmo"][:1]
            if row["queryType"] == "1" and letter in EMOTIONS:
                ratings[MISSPELT.get(name, name)].append(Rating(row["sessionNums"], (EMOTIONS[letter],)))
    return ratings
