"""The audio of a corpus' last ingest, found again by what its files held: a corpus that grew is not decoded anew.

An output is removed before its job runs, so the audio store is kept under a second name in the scratch store: a hard
link, which takes no space. Beside it lie the digests of the source files. Disposable: without it results are the same.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from stages import jobs
from stages.errors import UserError
from stages.stores.audio import AudioStore
from stages.stores.scratch import ROOT, Unit


class Decoded:
    """What an earlier ingest of ``corpus`` left, if it decoded as this one does.

    Parameters
    ----------
    decoder
        Whatever decides what samples a file gives; a snapshot made under another description is not used.
    """

    def __init__(self, corpus: str, decoder: dict[str, Any], root: Path | str = ROOT):
        self.unit = Unit("ingest", {"corpus": corpus}, root)
        self.copy = self.unit.path.with_suffix(".h5")
        self.decoder = decoder
        self.store: AudioStore | None = None
        self.positions: dict[bytes, int] = {}
        self._load()

    def _load(self) -> None:
        saved = self.unit.load() if self.copy.exists() else None
        if not saved or saved[1]["decoder"] != self.decoder:
            return
        arrays, notes = saved
        try:
            store = AudioStore(self.copy)
        except UserError as fault:
            jobs.log.warning("%s; all files are decoded", fault)
            return
        if store.manifest == notes["manifest"] and len(store) == len(arrays["digests"]):
            self.store, self.clipped = store, arrays["clipped"]
            self.positions = {digest.tobytes(): i for i, digest in enumerate(arrays["digests"])}

    def samples(self, digest: bytes) -> tuple[np.ndarray, int]:
        """int16 [samples] of the file with this digest, and how many of them were clipped."""
        position = self.positions[digest]
        return self.store.raw(position), int(self.clipped[position])

    def keep(self, audio: Path | str, manifest: str, digests: list[bytes], clipped: list[int]) -> None:
        """Take over a finished store: the digest and the clipped samples of every utterance, in its order."""
        if self.store:
            self.store.file.close()
        self.copy.parent.mkdir(parents=True, exist_ok=True)
        self.unit.path.unlink(missing_ok=True)
        self.copy.unlink(missing_ok=True)
        try:
            os.link(audio, self.copy)
        except OSError as fault:
            jobs.log.info("%s: %s; should the corpus grow, all of it is decoded again", self.copy, fault.strerror)
            return
        arrays = {
            "digests": np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1),
            "clipped": np.asarray(clipped, np.int64),
        }
        self.unit.save(arrays, {"decoder": self.decoder, "manifest": manifest})
