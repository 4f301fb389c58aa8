"""What all readers of released corpora share: the result, the check for completeness, and tables.

A reader's ``utterances(settings, key)`` returns :class:`Found`. Anything that a
copy lacks or has beyond the release is a :class:`Departure`: it stops the run or, with ``partial: true``, is listed in
quarantine.csv.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..runtime.errors import UserError
from ..runtime.reporting import log


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

    Raises
    ------
    UserError
        There are no utterances, or a departure that ``partial`` does not allow.
    """
    if not rows:
        raise UserError(f"{key}.path: no labelled audio in {root}; give the release's folder")
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


def visible(paths: Iterable[Path]) -> list[Path]:
    """The paths, sorted, without hidden files such as the ``._*`` that macOS leaves behind."""
    return sorted(path for path in paths if not path.name.startswith("."))


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
    """A text file of a release, decoded as UTF-8, else as Latin-1."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def table(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Rows of a release's CSV by column, one at a time.

    Raises
    ------
    UserError
        The file is missing, lacks one of ``columns``, or a row has too few fields.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; copy it from the release")
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        for name in columns:
            if name not in (reader.fieldnames or ()):
                raise UserError(f"{path}: line 1: no column '{name}'; take the release's own file")
        for row in reader:
            if any(row[name] is None for name in columns):
                raise UserError(f"{path}: line {reader.line_num}: too few fields; take the release's own file")
            yield row


def number(given: str, where: str) -> float | None:
    """A number from a release's table; None if the field is empty.

    Raises
    ------
    UserError
        The field is not a number; ``where`` names it.
    """
    try:
        return float(given) if given.strip() else None
    except ValueError:
        raise UserError(f"{where}: '{given}' is not a number; take the release's own file") from None
