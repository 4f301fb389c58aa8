"""The feature store: one HDF5 file per corpus and encoder, or several shards; one pass gives all layers.

Layout: ``layers/{name}`` one flat contiguous dataset [frames, width] per layer, ``offsets`` int64
[utterances + 1] in frames, ``utterances`` str; attributes ``encoder``, ``revision``, ``weights`` (SHA-256),
``audio`` (what the audio is known by), ``normalised`` (waveform normalisation), ``hop`` (seconds per frame, 0 for
text), ``dtype``.
All layers of a store share their frames. Nothing is compressed, so a layer is read through a memory map.
``checksums/{name}`` uint64 [utterances] are of every utterance's frames (:func:`stages.stores.integrity.checksum`), the
attribute ``index`` is the SHA-256 of all but the frames (:func:`stages.stores.integrity.index_digest`).

A store with shards holds no frames and says where they lie: ``shards/files`` str [shards], relative to its folder,
``shards/index`` str [shards], those files' own ``index``, and int64 [utterances] ``shards/of``, the number of the file,
and ``shards/first``, the first frame in it; the group's attribute ``digest`` is theirs. Its ``layers`` are virtual
datasets over the shards, for other programs. All else is the same, ``index`` too. A shard is itself a store, of its
share of the utterances; :mod:`stages.stores.shards` joins them.
"""

import os
from pathlib import Path

import h5py
import numpy as np

from ..runtime.errors import UserError
from . import integrity


def index_of(attributes: dict, utterances: list[str], offsets: np.ndarray, layers: dict, checksums: dict) -> str:
    """The digest of all but the frames; ``layers``: [type, frames, width] of every one."""
    plain = {key: value for key, value in attributes.items() if key != "index"} | {"layers": layers}
    return integrity.index_digest(plain, utterances, offsets, *(checksums[name] for name in layers))


def table_digest(files: list[str], indices: list[str], of: np.ndarray, first: np.ndarray) -> str:
    """The digest of a store's table of shards."""
    return integrity.index_digest({"index": indices}, files, of, first)


