"""The audio store: a corpus decoded once, 16 kHz mono int16, one flat dataset with offsets.

Layout (HDF5): ``samples`` int16 [total], ``offsets`` int64 [utterances + 1], ``utterances`` str [utterances];
attributes ``rate`` (Hz) and ``manifest`` (the manifest's SHA-256).
"""

from pathlib import Path

import h5py
import numpy as np

from stages.errors import UserError

RATE = 16_000
"""Samples per second of everything downstream of ingest."""


_CHUNK = 1 << 20  # samples


class AudioWriter:
    """Appends utterances to a new store, a chunk at a time. Use it inside :func:`stages.jobs.writing`."""

    def __init__(self, path: Path | str):
        self.file = h5py.File(path, "w")
        self.samples = self.file.create_dataset("samples", (0,), np.int16, maxshape=(None,), chunks=(_CHUNK,))
        self.names: list[str] = []
        self.offsets = [0]
        self._waiting = np.empty(_CHUNK, np.int16)
        self._filled = 0

    def add(self, utterance: str, samples: np.ndarray) -> None:
        """Append one utterance: int16 [samples] at 16 kHz."""
        self.offsets.append(self.offsets[-1] + len(samples))
        self.names.append(utterance)
        while len(samples):
            fits = min(len(samples), _CHUNK - self._filled)
            self._waiting[self._filled : self._filled + fits] = samples[:fits]
            self._filled += fits
            samples = samples[fits:]
            if self._filled == _CHUNK:
                start = len(self.samples)
                self.samples.resize((start + _CHUNK,))
                self.samples.id.write_direct_chunk((start,), self._waiting)
                self._filled = 0

    def flush(self) -> None:
        """Write what waits for its chunk to be full; nothing can be added after it."""
        self.samples.resize((self.offsets[-1],))
        if self._filled:
            self.samples[self.offsets[-1] - self._filled :] = self._waiting[: self._filled]
            self._filled = 0
        self.file.flush()

    def close(self, manifest_sha256: str) -> None:
        self.flush()
        self.file["offsets"] = np.asarray(self.offsets, np.int64)
        self.file["utterances"] = np.asarray(self.names, dtype=h5py.string_dtype())
        self.file.attrs.update(rate=RATE, manifest=manifest_sha256)
        self.file.close()


class AudioStore:
    """Read access by position or by utterance id.

    Raises
    ------
    UserError
        The file is absent, truncated or not an audio store.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        try:
            self.file = h5py.File(path, "r")
            self.offsets = self.file["offsets"][:]
            self.utterances = [name.decode() for name in self.file["utterances"][:]]
            self.manifest = self.file.attrs["manifest"]
            self.samples = self.file["samples"]
        except (OSError, KeyError) as fault:
            raise UserError(f"{path}: not a whole audio store ({fault}); delete it and run again") from None
        self.position = {name: i for i, name in enumerate(self.utterances)}
        self.lengths = np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.utterances)

    def read(self, index: int | str) -> np.ndarray:
        """The waveform float32 [samples] in [-1, 1) of one utterance."""
        return self.raw(index).astype(np.float32) / 32768

    def raw(self, index: int | str) -> np.ndarray:
        """The waveform int16 [samples] of one utterance."""
        i = self.position[index] if isinstance(index, str) else index
        return self.samples[self.offsets[i] : self.offsets[i + 1]]
