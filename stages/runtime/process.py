"""What every stage script shares: arguments, the log, one-line errors, no orphans.

A script ends with::

    if __name__ == "__main__":
        process.run(main, __doc__, arguments)

where ``arguments`` adds the script's own options to a parser and ``main`` takes the parsed namespace.
"""

import argparse
import ctypes
import logging
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from . import reporting
from .declared_reads import SETTINGS, restrict
from .disk import REMEDIES
from .errors import UserError
from .reporting import log

LONG = ("ingest", "transcribe", "pretrain", "features", "adapt", "retrain", "robustness")
"""Stages that may take minutes or hours, whatever they are asked for; they say when they begin."""


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
    parser.add_argument("--params", default=SETTINGS, help=f"the settings, JSON or YAML (default: {SETTINGS})")
    parser.add_argument("--reads", nargs="*", metavar="KEY", help="the settings that may be read (default: all)")
    parser.add_argument("--log", type=Path, help="write the log, with full tracebacks, to this file")
    arguments(parser)
    args = parser.parse_args()
    restrict(args.reads)
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
        stage, job = sys.orig_argv[2].rpartition(".")[2], _job(args)
        if args.log and job:
            reporting.named(f"{stage:<10} {job}")
            if stage in LONG:
                reporting.begins()
        main(args)
        seconds = time.perf_counter() - started
        log.info("done after %.1f s", seconds)
        if args.log and job:
            print(f"{stage:<10} {job:<50} {seconds:6.1f} s", file=sys.stderr)
    except UserError as mistake:
        _fail(str(mistake))
    except OSError as failure:
        if failure.errno not in REMEDIES:
            _fail_unexpectedly(failure)
        _fail(f"{failure.filename or getattr(args, 'out', 'output')}: {REMEDIES[failure.errno]}")
    except Exception as failure:
        _fail_unexpectedly(failure)


def _job(args) -> str:
    """What a stage works on: its study or corpus, system, encoder."""
    place = "study" if getattr(args, "study", "") else "corpus"
    keys = (place, "name", "system", "encoder", "source", "protocol")
    return " ".join(str(value) for key in keys if isinstance(value := getattr(args, key, None), str))


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
