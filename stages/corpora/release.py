"""What all readers of released corpora share: the result, the check for completeness, and tables.

A reader's ``utterances(settings, key)`` returns :class:`Found`. Anything that a
copy lacks or has beyond the release is a :class:`Departure`: it stops the run or, with ``partial: true``, is listed in
quarantine.csv.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from ..runtime.errors import UserError
from ..runtime.reporting import log
from . import csv_file

OWN = csv_file.RELEASE


class Departure(NamedTuple):
    """A difference from the release; without an utterance it concerns the whole corpus."""

    utterance: str
    file: str
    reason: str


class Found(NamedTuple):
    """Rows of labels sorted by utterance, the audio file of each (none for a synthetic corpus), and departures.

    A row has ``file``, the audio's path below the corpus' folder (:func:`root`), and optionally ``ratings``, a list of
    :class:`stages.corpora.ratings.Rating` for ratings.csv.
    """

    rows: list[dict]
    files: list[Path]
    departures: Sequence[Departure] = ()
    places: Mapping[str, str] = MappingProxyType({})
    """Where the labels of an utterance stand, as ``mine.csv: line 3``; without an entry its name says it."""


class Places(NamedTuple):
    """The files and folders that a reader uses; nothing else affects its result."""

    files: tuple[Path, ...] = ()
    """Label files."""
    folders: tuple[Path, ...] = ()
    """Folders whose listing counts, at any depth."""
    named: Path | None = None
    """The audio folder, if the labels name each file; other files in it do not count."""
    optional: tuple[Path, ...] = ()
    """Those of ``files`` and ``folders`` that a copy may lack."""


def root_key(reader: str) -> str:
    """The key in a corpus' entry that names the folder of recordings."""
    return "audio" if reader == "table" else "path"


def root(values: dict) -> Path:
    """The folder that the column ``file`` is relative to, from the corpus' entry in ``corpora:``."""
    return Path(values["path"] if "path" in values else values["audio"]).expanduser()


def whole(
    rows: dict[str, dict],
    files: dict[str, Path],
    departures: Iterable[Departure],
    counts: dict[str, tuple[int, int]],
    partial: bool,
    key: str,
    root: Path,
    known: Sequence[Departure] = (),
    layout: str = "",
) -> Found:
    """The result of a reader, after the check that the release is complete or ``partial`` allows the differences.

    Parameters
    ----------
    rows, files
        By utterance.
    departures
        Differences of this copy.
    counts
        {what is counted: (in this copy, in the release)}.
    known
        Faults of the release itself: excluded from every copy and only listed.
    layout
        Where the recordings lie below ``root``, for a message.

    Raises
    ------
    UserError
        There are no utterances, or a departure that ``partial`` does not allow.
    """
    if not rows:
        wanted = f" as {layout}" if layout else ""
        raise UserError(f"{key}.path: no labelled audio in {root}{wanted}{_elsewhere(root)}")
    faults = list(departures)
    for what, (found, expected) in counts.items():
        if found != expected:
            faults.append(Departure("", str(root), f"{what}: {found:,} where the release has {expected:,}"))
    if faults and not partial:
        first = "; ".join(f"{fault.utterance} {fault.reason}".strip() for fault in (*faults[:2], *faults[2:][-1:]))
        raise UserError(
            f"{root}: {len(faults)} departures from the release ({first}); complete the corpus, or set "
            f"{key}.partial: true, which lists them all in quarantine.csv"
        )
    if faults:
        log.warning("%s: %d departures from the release are listed in quarantine.csv", root, len(faults))
    names = sorted(rows)
    return Found([rows[name] for name in names], [files[name] for name in names], sorted([*known, *faults]))


def _elsewhere(root: Path) -> str:
    """What to do where no recording is found: where some lie that have no place in the layout."""
    sounds = (path for path in root.rglob("*") if path.suffix.lower() in SOUNDS and not path.name.startswith("."))
    first = next(sounds, None)
    if first is None:
        return "; give the release's folder"
    return f"; there is {first}: move the recordings as the release lays them out, or give the folder above them"


SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".aif", ".aiff")
"""Suffixes of recordings, in small letters."""


def visible(paths: Iterable[Path]) -> list[Path]:
    """The paths, sorted, without hidden files such as the ``._*`` that macOS leaves behind."""
    return sorted(path for path in paths if not path.name.startswith("."))


def sounds(root: Path, pattern: str, suffixes: Sequence[str] = (".wav",)) -> Iterator[Path]:
    """Files of ``pattern`` below ``root`` whose suffix is one of ``suffixes``, in capitals or not."""
    return (path for path in root.glob(pattern) if path.suffix.lower() in suffixes)


def by_stem(paths: Iterable[Path], key: str) -> dict[str, Path]:
    """Visible audio files by their name without suffix.

    Raises
    ------
    UserError
        Two files have the same name.
    """
    by_name: dict[str, Path] = {}
    for path in visible(paths):
        if path.stem in by_name:
            raise UserError(f"{path}: the same clip as {by_name[path.stem]}; give a folder with one copy in {key}.path")
        by_name[path.stem] = path
    return by_name


def folder(path: str, key: str, remedy: str) -> Path:
    """The folder of a release.

    Raises
    ------
    UserError
        The folder is missing; ``remedy`` says where to get it.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise UserError(f"{key}.path: no folder {root}; {remedy}")
    return root


def text(path: Path) -> str:
    """A text file of a release, decoded as UTF-8 or, where it begins so, UTF-16, else as Latin-1.

    Raises
    ------
    UserError
        The file is a pointer of Git LFS.
    """
    csv_file.refuse_pointer(path)
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, csv_file.Record]]:
    """The rows of a release's CSV, one at a time, each after its place for messages: file and line.

    Raises
    ------
    UserError
        The file is missing, lacks one of ``columns``, or a row has too few fields.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; copy it from the release")
    for record in csv_file.records(path, columns, OWN, loose=True):
        yield f"{path}: line {record.line}", record
