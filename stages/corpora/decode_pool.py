"""Decode files one after the other, or in several processes that share memory with this one."""

import dataclasses
import itertools
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..runtime import pool
from .audio_file import Decoded, attempted

_CHUNK = 16  # files handed to a process at once
_AHEAD = 3  # chunks per process that are being decoded or wait for the consumer
_ROOM = 1 << 23  # samples in a chunk's room: nine minutes; only used memory is allocated


def decode_all(
    files: Sequence[tuple[str, Path]], processes: int, silence_peak: float, min_seconds: float
) -> Iterator[Decoded]:
    """Decode (utterance, path) pairs, in ``processes`` forked processes if more than one; in the order of ``files``.

    It uses processes because threads would wait for Python's lock between calls of libsndfile. The memory of an
    utterance's samples is used again: they are valid until the next utterance is requested. So memory use stays flat,
    however slow the consumer is.

    Raises
    ------
    UserError
        A process was killed from outside.
    """
    import numpy as np

    if processes == 1 or len(files) <= _CHUNK:
        room = np.empty(_ROOM, np.int16)
        for utterance, path in files:
            yield attempted(utterance, path, silence_peak, min_seconds, room)
        return
    rooms = [np.frombuffer(mmap.mmap(-1, 2 * _ROOM), np.int16) for _ in range(_AHEAD * processes)]

    def decode_chunk(room: int, start: int) -> list[tuple[Decoded, slice | None]]:
        """The utterances of a chunk without samples, and where the room has the samples (None: not in it)."""
        done, free = [], rooms[room]
        for utterance, path in files[start : start + _CHUNK]:
            each, place = attempted(utterance, path, silence_peak, min_seconds, free), None
            if each.samples is not None and np.may_share_memory(each.samples, free):
                begin, length = len(rooms[room]) - len(free), len(each.samples)
                each, place = dataclasses.replace(each, samples=None), slice(begin, begin + length)
                free = free[length:]
            done.append((each, place))
        return done

    pieces = zip(itertools.cycle(range(len(rooms))), range(0, len(files), _CHUNK), strict=False)
    chunks = pool.in_order(decode_chunk, pieces, processes, len(rooms), "ingest.workers")
    for room, chunk in zip(itertools.cycle(rooms), chunks, strict=False):
        for each, place in chunk:
            yield dataclasses.replace(each, samples=room[place]) if place else each