class FeatureStore:
    """Read access to a whole store through memory maps; every utterance is proven by its checksum when first read.

    Raises
    ------
    UserError
        The file or a shard of it is absent, truncated, damaged, not a finished feature store, or another one.
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
                self.checksums = {name: values[:] for name, values in file["checksums"].items()}
                shards = _table(file["shards"]) if "shards" in file else None
                self._files, self._places = [self.path], [] if shards else [_places(file, self.path)]
            if shards:
                self._files = [self.path.parent / name for name in shards["files"]]
                self._places = list(map(self._shard, self._files, shards["index"]))
            places = self._places[0]
            frames = {name: sum(each[name][1][0] for each in self._places) for name in places}
            self.described = {n: [dtype.str, frames[n], *shape[1:]] for n, (_, shape, dtype) in places.items()}
            """Type, frames and width of every layer."""
            index = index_of(self.attributes, self.utterances, self.offsets, self.described, self.checksums)
        except integrity.FAULTS as fault:
            raise UserError(f"{path}: not a whole feature store ({fault}); {integrity.REMEDY}") from None
        if index != self.attributes["index"].decode():
            raise integrity.damaged(path, "its index")
        self._of = shards["of"] if shards else [0] * len(self.utterances)
        self._first = shards["first"] if shards else self.offsets[:-1].tolist()
        self._lengths = np.diff(self.offsets).tolist()
        self.position = {name: i for i, name in enumerate(self.utterances)}
        self.layers = sorted(self.described, key=lambda n: (not n.isdigit(), int(n) if n.isdigit() else 0, n))
        """Layer names, numbered blocks first in their order, then named taps such as ``conv``."""
        self._open: dict[str, tuple[list[np.ndarray], list[int], bytearray]] = {}
        self._proven = {name: bytearray(len(self.utterances)) for name in self.described}

    def _shard(self, path: Path, index: str) -> dict:
        """The places of a shard's layers."""
        try:
            with h5py.File(path, "r") as file:
                if file.attrs["index"].decode() != index:
                    raise UserError(f"{path}: not the shard that was joined to {self.path}; delete both and run again")
                return _places(file, path)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file, and {self.path} has frames in it; run again") from None
        except integrity.FAULTS as fault:
            raise UserError(f"{path}: not a whole shard of {self.path} ({fault}); {integrity.REMEDY}") from None

    def __len__(self) -> int:
        return len(self.utterances)

    def width(self, layer: str) -> int:
        """Channels of a layer."""
        return self._opened(layer)[0][0].shape[1]

    def read(self, layer: str, index: int | str) -> np.ndarray:
        """One utterance's [frames, width] of one layer, in the stored type, read-only.

        Raises
        ------
        UserError
            There is no such layer, or the bytes are not those that were written.
        """
        i = self.position[index] if isinstance(index, str) else index
        maps, checksums, proven = self._open.get(layer) or self._opened(layer)
        start, file = self._first[i], self._of[i]
        values = maps[file][start : start + self._lengths[i]]
        if not proven[i]:
            if integrity.checksum(values) != checksums[i]:
                raise integrity.damaged(self._files[file], f"utterance {self.utterances[i]}, layer {layer}")
            proven[i] = 1
        return values

    def span(self, layer: str, start: int, end: int) -> np.ndarray:
        """The frames [frames, width] of the utterances at positions ``start`` to ``end`` - 1, proven as by `read`."""
        utterances = [self.read(layer, i) for i in range(start, end)]
        maps = self._opened(layer)[0]
        if len(maps) > 1 and utterances:
            return np.concatenate(utterances)
        return maps[0][self.offsets[start] : self.offsets[end]]

    def release(self, layer: str) -> None:
        """Let go of a layer's maps, so of its pages in memory; a later read maps it again and proves nothing twice."""
        self._open.pop(layer, None)

    def _opened(self, layer: str) -> tuple[list[np.ndarray], list[int], bytearray]:
        """The maps of a layer, one of each file, the checksums, and which utterances are proven."""
        if layer not in self._open:
            if layer not in self.described:
                raise UserError(
                    f"{self.path}: no layer '{layer}' (there are: {', '.join(self.layers)}); add it to"
                    f" encoders.{self.attributes.get('encoder', 'NAME')}.layers and run again"
                )
            maps = [_map(path, *places[layer]) for path, places in zip(self._files, self._places, strict=True)]
            self._open[layer] = maps, self.checksums[layer].tolist(), self._proven[layer]
        return self._open[layer]


def _places(file: h5py.File, path: Path) -> dict[str, tuple[int | None, tuple[int, int], np.dtype]]:
    """Offset in the file, shape and type of every layer; a ``KeyError`` where it is not finished or cut off."""
    if not file.attrs.get("complete", False):
        raise KeyError("unfinished")
    size = os.path.getsize(path)
    places = {name: (each.id.get_offset(), each.shape, each.dtype) for name, each in file["layers"].items()}
    for name, (offset, shape, dtype) in places.items():
        if shape[0] and (offset is None or offset + shape[0] * shape[1] * dtype.itemsize > size):
            raise KeyError(f"layer {name} is cut off")
    return places


def _table(group: h5py.Group) -> dict[str, list]:
    """A store's table of shards; a ``ValueError`` where it is not as written."""
    files, indices = ([name.decode() for name in group[key][:]] for key in ("files", "index"))
    of, first = group["of"][:], group["first"][:]
    if table_digest(files, indices, of, first) != group.attrs["digest"].decode():
        raise ValueError("its table of shards is not what was written")
    return {"files": files, "index": indices, "of": of.tolist(), "first": first.tolist()}


def _map(path: Path, offset: int | None, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """A layer, read-only; a plain array, for slicing a ``memmap`` takes several times as long."""
    return np.memmap(path, dtype, "r", offset, shape).view(np.ndarray) if shape[0] else np.zeros(shape, dtype)
