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


class AudioWriter:
    """Appends utterances to a new store. Use it inside :func:`stages.jobs.writing`."""

    def __init__(self, path: Path | str):
        self.file = h5py.File(path, "w")
        self.samples = self.file.create_dataset("samples", (0,), np.int16, maxshape=(None,), chunks=(1 << 20,))
        self.names: list[str] = []
        self.offsets = [0]

    def add(self, utterance: str, samples: np.ndarray) -> None:
        """Append one utterance: int16 [samples] at 16 kHz."""
        end = self.offsets[-1] + len(samples)
        self.samples.resize((end,))
        self.samples[self.offsets[-1] : end] = samples
        self.offsets.append(end)
        self.names.append(utterance)

    def close(self, manifest_sha256: str) -> None:
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
