"""The log that every stage writes, and what it shows of its progress."""

import logging
import sys
from time import monotonic

log = logging.getLogger("serpentine")
EVERY = 30.0
"""Seconds between two lines of progress where standard error is no terminal."""
_job = ""


def named(job: str) -> None:
    """Say what this process does, as its lines of progress name it."""
    global _job
    _job = job


def begins() -> None:
    """Show that a long job begins; a process without a name shows nothing."""
    if _job:
        print(f"{_job:<61} begins", file=sys.stderr, flush=True)


def progress(items, what: str, total: int | None = None):
    """Iterate over ``items`` with a bar on a terminal; elsewhere with a line every :data:`EVERY` seconds."""
    if not sys.stderr.isatty():
        yield from told(items, what, total)
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=what, total=total, console=Console(stderr=True), transient=True)


def told(items, what: str, total: int | None = None):
    """Iterate over ``items`` with a line every :data:`EVERY` seconds, in silence on a terminal: a bar is there."""
    if sys.stderr.isatty():
        yield from items
        return
    if total is None and hasattr(items, "__len__"):
        total = len(items)
    began = told = monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = monotonic()
        if now - told < EVERY or done == total:
            continue
        told, name = now, f"{_job}: {what}" if _job and what not in _job else _job or what
        left = f" of {total}, some {_lasts((now - began) / done * (total - done))} left" if total else ""
        print(f"{name}: {done}{left}, {_lasts(now - began)} gone", file=sys.stderr, flush=True)


def _lasts(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
