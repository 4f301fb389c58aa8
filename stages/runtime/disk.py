"""Files written completely or not at all, locks, free disk space, digests."""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import UserError

RESERVE = 8 << 20
REMEDIES = {
    errno.ENOSPC: "no space left on the disk: free some, then run again (finished work is kept)",
    errno.EDQUOT: "the disk quota is used up: free some, then run again (finished work is kept)",
    errno.EROFS: "this file system is read-only: choose a folder that can be written",
    errno.EACCES: "permission denied: make the folder writable for this user",
    errno.ENOTDIR: "a part of this path is a file, not a folder: choose another place",
    errno.EEXIST: "a file is in the way of this folder: move it, or choose another place",
    errno.EPERM: "not permitted: make the folder writable for this user",
}


@contextlib.contextmanager
def writing(path: Path | str):
    """Yield a temporary name beside ``path``; rename it there when the block ends well, else remove it.

    The output is locked meanwhile, so two processes never write the same file; a reader sees the old file, the
    new one or none, never half of one. What an earlier, killed run left under a temporary name is removed.

    Raises
    ------
    UserError
        Another live process is writing the same file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}."
    with locked(path):
        for stale in path.parent.glob(prefix + "*.part"):
            stale.unlink()
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except OSError as failure:
            if failure.filename is None and failure.errno in REMEDIES:
                failure.filename = str(path)
            raise
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path):
    """Hold a lock in the name of ``path`` for as long as the block runs.

    Raises
    ------
    UserError
        Another live process holds it.
    """
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"serpentine-locks-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    try:
        lock = FileLock(folder / name).acquire(blocking=False)
    except Timeout:
        raise UserError(f"{path}: another process is writing it; wait for that run or end it") from None
    with lock:
        yield


def need_space(folder: Path, size: int) -> None:
    """Refuse to write what the disk cannot hold: HDF5 cannot close a file on a full disk, and crashes at exit.

    Raises
    ------
    UserError
        Fewer than ``size`` bytes and a reserve of 8 MiB are free.
    """
    free = free_bytes(folder)
    if free < size:
        raise UserError(
            f"{folder}: no space left: {size / 1e6:.1f} MB are needed and {max(free, 0) / 1e6:.1f} MB free; free some,"
            " then run again"
        )


def free_bytes(folder: Path) -> int:
    """What may still be written to the disk of ``folder`` if the reserve is to stay."""
    return shutil.disk_usage(folder).free - RESERVE


def sha256(path: Path | str) -> str:
    """The hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
