"""What the readers of released corpora share: their result, the proof that the release is whole, and its tables.

A reader's ``utterances(settings, key)`` returns :class:`Found`. What a release should hold and a folder lacks (or
holds beyond it) is a :class:`Departure`: it stops the run, or, with ``partial: true``, stands in quarantine.csv.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..runtime.errors import UserError
from ..runtime.reporting import log


class Departure(NamedTuple):
    """Something that is otherwise than in the release; without an utterance it is about the whole corpus."""

    utterance: str
    file: str
    reason: str


class Found(NamedTuple):
    """Rows of labels sorted by utterance, the audio file of each (none for a synthetic corpus), and departures.

    A row holds ``file``, the audio's path below the corpus' folder (:func:`root`), and may hold ``ratings``, a list of
    :class:`stages.corpora.ratings.Rating`, which goes to ratings.csv.
    """

    rows: list[dict]
    files: list[Path]
    departures: Sequence[Departure] = ()


class Places(NamedTuple):
    """Where a reader looks; what is not in these places changes nothing that it reads."""

    files: tuple[Path, ...] = ()
    """Files of labels."""
    folders: tuple[Path, ...] = ()
    """Folders whose listing counts, at any depth."""
    named: Path | None = None
    """The folder of the audio, where labels name each file, so that others in it do not count."""
    optional: tuple[Path, ...] = ()
    """Those of ``files`` and ``folders`` that not every copy of the release has."""


def root_key(reader: str) -> str:
    """The key of a corpus' entry that names the folder with its recordings."""
    return "audio" if reader == "table" else "path"


def root(values: dict) -> Path:
    """The folder that ``file`` of a corpus' rows is relative to, from its entry in ``corpora:``."""
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
    """The result of a reader, once the release is proven whole or ``partial`` admits what it is not.

    Parameters
    ----------
    rows, files
        By utterance.
    departures
        Faults of this copy.
    counts
        What is counted: (found, in the release).
    known
        Faults of the release itself, left out of every copy and only listed.

    Raises
    ------
    UserError
        No utterances at all, or a departure that ``partial`` does not admit.
    """
    if not rows:
        raise UserError(f"{key}.path: {root} holds no labelled audio; point it at the release's folder")
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
        One name in two places.
    """
    found: dict[str, Path] = {}
    for path in visible(paths):
        if path.stem in found:
            raise UserError(f"{path}: the same clip as {found[path.stem]}; point {key}.path at one copy")
        found[path.stem] = path
    return found


def folder(path: str, key: str, remedy: str) -> Path:
    """The folder of a release.

    Raises
    ------
    UserError
        It is not there; ``remedy`` says where it is to be had.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise UserError(f"{key}.path: no folder {root}; {remedy}")
    return root


def text(path: Path) -> str:
    """A text file of a release, whatever its encoding: UTF-8, else Latin-1."""
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
        It is not there, lacks one of ``columns``, or a row has too few fields.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; it belongs to the release, add it")
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
    """A number of a release's table; None where the field is empty.

    Raises
    ------
    UserError
        It is none, with ``where``.
    """
    try:
        return float(given) if given.strip() else None
    except ValueError:
        raise UserError(f"{where}: '{given}' is not a number; take the release's own file") from None
