"""Several processes for one job: independent pieces of work side by side, each computed as in a single process."""

import collections
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from . import process
from .errors import UserError


def side_by_side(work: Callable[..., Any], pieces: list[tuple], count: int) -> Iterator[tuple]:
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
    with _forked(work, count, "train.workers") as pool:
        running = {pool.submit(_call, piece): piece for piece in pieces}
        for done in as_completed(running):
            done.result()
            yield running[done]


def in_order(work: Callable[..., Any], pieces: Iterable[tuple], count: int, ahead: int, setting: str) -> Iterator[Any]:
    """What ``work(*piece)`` gives for every piece, in their order, from ``count`` forked processes.

    A piece is handed out only when the consumer is done with what the ``ahead``-th piece before it gave, so that
    pieces can take turns at ``ahead`` places in memory. ``setting`` is the parameter behind ``count``.

    Raises
    ------
    UserError
        A process was killed from outside.
    Exception
        Whatever ``work`` raised first.
    """
    with _forked(work, count, setting) as pool:
        waiting: collections.deque = collections.deque()
        for piece in pieces:
            waiting.append(pool.submit(_call, piece))
            if len(waiting) == ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_work: Callable[..., Any]
"""Inherited by the fork: a closure cannot be sent."""


@contextlib.contextmanager
def _forked(work: Callable[..., Any], count: int, setting: str):
    """A pool whose processes know ``work``; at the end all of them end, and what has not begun is dropped."""
    global _work
    _work = work
    os.environ["SERPENTINE_PARENT"] = str(os.getpid())
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("fork"), _begin)
    try:
        yield pool
    except BrokenProcessPool:
        raise UserError(f"a worker was killed, most likely for want of memory; lower {setting}") from None
    finally:
        pool.shutdown(cancel_futures=True)
        del os.environ["SERPENTINE_PARENT"]


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one answers it
    process.die_with_parent()


def _call(piece: tuple) -> Any:
    return _work(*piece)
