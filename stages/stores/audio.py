"""The audio store: a corpus decoded once, 16 kHz mono int16, one flat dataset with offsets.

Layout (HDF5): ``samples`` int16 [total], ``offsets`` int64 [utterances + 1], ``utterances`` str [utterances],
``digests`` uint8 [utterances, 32] (SHA-256 of every utterance's samples, as in the manifest); attributes ``rate`` (Hz),
``content`` (see :func:`content`) and ``index`` (SHA-256 of all but the samples).
"""

import errno
import hashlib
import mmap
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np

from ..runtime import disk
from ..runtime.errors import UserError
from . import integrity

RATE = 16_000
"""Samples per second of everything downstream of ingest."""


_CHUNK = 1 << 20  # samples


class AudioWriter:
    """Appends utterances to a new store, a chunk at a time. Use it inside :func:`stages.runtime.disk.writing`.

    Whole chunks go past the kernel's page cache where the file system allows it: nobody reads them soon, and filling
    memory with them costs several times the writing. A thread waits for the disk while the next chunk is filled.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.file = h5py.File(path, "w", alignment_threshold=_CHUNK, alignment_interval=mmap.PAGESIZE)
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_chunk((_CHUNK,))
        layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        layout.set_obj_track_times(False)
        empty = h5py.h5s.create_simple((0,), (h5py.h5s.UNLIMITED,))
        self.samples = h5py.Dataset(h5py.h5d.create(self.file.id, b"samples", h5py.h5t.STD_I16LE, empty, layout))
        self.names: list[str] = []
        self.digests: list[str] = []
        self.offsets = [0]
        self._waiting, self._leaving = (np.frombuffer(mmap.mmap(-1, 2 * _CHUNK), np.int16) for _ in range(2))
        self._filled = 0
        self._thread = ThreadPoolExecutor(1)  # begins with the first chunk, after ingest has forked its workers
        self._written: Future = Future()
        self._written.set_result(None)

    def add(self, utterance: str, samples: np.ndarray, sha256: str) -> None:
        """Append one utterance: int16 [samples] at 16 kHz, and their :func:`digest`."""
        self.digests.append(sha256)
        self.offsets.append(self.offsets[-1] + len(samples))
        self.names.append(utterance)
        while len(samples):
            fits = min(len(samples), _CHUNK - self._filled)
            self._waiting[self._filled : self._filled + fits] = samples[:fits]
            self._filled += fits
            samples = samples[fits:]
            if self._filled == _CHUNK:
                self._write_chunk()

    def _write_chunk(self) -> None:
        disk.need_space(self.path.parent, self._waiting.nbytes)
        start = len(self.samples)
        self.samples.resize((start + _CHUNK,))
        place = self.samples.id.get_chunk_info_by_coord((start,)).byte_offset
        self._written.result()
        self._written = self._thread.submit(_write_past_cache, self.path, self._waiting, place)
        self._waiting, self._leaving = self._leaving, self._waiting
        self._filled = 0

    def flush(self) -> None:
        """Write the last, incomplete chunk; no utterance can be added after it."""
        if self._filled:
            self._waiting[self._filled :] = 0
            self._write_chunk()
        self._written.result()
        self.samples.resize((self.offsets[-1],))
        self.file.flush()

    def close(self) -> None:
        self.flush()
        self.file["offsets"] = np.asarray(self.offsets, np.int64)
        self.file["utterances"] = np.asarray(self.names, dtype=h5py.string_dtype())
        digests = np.frombuffer(bytes.fromhex("".join(self.digests)), np.uint8).reshape(-1, 32)
        self.file["digests"] = digests
        self.content = content(self.names, self.digests)
        about = {"rate": RATE, "content": self.content}
        index = integrity.index_digest(about, self.names, np.asarray(self.offsets, np.int64), digests)
        self.file.attrs.update(about, index=index)
        self.file.close()
        self._thread.shutdown()


def digest(samples: np.ndarray) -> str:
    """SHA-256 of int16 [samples], little-endian, as the manifest has it."""
    return hashlib.sha256(np.ascontiguousarray(samples, "<i2")).hexdigest()


def content(utterances: Iterable[str], digests: Iterable[str]) -> str:
    """What all audio of a corpus is known by: SHA-256 over the utterances and the digests of their samples."""
    whole = hashlib.sha256()
    for utterance, sha256 in zip(utterances, digests, strict=True):
        whole.update(f"{utterance}\t{sha256}\n".encode())
    return whole.hexdigest()


def _write_past_cache(path: Path, block: np.ndarray, place: int) -> None:
    """Write whole pages of memory at a place that is a multiple of the page size, past the page cache if possible."""
    try:
        written = _write(path, block, place, os.O_DIRECT)
    except OSError as failure:
        if failure.errno != errno.EINVAL:  # a file system that knows no direct writes
            raise
        written = _write(path, block, place, 0)
    if written < block.nbytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _write(path: Path, block: np.ndarray, place: int, flag: int) -> int:
    handle = os.open(path, os.O_WRONLY | flag)
    try:
        return os.pwrite(handle, block, place)
    finally:
        os.close(handle)


class AudioStore:
    """Read access by position or by utterance id; every utterance is proven by its digest when first read.

    Raises
    ------
    UserError
        The file is absent, truncated, damaged or not an audio store.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        try:
            self.file = h5py.File(path, "r")
            self.offsets = self.file["offsets"][:]
            self.utterances = [name.decode() for name in self.file["utterances"][:]]
            self._digests = self.file["digests"][:]
            about = dict(self.file.attrs)
            self.content, index = about["content"], about.pop("index")
            self.samples = self.file["samples"]
            if self.samples.shape != (self.offsets[-1],):
                raise KeyError("samples are missing")
            whole = integrity.index_digest(about, self.utterances, self.offsets, self._digests) == index
        except integrity.FAULTS as fault:
            raise UserError(f"{path}: not a whole audio store ({fault}); {integrity.REMEDY}") from None
        if not whole:
            raise integrity.damaged(path, "its index")
        self.position = {name: i for i, name in enumerate(self.utterances)}
        self.lengths = np.diff(self.offsets)
        self._proven = bytearray(len(self))

    def __len__(self) -> int:
        return len(self.utterances)

    def read(self, index: int | str) -> np.ndarray:
        """The waveform float32 [samples] in [-1, 1) of one utterance."""
        return self.raw(index).astype(np.float32) / 32768

    def raw(self, index: int | str) -> np.ndarray:
        """The waveform int16 [samples] of one utterance; a :class:`UserError` where it is not what was written."""
        i = self.position[index] if isinstance(index, str) else index
        try:
            samples = self.samples[self.offsets[i] : self.offsets[i + 1]]
        except OSError as fault:
            raise integrity.damaged(self.path, f"utterance {self.utterances[i]} ({fault})") from None
        if not self._proven[i]:
            if hashlib.sha256(samples).digest() != self._digests[i].tobytes():
                raise integrity.damaged(self.path, f"utterance {self.utterances[i]}")
            self._proven[i] = 1
        return samples

    def digests(self) -> list[str]:
        """SHA-256 of every utterance's samples, hexadecimal."""
        return [each.tobytes().hex() for each in self._digests]
