"""The feature store: one HDF5 file per (corpus, encoder), all asked layers from one pass.

Layout: ``layers/{name}`` one flat contiguous dataset [frames, width] per layer, ``offsets`` int64
[utterances + 1] in frames, ``utterances`` str; attributes ``encoder``, ``revision``, ``weights`` (SHA-256),
``manifest`` (SHA-256), ``normalised`` (waveform normalisation), ``hop`` (seconds per frame, 0 for text), ``dtype``.
All layers of a store share their frames. Nothing is compressed, so a layer is read through a memory map.
"""

import json
import os
import time
from pathlib import Path

import h5py
import numpy as np

from stages import jobs
from stages.errors import UserError

MARK_SECONDS = 5.0


class FeatureWriter:
    """Fills a new store in any order of utterances, or goes on with one that a killed run left.

    The empty store is laid out first; frames are then written at their places past HDF5, so that a process that dies
    leaves a sound file. What is in it is noted beside it (``PATH.marks``) as often as every five seconds.

    Parameters
    ----------
    frames
        Frames of every utterance [utterances].
    widths
        Width of every layer, by its name.
    plan
        Digest of all that the values depend on. A file left with the same one is filled on, any other replaced.

    Raises
    ------
    UserError
        The disk cannot hold the store.
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
    ):
        self.path, self.marks = Path(path), Path(f"{path}.marks")
        self.dtype, self.widths = np.dtype(dtype), widths
        self.offsets = np.concatenate([[0], np.cumsum(frames, dtype=np.int64)])
        self.done = self._left(plan)
        """Batches that are already in the store."""
        if not self.done:
            self._need_space()
            with h5py.File(path, "w", libver="latest") as file:
                file["offsets"] = self.offsets
                file["utterances"] = np.asarray(utterances, dtype=h5py.string_dtype())
                file.attrs.update(dtype=dtype, complete=False, **attributes)
                file.create_group("layers")
                for name, width in widths.items():
                    _lay_out(file, f"layers/{name}", (int(self.offsets[-1]), width), self.dtype)
        with h5py.File(path, "r") as file:
            self.starts = {name: file[f"layers/{name}"].id.get_offset() or 0 for name in widths}
        self.file = os.open(path, os.O_WRONLY)
        self.plan, self.marked = plan, time.monotonic()

    def _left(self, plan: str) -> int:
        """Batches in what an earlier run of the same plan left behind."""
        try:
            left = json.loads(self.marks.read_text())
            whole = os.path.getsize(self.path) == left["bytes"]
        except (FileNotFoundError, json.JSONDecodeError):
            return 0
        return left["done"] if plan and whole and left["plan"] == plan else 0

    def _need_space(self) -> None:
        sizes = [int(self.offsets[-1]) * width * self.dtype.itemsize for width in self.widths.values()]
        try:
            jobs.need_space(self.path.parent, sum(sizes))
        except UserError as refusal:
            free = jobs.free_bytes(self.path.parent)
            fitting = int((np.cumsum(sizes) <= free).sum())
            raise UserError(f"{refusal}, or store fewer layers: {fitting} of {len(sizes)} would fit") from None

    def put(self, index: int, layer: str, values: np.ndarray) -> None:
        """Write one utterance's [frames, width] of one layer.

        Raises
        ------
        ValueError
            The number of frames differs from the one announced, or a value is not finite.
        """
        start, end = self.offsets[index], self.offsets[index + 1]
        if values.shape != (end - start, self.widths[layer]):
            raise ValueError(
                f"utterance {index}, layer {layer}: {values.shape} where {end - start} frames were announced"
            )
        if not finite(values):
            raise ValueError(f"utterance {index}, layer {layer}: a value is not finite")
        rest = memoryview(np.ascontiguousarray(values, self.dtype)).cast("B") if values.size else b""
        place = self.starts[layer] + int(start) * self.widths[layer] * self.dtype.itemsize
        while rest:
            written = os.pwrite(self.file, rest, place)
            rest, place = rest[written:], place + written

    def mark(self, done: int) -> None:
        """Note that the first ``done`` batches are in the store, unless that was done a moment ago."""
        if time.monotonic() - self.marked < MARK_SECONDS:
            return
        os.fdatasync(self.file)
        with jobs.writing(self.marks) as temporary:
            note = {"plan": self.plan, "done": done, "bytes": os.path.getsize(self.path)}
            temporary.write_text(json.dumps(note))
        self.marked = time.monotonic()

    def close(self) -> None:
        """Declare the store whole."""
        os.fsync(self.file)
        os.close(self.file)
        with h5py.File(self.path, "r+", libver="latest") as file:
            file.attrs.modify("complete", True)
        self.marks.unlink(missing_ok=True)


def finite(values: np.ndarray) -> bool:
    """Whether no value is NaN or infinite; for float16 eight times as fast as numpy's own test."""
    if values.dtype != np.float16 or not values.size:
        return bool(np.isfinite(values).all())
    bits = np.ascontiguousarray(values).view(np.int16)  # those of infinities and NaN are the highest of either sign
    return bool(bits.max() < 0x7C00 and bits.view(np.uint16).max() < 0xFC00)


