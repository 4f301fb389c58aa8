"""The audio of a corpus' last ingest, looked up file by file: only new files of a corpus are decoded.

An output is removed before its job runs, so the audio store is kept under a second name in the scratch store: a hard
link, which takes no space. Beside it lie the digests of the source files. Disposable: without it results are the same.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.errors import UserError
from ..runtime.reporting import log
from .audio import AudioStore
from .scratch import ROOT, Unit


class Decoded:
    """What an earlier ingest of ``corpus`` left, if it decoded as this one does.

    Parameters
    ----------
    decoder
        Whatever decides what samples a file gives; what was made under another description is not used.
    """

    def __init__(self, corpus: str, decoder: dict[str, Any], root: Path | str = ROOT):
        self.unit = Unit("ingest", {"corpus": corpus}, root)
        self.copy = self.unit.path.with_suffix(".h5")
        self.decoder = decoder
        self.store: AudioStore | None = None
        self.positions: dict[str, int] = {}
        """By the SHA-256 of the source file's bytes."""
        self._load()

    def _load(self) -> None:
        saved = self.unit.load() if self.copy.exists() else None
        if not saved or saved[1]["decoder"] != self.decoder:
            return
        arrays, notes = saved
        try:
            store = AudioStore(self.copy)
        except UserError as fault:
            log.warning("%s; all files are decoded", fault)
            return
        if store.content == notes["content"] and len(store) == len(arrays["sources"]):
            self.store, self.clipped = store, arrays["clipped"]
            self.positions = {each.tobytes().hex(): i for i, each in enumerate(arrays["sources"])}

    def samples(self, position: int) -> tuple[np.ndarray, int]:
        """int16 [samples] of an utterance, and how many of them were clipped."""
        return self.store.raw(position), int(self.clipped[position])

    def keep(self, audio: Path | str, content: str, sources: list[str], clipped: list[int]) -> None:
        """Take over a finished store: the source file's SHA-256 and the clipped samples of every utterance in turn."""
        if self.store:
            self.store.file.close()
        self.copy.parent.mkdir(parents=True, exist_ok=True)
        self.unit.path.unlink(missing_ok=True)
        self.copy.unlink(missing_ok=True)
        try:
            os.link(audio, self.copy)
        except OSError as fault:
            log.info("%s: %s; should the corpus grow, all of it is decoded again", self.copy, fault.strerror)
            return
        arrays = {
            "sources": np.frombuffer(bytes.fromhex("".join(sources)), np.uint8).reshape(len(sources), -1),
            "clipped": np.asarray(clipped, np.int64),
        }
        self.unit.save(arrays, {"decoder": self.decoder, "content": content})
