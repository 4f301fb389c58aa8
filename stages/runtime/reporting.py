"""The log that every stage writes, and progress on a terminal."""

import logging
import sys

log = logging.getLogger("serpentine")


def progress(items, what: str, total: int | None = None):
    """Iterate over ``items`` with a progress bar on a terminal, in silence elsewhere."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=what, total=total, console=Console(stderr=True), transient=True)