def _lay_out(file: h5py.File, name: str, shape: tuple[int, int], dtype: np.dtype) -> None:
    """A contiguous dataset that has its place in the file at once and no values yet."""
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_layout(h5py.h5d.CONTIGUOUS)
    how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    how.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    how.set_obj_track_times(False)  # the same values give the same bytes
    kind = h5py.h5t.py_create(dtype, logical=True)
    h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple(shape), dcpl=how)


class FeatureStore:
    """Read access to a whole store; layers come as memory maps.

    Raises
    ------
    UserError
        The file is absent, truncated or not a finished feature store.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        try:
            with h5py.File(path, "r") as file:
                if not file.attrs.get("complete", False):
                    raise KeyError("unfinished")
                self.attributes = dict(file.attrs)
                self.offsets = file["offsets"][:]
                self.utterances = [name.decode() for name in file["utterances"][:]]
                self._where = {n: (d.id.get_offset(), d.shape, d.dtype) for n, d in file["layers"].items()}
            size = self.path.stat().st_size
            for name, (offset, shape, dtype) in self._where.items():
                if shape[0] and (offset is None or offset + shape[0] * shape[1] * dtype.itemsize > size):
                    raise KeyError(f"layer {name} is cut off")
        except (OSError, KeyError) as fault:
            raise UserError(f"{path}: not a whole feature store ({fault}); delete it and run again") from None
        self.position = {name: i for i, name in enumerate(self.utterances)}
        self.layers = sorted(self._where, key=lambda n: (not n.isdigit(), int(n) if n.isdigit() else 0, n))
        """Layer names, numbered blocks first in their order, then named taps such as ``conv``."""
        self._maps: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.utterances)

    def width(self, layer: str) -> int:
        return self._where[layer][1][1]

    def map(self, layer: str) -> np.ndarray:
        """The whole layer as a read-only memory map [frames, width]."""
        if layer not in self._maps:
            if layer not in self._where:
                raise UserError(
                    f"{self.path}: no layer '{layer}' (there are: {', '.join(self.layers)}); add it to"
                    f" encoders.{self.attributes.get('encoder', 'NAME')}.layers"
                )
            offset, shape, dtype = self._where[layer]
            self._maps[layer] = np.memmap(self.path, dtype, "r", offset, shape)
        return self._maps[layer]

    def read(self, layer: str, index: int | str) -> np.ndarray:
        """One utterance's [frames, width] of one layer, in the stored type."""
        i = self.position[index] if isinstance(index, str) else index
        return self.map(layer)[self.offsets[i] : self.offsets[i + 1]]
