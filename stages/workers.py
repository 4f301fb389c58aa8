"""Several processes for one job: independent pieces of work side by side, each process as one alone would be."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from stages import jobs
from stages.errors import UserError


def side_by_side(work: Callable[..., None], pieces: list[tuple], count: int) -> Iterator[tuple]:
    """Call ``work(*piece)`` for every piece in ``count`` forked processes; yields each piece when it is done.

    The processes share what was opened and imported before, and die with this one. What ``work`` gives back is lost:
    it leaves its result in a file.

    Raises
    ------
    UserError
        A process was killed from outside.
    Exception
        Whatever ``work`` raised first; pieces not yet begun are dropped.
    """
    global _work
    _work = work
    os.environ["SERPENTINE_PARENT"] = str(os.getpid())
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("fork"), _begin)
    try:
        running = {pool.submit(_call, piece): piece for piece in pieces}
        for done in as_completed(running):
            done.result()
            yield running[done]
    except BrokenProcessPool:
        raise UserError("a worker was killed, most likely for want of memory; lower train.workers") from None
    finally:
        pool.shutdown(cancel_futures=True)
        del os.environ["SERPENTINE_PARENT"]


_work: Callable[..., None]
"""Inherited by the fork: a closure cannot be sent."""


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one answers it
    jobs.die_with_parent()


def _call(piece: tuple) -> None:
    _work(*piece)
