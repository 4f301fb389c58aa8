"""The feature store: one HDF5 file per (corpus, encoder), all asked layers from one pass.

Layout: ``layers/{name}`` one flat contiguous dataset [frames, width] per layer, ``offsets`` int64
[utterances + 1] in frames, ``utterances`` str; attributes ``encoder``, ``revision``, ``weights`` (SHA-256),
``manifest`` (SHA-256), ``normalised`` (waveform normalisation), ``hop`` (seconds per frame, 0 for text), ``dtype``.
All layers of a store share their frames. Nothing is compressed, so a layer is read through a memory map.
"""

from pathlib import Path

import h5py
import numpy as np

from stages import jobs
from stages.errors import UserError


class FeatureWriter:
    """Fills a new store in any order of utterances. Use it inside :func:`stages.jobs.writing`."""

    def __init__(
        self,
        path: Path | str,
        utterances: list[str],
        frames: np.ndarray,
        widths: dict[str, int],
        attributes: dict,
        dtype="float16",
    ):
        self.offsets = np.concatenate([[0], np.cumsum(frames, dtype=np.int64)])
        jobs.need_space(Path(path).parent, int(self.offsets[-1]) * sum(widths.values()) * np.dtype(dtype).itemsize)
        self.file = h5py.File(path, "w", libver="latest")
        self.file["offsets"] = self.offsets
        self.file["utterances"] = np.asarray(utterances, dtype=h5py.string_dtype())
        self.file.attrs.update(dtype=dtype, **attributes)
        self.layers = {
            name: self.file.create_dataset(f"layers/{name}", (int(self.offsets[-1]), width), dtype)
            for name, width in widths.items()
        }

    def put(self, index: int, layer: str, values: np.ndarray) -> None:
        """Write one utterance's [frames, width] of one layer.

        Raises
        ------
        ValueError
            The number of frames differs from the one announced, or a value is not finite.
        """
        start, end = self.offsets[index], self.offsets[index + 1]
        if len(values) != end - start:
            raise ValueError(
                f"utterance {index}, layer {layer}: {len(values)} frames where {end - start} were announced"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"utterance {index}, layer {layer}: a value is not finite")
        self.layers[layer][start:end] = values

    def close(self) -> None:
        self.file.attrs["complete"] = True
        self.file.close()


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
                raise UserError(f"{self.path}: no layer '{layer}' (there are: {', '.join(self.layers)}); add it there")
            offset, shape, dtype = self._where[layer]
            self._maps[layer] = np.memmap(self.path, dtype, "r", offset, shape)
        return self._maps[layer]

    def read(self, layer: str, index: int | str) -> np.ndarray:
        """One utterance's [frames, width] of one layer, in the stored type."""
        i = self.position[index] if isinstance(index, str) else index
        return self.map(layer)[self.offsets[i] : self.offsets[i + 1]]
