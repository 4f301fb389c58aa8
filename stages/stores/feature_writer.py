"""Writing a feature store, or a shard of one; its layout stands in :mod:`stages.stores.features`."""

import ctypes
import errno
import json
import os
import time
from pathlib import Path

import h5py
import numpy as np

from ..runtime import disk
from ..runtime.errors import UserError
from . import integrity
from .features import index_of

MARK_SECONDS = 5.0


class NotFinite(ValueError):
    """A value to be stored is NaN or infinite."""


class FeatureWriter:
    """Fills a new store in any order of utterances, or resumes a store that a killed run left.

    The empty store is laid out first; frames are then written at their places past HDF5, so that a process that dies
    leaves a sound file. What is in it is noted beside it (``PATH.marks``) as often as every five seconds.

    Parameters
    ----------
    frames
        Frames of every utterance [utterances].
    widths
        Width of every layer, by its name.
    plan
        Digest of all that the values depend on. A file with the same digest is resumed, any other is replaced.
    others, written
        Frames of the other shards that the same disk is to hold, and the bytes of them that it holds already.

    Raises
    ------
    UserError
        The disk cannot hold the store, all its shards together.
    """

    def __init__(
        self,
        path: Path | str,
        utterances: list[str],
        frames: np.ndarray,
        widths: dict[str, int],
        attributes: dict,
        dtype="float16",
        plan: str = "",
        others: int = 0,
        written: int = 0,
    ):
        self.path, self.marks = Path(path), Path(f"{path}.marks")
        self.dtype, self.widths = np.dtype(dtype), widths
        self.offsets = np.concatenate([[0], np.cumsum(frames, dtype=np.int64)])
        self.done = self._left(plan)
        """Batches that are already in the store."""
        if not self.done:
            self._need_space(others, written)
            with h5py.File(path, "w", libver="latest") as file:
                file["offsets"] = self.offsets
                file["utterances"] = np.asarray(utterances, dtype=h5py.string_dtype())
                file.attrs.update(dtype=dtype, complete=False, **attributes)
                file.attrs["index"] = np.bytes_(64)
                for group in ("layers", "checksums"):  # those that h5py makes by itself carry the time
                    file.create_group(group)
                for name, width in widths.items():
                    _lay_out(file, f"layers/{name}", (int(self.offsets[-1]), width), self.dtype)
                    file[f"checksums/{name}"] = np.zeros(len(utterances), np.uint64)
        with h5py.File(path, "r") as file:
            self.starts = {name: file[f"layers/{name}"].id.get_offset() or 0 for name in widths}
            self.checksums = {name: file[f"checksums/{name}"][:] for name in widths}
            self._checksums_at = {name: file[f"checksums/{name}"].id.get_offset() for name in widths}
        self.file = os.open(path, os.O_WRONLY)
        if not self.done:
            _reserve(self.file, os.path.getsize(path))
        self.plan, self.marked = plan, time.monotonic()

    def _left(self, plan: str) -> int:
        """Number of batches that an earlier run of the same plan stored."""
        try:
            left = json.loads(self.marks.read_text())
            whole = os.path.getsize(self.path) == left["bytes"]
        except (FileNotFoundError, json.JSONDecodeError):
            return 0
        return left["done"] if plan and whole and left["plan"] == plan else 0

    def _need_space(self, others: int, written: int) -> None:
        frames = int(self.offsets[-1]) + others
        sizes = [frames * width * self.dtype.itemsize for width in self.widths.values()]
        try:
            disk.need_space(self.path.parent, sum(sizes) - written)
        except UserError as refusal:
            free = disk.free_bytes(self.path.parent) + written
            fitting = int((np.cumsum(sizes) <= free).sum())
            raise UserError(f"{refusal}, or store fewer layers: {fitting} of {len(sizes)} would fit") from None

    def put(self, index: int, layer: str, values: np.ndarray) -> None:
        """Write one utterance's [frames, width] of one layer.

        Raises
        ------
        ValueError
            The number of frames differs from the one announced.
        NotFinite
            A value is NaN or infinite.
        """
        start, end = self.offsets[index], self.offsets[index + 1]
        if values.shape != (end - start, self.widths[layer]):
            raise ValueError(
                f"utterance {index}, layer {layer}: {values.shape} where {end - start} frames were announced"
            )
        if not finite(values):
            raise NotFinite(f"utterance {index}, layer {layer}: a value is not finite")
        values = np.ascontiguousarray(values, self.dtype)
        self.checksums[layer][index] = integrity.checksum(values)
        rest = memoryview(values).cast("B") if values.size else b""
        place = self.starts[layer] + int(start) * self.widths[layer] * self.dtype.itemsize
        while rest:
            written = os.pwrite(self.file, rest, place)
            rest, place = rest[written:], place + written

    def mark(self, done: int) -> None:
        """Note that the first ``done`` batches are in the store, unless that was done a moment ago."""
        if time.monotonic() - self.marked < MARK_SECONDS:
            return
        self._write_checksums()
        os.fdatasync(self.file)
        with disk.writing(self.marks) as temporary:
            note = {"plan": self.plan, "done": done, "bytes": os.path.getsize(self.path)}
            temporary.write_text(json.dumps(note))
        self.marked = time.monotonic()

    def _write_checksums(self) -> None:
        for name, values in self.checksums.items():
            if values.size:
                os.pwrite(self.file, values, self._checksums_at[name])

    def close(self) -> None:
        """Declare the store whole."""
        self._write_checksums()
        os.fsync(self.file)
        os.close(self.file)
        with h5py.File(self.path, "r+", libver="latest") as file:
            file.attrs.modify("complete", True)
            layers = {name: [each.dtype.str, *each.shape] for name, each in file["layers"].items()}
            utterances = [name.decode() for name in file["utterances"][:]]
            index = index_of(dict(file.attrs), utterances, self.offsets, layers, self.checksums)
            file.attrs.modify("index", np.bytes_(index))
        self.marks.unlink(missing_ok=True)


def finite(values: np.ndarray) -> bool:
    """Whether no value is NaN or infinite; for float16 eight times as fast as numpy's own test."""
    if values.dtype != np.float16 or not values.size:
        return bool(np.isfinite(values).all())
    bits = np.ascontiguousarray(values).view(np.int16)  # those of infinities and NaN are the highest of either sign
    return bool(bits.max() < 0x7C00 and bits.view(np.uint16).max() < 0xFC00)


def _reserve(file: int, size: int) -> None:
    """Have the file system set aside the first ``size`` bytes of an open file, where it knows how to.

    What was reserved cannot be missing later, and is written with less work (``tests/bench/store.py``).
    ``os.posix_fallocate`` would write into every block where the file system does not know how.
    """
    reserve = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)  # Linux
    if reserve and reserve(file, 0, ctypes.c_int64(0), ctypes.c_int64(size)):
        number = ctypes.get_errno()
        if number in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(number, os.strerror(number))


def _lay_out(file: h5py.File, name: str, shape: tuple[int, int], dtype: np.dtype) -> None:
    """A contiguous dataset that has its place in the file at once and no values yet."""
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_layout(h5py.h5d.CONTIGUOUS)
    how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    how.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    how.set_obj_track_times(False)  # the same values give the same bytes
    kind = h5py.h5t.py_create(dtype, logical=True)
    h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple(shape), dcpl=how)
