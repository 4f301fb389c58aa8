"""What a job reads, opened once: examples, stores, transcripts, encoders."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from stages import settings
from stages.corpora.transcripts import read_transcripts
from stages.guards.splits import fit_scope
from stages.recipes.examples import Examples
from stages.recipes.frames import Frames
from stages.stores.audio import AudioStore
from stages.stores.features import FeatureStore
from stages.units import fingerprint, read

FILES = ("manifest", "protocol", "speech", "text", "audio", "transcripts", "speech-weights", "text-weights", "start")
"""Names of the inputs, as the rules name them and as options of the command line."""


def add_arguments(parser) -> None:
    for name in FILES:
        parser.add_argument(f"--{name}", type=Path, help=f"input: {name}", required=name in ("manifest", "protocol"))


class Inputs:
    """The files named on the command line, opened when first used.

    Attributes
    ----------
    examples : Examples
        For the task of the system.
    """

    def __init__(self, args, task: str, speech_spec: str = "", text_spec: str = "", memory_gb: float = 4.0):
        self.paths = {name: getattr(args, name.replace("-", "_")) for name in FILES}
        self.examples = Examples(self.paths["manifest"], self.paths["protocol"], task)
        self.params, self._specs = args.params, {"speech": speech_spec, "text": text_spec}
        self.memory = memory_gb * 1e9
        self._frames: dict = {}

    def digests(self, *without: str) -> dict[str, str]:
        """Fingerprints of all inputs but manifest and protocol (a unit takes its own fold's part of those)."""
        skip = {"manifest", "protocol", *without}
        return {n: fingerprint(p) for n, p in self.paths.items() if p and n not in skip}

    @cached_property
    def speech(self) -> FeatureStore:
        return FeatureStore(self.paths["speech"])

    @cached_property
    def text(self) -> FeatureStore:
        return FeatureStore(self.paths["text"])

    @cached_property
    def audio(self) -> AudioStore:
        return AudioStore(self.paths["audio"])

    @cached_property
    def speakers(self) -> np.ndarray:
        return self.examples.manifest["speaker"].to_numpy(str)

    @cached_property
    def transcripts(self) -> pd.DataFrame:
        """Columns ``text`` and ``reference``, one row per utterance in the manifest's order."""
        table = read_transcripts(self.paths["transcripts"]).set_index("utterance")
        return table.reindex(self.examples.manifest["utterance"]).fillna("")

    def start(self, fold, seed: int) -> dict[str, np.ndarray]:
        """The arrays that an earlier stage made for this fold and seed; what that stage heard is proven.

        Raises
        ------
        UserError
            The file is damaged, has no such unit, or was fitted on what this fold may not see.
        """
        arrays, notes = read(self.paths["start"], fold.number, seed)
        for key in ("heard", "fitted on"):
            fit_scope(notes.get(key, ()), self.examples.protocol, fold.number, str(self.paths["start"]))
        return arrays

    def rows(self, store: FeatureStore | AudioStore) -> np.ndarray:
        """For every utterance of the manifest, its position in ``store``."""
        return np.array([store.position[name] for name in self.examples.manifest["utterance"]])

    def frames(self, layers: list[str], max_seconds: float, normalise: str, fold, kind: str = "speech") -> Frames:
        """Minibatches of a frozen encoder's layers, normalised for ``fold``; the normaliser's fit scope is proven.

        ``layers`` may be ``["all"]``, every numbered layer of the store, or ``["last"]``.
        """
        store = self.speech if kind == "speech" else self.text
        numbered = [name for name in store.layers if name.isdigit()]
        layers = {"all": numbered, "last": numbered[-1:]}.get(layers[0], layers)
        key = (kind, *layers, max_seconds)
        if key not in self._frames:
            self._frames = {k: v for k, v in self._frames.items() if k[0] != kind}
            self._frames[key] = (Frames(store, self.rows(store), layers, max_seconds, self.memory), None)
        frames, current = self._frames[key]
        if current != (fold.number, normalise):
            frames.normalise(normalise, self.speakers, fold.train)
            names = np.array(store.utterances)
            frames.fitted_on = names[frames.normaliser.seen].tolist() if frames.normaliser.seen else []
            fit_scope(frames.fitted_on, self.examples.protocol, fold.number, "normaliser")
            self._frames[key] = (frames, (fold.number, normalise))
        return frames

    def encoder_spec(self, kind: str):
        """The validated entry of ``encoders:`` for ``speech`` or ``text``."""
        from stages.encoders import Encoder

        key = f"encoders.{self._specs[kind]}"
        return settings.adapt(TypeAdapter(Encoder), settings.read(self.params, key), key, self.params)

    def speech_encoder(self):
        """A fresh copy of the speech encoder with its pretrained weights."""
        from stages.encoders import load_speech

        return load_speech(self.encoder_spec("speech"), self.paths["speech-weights"])

    def text_encoder(self):
        """A fresh copy of the text encoder with its pretrained weights."""
        from stages.encoders import load_text

        return load_text(self.encoder_spec("text"), self.paths["text-weights"])
