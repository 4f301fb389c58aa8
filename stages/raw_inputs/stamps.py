"""Stamps of raw files at the last check: size and times show which files must be read again.

A stamp is the text ``SIZE MTIME CTIME`` (bytes, nanoseconds). Programs cannot set an inode's change time, so a
copy that keeps its date is noticed too. Stamps can be deleted: everything is then read and hashed again.
"""

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..runtime import disk
from ..runtime.errors import UserError
from ..runtime.reporting import progress

SETTLED_NS = 2_000_000_000
"""A file that changed more recently may change again within the clock's resolution, so its stamp is not kept."""
ABSENT = "-"
_THREADS = 4


@dataclass
class Stamps:
    """The record of an inventory between two checks.

    Attributes
    ----------
    key : str
        Digest of settings and code that determine the inventory.
    written : dict
        {path of a table of the inventory: its stamp without CTIME, which a link changes}.
    files : dict
        {path of a raw file: its stamp}; :data:`ABSENT` for a missing label file.
    digests : dict
        {path: SHA-256} of the raw files whose digests are in the inventory.
    """

    key: str = ""
    written: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


def load(path: Path) -> Stamps:
    """The stamps that :func:`save` wrote; empty if the file is missing or incomplete."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as handle:
            lines = handle.read().split("\n")
    except FileNotFoundError:
        return Stamps()
    if lines.pop() or len(lines) < 2:
        return Stamps()
    stamps = Stamps(lines[0])
    try:
        count = int(lines[1])
        for line in lines[2 : 2 + count]:
            stamp, name = line.split("\t", 1)
            stamps.written[name] = stamp
        for line in lines[2 + count :]:
            stamp, digest, name = line.split("\t", 2)
            stamps.files[name] = stamp
            if digest:
                stamps.digests[name] = digest
    except ValueError:
        return Stamps()
    return stamps


def save(path: Path, stamps: Stamps) -> None:
    """Save the stamps; files that changed just now, or whose names have line breaks, will be read again."""
    moment = time.time_ns() - SETTLED_NS
    lines = [stamps.key, str(len(stamps.written)), *(f"{stamp}\t{name}" for name, stamp in stamps.written.items())]
    for name, stamp in stamps.files.items():
        if "\n" not in name:
            kept = stamp if stamp == ABSENT or max(map(int, stamp.split(" ")[1:])) < moment else "0"
            lines.append(f"{kept}\t{stamps.digests.get(name, '')}\t{name}")
    with disk.writing(path) as temporary:
        temporary.write_text("\n".join([*lines, ""]), encoding="utf-8", errors="surrogateescape", newline="\n")


def of_output(path: str | Path) -> str:
    """The stamp of an inventory's table."""
    return _of(path).rpartition(" ")[0]


def look(files: Iterable[str | Path], folders: Iterable[str | Path]) -> dict[str, str]:
    """The stamps of ``files``, existing or not, and of every visible file below ``folders``."""
    found = {str(path): _of(path) for path in files}
    for folder in folders:
        found.update(_walk(str(folder), set()))
    return found


def _of(path: str | Path) -> str:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _walk(folder: str, above: set[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """Follow links, except those that lead back to a folder ``above``."""
    try:
        status = os.stat(folder)
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    inner = above | {(status.st_dev, status.st_ino)}
    if len(inner) == len(above):
        return
    with entries:
        for entry in entries:
            if entry.name[0] == ".":
                continue
            if entry.is_dir():
                yield from _walk(entry.path, inner)
                continue
            try:
                status = entry.stat()
            except FileNotFoundError:  # a broken link, or removed just now
                yield entry.path, ABSENT
            else:
                yield entry.path, f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


class Digests:
    """SHA-256 of files; only files with a new stamp are opened."""

    def __init__(self, before: Stamps, now: Stamps, what: str):
        self.before, self.now, self.what = before, now, what

    def __call__(self, paths: list[str]) -> list[tuple[str, str]]:
        """(bytes, SHA-256) of each path, also recorded in ``now``.

        Raises
        ------
        UserError
            A file is missing or cannot be read.
        """
        kept, stamps = self.before, self.now.files
        stamps.update((path, _of(path)) for path in paths if path not in stamps)
        new = [path for path in paths if path not in kept.digests or kept.files[path] != stamps[path]]
        self.now.digests = {path: kept.digests[path] for path in paths if path in kept.digests}
        with ThreadPoolExecutor(_THREADS) as pool:
            hashed = zip(new, progress(pool.map(_sha256, new), f"inventory of {self.what}", len(new)), strict=True)
            self.now.digests.update(hashed)
        return [(stamps[path].partition(" ")[0], self.now.digests[path]) for path in paths]


def _sha256(path: str) -> str:
    try:
        return disk.sha256(path)
    except OSError as fault:
        raise UserError(f"{path}: cannot be read ({fault.strerror}); make it readable, then run again") from None
