"""Safetensors files array by array: read as memory maps, written one after another, so that one at a time is held.

The format: the head's length (8 bytes, little-endian), the head (JSON: types, shapes and places of the arrays, and the
metadata), the arrays. The library reads and writes whole files; what is written here is what it would write.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

TYPES = {
    **{"BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4", "U32": "<u4"},
    **{"F32": "<f4", "F64": "<f8", "I64": "<i8", "U64": "<u8"},
}
"""The format's name of every type of numpy, in the order in which the library lays arrays out, last first."""
CODES = {np.dtype(kind): code for code, kind in TYPES.items()}


class Tensors(Mapping[str, np.ndarray]):
    """The arrays of a file, each mapped into memory when asked for; none can be changed.

    Attributes
    ----------
    metadata : dict
        Names and texts of the head.

    Raises
    ------
    SafetensorError
        The file is not whole.
    """

    def __init__(self, path: Path | str):
        from safetensors import safe_open

        with safe_open(path, "numpy") as file:  # proves that the arrays fill the file
            self.metadata = file.metadata() or {}
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._places, self._start, self._path = json.loads(file.read(length)), 8 + length, path
        self._places.pop("__metadata__", None)

    def __getitem__(self, name: str) -> np.ndarray:
        place = self._places[name]
        kind, shape, (first, end) = np.dtype(TYPES[place["dtype"]]), tuple(place["shape"]), place["data_offsets"]
        if first == end:
            return np.zeros(shape, kind)
        return np.memmap(self._path, kind, "r", self._start + first, shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Writer:
    """A file that is written array by array.

    Parameters
    ----------
    arrays
        ``{name in the file: (mapping, name there)}``; each is looked at now for its type and shape, and again when it
        is put.
    metadata
        Names and texts of the head; :meth:`close` may replace texts by others of the same length.
    """

    def __init__(self, path: Path | str, arrays: Mapping[str, tuple[Mapping[str, np.ndarray], str]], metadata: dict):
        self._arrays = arrays
        kinds = {name: (CODES[a.dtype], a.shape, a.nbytes) for name, a in self._looked_at()}
        order = list(TYPES)
        self._places: dict[str, dict] = {}
        end = 0
        for name in sorted(kinds, key=lambda name: (-order.index(kinds[name][0]), name.encode())):
            code, shape, size = kinds[name]
            self._places[name] = {"dtype": code, "shape": list(shape), "data_offsets": [end, end + size]}
            end += size
        self._head = self._encoded(metadata)
        self._file = open(path, "wb")  # noqa: SIM115
        self._file.truncate(len(self._head) + end)

    def _looked_at(self) -> Iterator[tuple[str, np.ndarray]]:
        for name in self._arrays:
            yield name, self._array(name)

    def _array(self, name: str) -> np.ndarray:
        mapping, there = self._arrays[name]
        return np.asarray(mapping[there], order="C")

    def _encoded(self, metadata: dict) -> bytes:
        head = {"__metadata__": metadata, **self._places}
        text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text

    def put(self, name: str) -> np.ndarray:
        """Write an array into its place; the array."""
        array = self._array(name)
        self._file.seek(len(self._head) + self._places[name]["data_offsets"][0])
        self._file.write(array.reshape(-1).view(np.uint8))
        return array

    def close(self, metadata: dict) -> None:
        """Write the head, with these texts, and close the file."""
        head = self._encoded(metadata)
        if len(head) != len(self._head):
            raise ValueError("the head's texts are longer or shorter than those that were announced")
        self._file.seek(0)
        self._file.write(head)
        self._file.close()
