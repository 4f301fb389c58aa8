"""The feature store: one HDF5 file per (corpus, encoder), all asked layers from one pass.

Layout: ``layers/{name}`` one flat contiguous dataset [frames, width] per layer, ``offsets`` int64
[utterances + 1] in frames, ``utterances`` str; attributes ``encoder``, ``revision``, ``weights`` (SHA-256),
``manifest`` (SHA-256), ``normalised`` (waveform normalisation), ``hop`` (seconds per frame, 0 for text), ``dtype``.
All layers of a store share their frames. Nothing is compressed, so a layer is read through a memory map.
``checksums/{name}`` uint64 [utterances] are of every utterance's frames (:func:`stages.stores.proof.checksum`), the
attribute ``index`` is the SHA-256 of all but the frames (:func:`stages.stores.proof.index_digest`).
"""

import json
import os
import time
from pathlib import Path

import h5py
import numpy as np

from stages import jobs
from stages.errors import UserError
from stages.stores import proof

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
        values = np.ascontiguousarray(values, self.dtype)
        self.checksums[layer][index] = proof.checksum(values)
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
        with jobs.writing(self.marks) as temporary:
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
            file.attrs.modify("index", np.bytes_(_index(file)))
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


def _index(file: h5py.File) -> str:
    attributes = {key: value for key, value in file.attrs.items() if key != "index"}
    names = [name.decode() for name in file["utterances"][:]]
    layers = {name: [dataset.dtype.str, *dataset.shape] for name, dataset in file["layers"].items()}
    checksums = [file[f"checksums/{name}"][:] for name in layers]
    return proof.index_digest(attributes | {"layers": layers}, names, file["offsets"][:], *checksums)


class FeatureStore:
    """Read access to a whole store through memory maps; every utterance is proven by its checksum when first read.

    Raises
    ------
    UserError
        The file is absent, truncated, damaged or not a finished feature store.
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
                self._checksums = {name: file[f"checksums/{name}"][:].tolist() for name in self._where}
                index = _index(file)
            size = self.path.stat().st_size
            for name, (offset, shape, dtype) in self._where.items():
                if shape[0] and (offset is None or offset + shape[0] * shape[1] * dtype.itemsize > size):
                    raise KeyError(f"layer {name} is cut off")
        except proof.FAULTS as fault:
            raise UserError(f"{path}: not a whole feature store ({fault}); {proof.REMEDY}") from None
        if index != self.attributes["index"].decode():
            raise proof.damaged(path, "its index")
        self.position = {name: i for i, name in enumerate(self.utterances)}
        self.layers = sorted(self._where, key=lambda n: (not n.isdigit(), int(n) if n.isdigit() else 0, n))
        """Layer names, numbered blocks first in their order, then named taps such as ``conv``."""
        self._maps: dict[str, np.ndarray] = {}
        self._proven = {name: bytearray(len(self)) for name in self._where}

    def __len__(self) -> int:
        return len(self.utterances)

    def width(self, layer: str) -> int:
        """Channels of a layer."""
        return self._place(layer)[1][1]

    def read(self, layer: str, index: int | str) -> np.ndarray:
        """One utterance's [frames, width] of one layer, in the stored type, read-only.

        Raises
        ------
        UserError
            There is no such layer, or the bytes are not those that were written.
        """
        i = self.position[index] if isinstance(index, str) else index
        values = self._map(layer)[self.offsets[i] : self.offsets[i + 1]]
        if not self._proven[layer][i]:
            if proof.checksum(values) != self._checksums[layer][i]:
                raise proof.damaged(self.path, f"utterance {self.utterances[i]}, layer {layer}")
            self._proven[layer][i] = 1
        return values

    def span(self, layer: str, start: int, end: int) -> np.ndarray:
        """The frames [frames, width] of the utterances at positions ``start`` to ``end`` - 1, proven as by `read`."""
        for i in range(start, end):
            self.read(layer, i)
        return self._map(layer)[self.offsets[start] : self.offsets[end]]

    def _place(self, layer: str) -> tuple[int, tuple[int, int], np.dtype]:
        """Offset in the file, shape and type of a layer; a :class:`UserError` where there is none."""
        if layer not in self._where:
            raise UserError(
                f"{self.path}: no layer '{layer}' (there are: {', '.join(self.layers)}); add it to"
                f" encoders.{self.attributes.get('encoder', 'NAME')}.layers"
            )
        return self._where[layer]

    def _map(self, layer: str) -> np.ndarray:
        if layer not in self._maps:
            offset, shape, dtype = self._place(layer)
            empty = not shape[0]
            self._maps[layer] = np.zeros(shape, dtype) if empty else np.memmap(self.path, dtype, "r", offset, shape)
        return self._maps[layer]
