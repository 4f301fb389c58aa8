"""The stores and encoders that a recipe reads, of a corpus or of new audio."""

from functools import cached_property
from pathlib import Path

import numpy as np

from ..encoders import specs
from ..runtime.errors import UserError
from ..stores.audio import AudioStore
from ..stores.features import FeatureStore


class StoresAndEncoders:
    """Files, opened when first used.

    Attributes
    ----------
    utterances : list of str
        Names of the utterances; a *position* is one into this list.
    paths : dict
        ``speech``, ``beside``, ``text``, ``audio`` (stores), ``speech-weights``, ``text-weights`` (built-in encoders).
    encoders : dict
        Names in ``encoders:`` of the parameter file ``params``, for ``speech``, ``text`` and
        ``beside`` (descriptors fused with speech).
    device : torch.device or str
        Where encoders and models compute; lengths of sequences stay on the CPU.
    """

    device = "cpu"
    scratch: Path | None = None
    """Folder for what is computed once and dropped with the job; None: the system's for temporary files."""

    def __init__(self, params: str, paths: dict[str, Path | None], encoders: dict[str, str], utterances: list[str]):
        self.params, self.paths, self.encoders, self.utterances = params, paths, encoders, utterances

    @cached_property
    def speech(self) -> FeatureStore:
        return FeatureStore(self.paths["speech"])

    @cached_property
    def beside(self) -> FeatureStore:
        return FeatureStore(self.paths["beside"])

    @cached_property
    def text(self) -> FeatureStore:
        return FeatureStore(self.paths["text"])

    @cached_property
    def audio(self) -> AudioStore:
        if self.paths.get("audio") is None:
            raise UserError(
                "the frozen layers of the speech encoder are not those of the feature store, or need more than it has,"
                " and this system is given no audio to run them on; delete its scratch units and models and run again"
            )
        return AudioStore(self.paths["audio"])

    def rows(self, store: FeatureStore | AudioStore) -> np.ndarray:
        """For every utterance, its position in ``store``."""
        return np.array([store.position[name] for name in self.utterances])

    def layers(self, kind: str, wanted: list[str]) -> list[str]:
        """``wanted`` layers of a store; ``["last"]``: the last numbered one; ``["all"]``: every numbered one.

        Where the store has ``local``, that stands for 0 among all, for 0 has seen positions (Pepino 2021 takes local).
        """
        there = getattr(self, kind).layers
        numbered = [name for name in there if name.isdigit()]
        if "local" in there:
            numbered = ["local", *[name for name in numbered if name != "0"]]
        return {"all": numbered, "last": numbered[-1:]}.get(wanted[0], wanted)

    def speech_encoder(self):
        """A fresh copy of the speech encoder with its pretrained weights; their digests are noted on it."""
        from ..encoders import load_speech, prefix

        spec = specs.load(self.params, self.encoders["speech"])
        encoder = load_speech(spec, self.paths["speech-weights"])
        encoder.untouched = prefix.digests(encoder)
        return encoder.to(self.device)

    def text_encoder(self):
        """A fresh copy of the text encoder with its pretrained weights."""
        from ..encoders import load_text

        spec = specs.load(self.params, self.encoders["text"])
        return load_text(spec, self.paths["text-weights"]).to(self.device)
