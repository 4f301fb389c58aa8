"""What every stage script shares as a process: arguments, log, errors in one line, a clean death.

A script ends with::

    if __name__ == "__main__":
        jobs.run(main, __doc__, arguments)

where ``arguments`` adds the script's own options to a parser and ``main`` takes the parsed namespace.
"""

import argparse
import contextlib
import ctypes
import errno
import fcntl
import hashlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from stages.errors import UserError

log = logging.getLogger("serpentine")
RESERVE = 8 << 20

_REMEDIES = {
    errno.ENOSPC: "no space left on the disk: free some, then run again (finished work is kept)",
    errno.EDQUOT: "the disk quota is used up: free some, then run again (finished work is kept)",
    errno.EROFS: "this file system is read-only: choose a folder that can be written",
    errno.EACCES: "permission denied: make the folder writable for this user",
    errno.ENOTDIR: "a part of this path is a file, not a folder: choose another place",
    errno.EEXIST: "a file is in the way of this folder: move it, or choose another place",
    errno.EPERM: "not permitted: make the folder writable for this user",
}


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux), so that no orphan goes on writing.

    A parent may also die before this is asked for; Snakemake's is known from the environment (see the Snakefile).
    """
    if sys.platform == "linux":
        parent = int(os.environ.pop("SERPENTINE_PARENT", os.getppid()))
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def keep_memory() -> None:
    """Have glibc keep what is freed, up to a gigabyte and in pieces of up to 32 MB, for what is asked for next.

    By default it gives large pieces back at once, and the kernel enters every page of them anew: an encoder's forward
    pass in batches then takes up to one and a half times as long, the decoding of a WAV one and a third.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "mallopt"):
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD, bytes
        libc.mallopt(-3, 1 << 25)  # M_MMAP_THRESHOLD, bytes; glibc takes no more


def run(main, doc: str, arguments) -> None:
    """Parse the command line, run ``main`` and turn a user's mistake into one line and exit status 1.

    The whole traceback goes to the log file named by ``--log``; without one it goes to standard error.
    """
    die_with_parent()
    keep_memory()
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", default="params.yaml", help="the parameter file (default: params.yaml)")
    parser.add_argument("--log", type=Path, help="write the log, with full tracebacks, to this file")
    arguments(parser)
    args = parser.parse_args()
    logging.captureWarnings(True)
    log.setLevel(logging.INFO)
    try:
        if args.log:
            args.log.parent.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(args.log, mode="w")
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            log.addHandler(handler)
            logging.getLogger("py.warnings").addHandler(handler)
        console = logging.StreamHandler(sys.stderr)
        console.setLevel(logging.WARNING if args.log else logging.INFO)
        console.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(console)
        started = time.perf_counter()
        log.info("%s", " ".join(sys.orig_argv[1:]))
        main(args)
        seconds = time.perf_counter() - started
        log.info("done after %.1f s", seconds)
        place = "study" if getattr(args, "study", "") else "corpus"
        keys = (place, "name", "system", "encoder", "source", "protocol")
        words = [str(value) for key in keys if isinstance(value := getattr(args, key, None), str)]
        if args.log and words:
            print(f"{sys.orig_argv[2].rpartition('.')[2]:<10} {' '.join(words):<50} {seconds:6.1f} s", file=sys.stderr)
    except UserError as mistake:
        _fail(str(mistake))
    except OSError as failure:
        if failure.errno not in _REMEDIES:
            _fail_unexpectedly(failure)
        _fail(f"{failure.filename or getattr(args, 'out', 'output')}: {_REMEDIES[failure.errno]}")
    except Exception as failure:
        _fail_unexpectedly(failure)


def _fail(line: str) -> None:
    """End with one line on standard error; the log gets the traceback too."""
    files = [handler for handler in log.handlers if isinstance(handler, logging.FileHandler)]
    for handler in files:
        handler.stream.write(traceback.format_exc() + f"error: {line}\n")
    print(f"error: {line}", file=sys.stderr)
    sys.exit(1)


def _fail_unexpectedly(failure: Exception) -> None:
    """A fault of ours: without a log file the traceback goes to standard error."""
    if not any(isinstance(handler, logging.FileHandler) for handler in log.handlers):
        raise failure
    where = next(handler.baseFilename for handler in log.handlers if isinstance(handler, logging.FileHandler))
    _fail(f"{type(failure).__name__}: {failure} (a fault of the program: the traceback is in {where})")


def use_threads(count: int) -> None:
    """Fix the number of threads of every numeric library to ``count``: one and two threads round differently."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[name] = str(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


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
            if failure.filename is None and failure.errno in _REMEDIES:
                failure.filename = str(path)
            raise
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path):
    """Hold a lock in the name of ``path``; another live process that asks for it is refused."""
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"serpentine-locks-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    with open(folder / name, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{path}: another process is writing it; wait for that run or end it") from None
        yield


def progress(items, what: str, total: int | None = None):
    """Iterate over ``items`` with a progress bar on a terminal, in silence elsewhere."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=what, total=total, console=Console(stderr=True), transient=True)


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
