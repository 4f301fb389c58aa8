"""New audio in the place of a corpus, for the function ``restored`` of a recipe."""

from functools import cached_property

import numpy as np

from .frames import Frames
from .normaliser import Normaliser
from .stores_and_encoders import StoresAndEncoders


class NewAudio(StoresAndEncoders):
    """Stores of utterances that no protocol knows; keeps the protocol ``RecipeInputs``.

    Attributes
    ----------
    speakers : numpy.ndarray
        Names of speakers, str [utterances]; what a normalisation by speaker groups by.
    texts : list of str
        Transcripts; empty where the system reads none.
    outputs : int
        How many numbers the models put out per utterance.
    """

    def __init__(self, params, paths, encoders, utterances, speakers: list[str], texts: list[str], outputs: int):
        super().__init__(params, paths, encoders, utterances)
        self.speakers, self.texts, self.outputs = np.array(speakers, str), texts, outputs
        self._frames: dict = {}

    def frames(
        self,
        layers: list[str],
        max_seconds: float,
        normalise: str,
        fit: dict,
        kind: str = "speech",
        by: str = "speaker",
    ) -> Frames:
        """As :meth:`RecipeInputs.frames`, normalised by what ``fit``, the arrays of a trained unit, keep of training.

        Speakers are those that are named, whatever the training took them ``by``.
        """
        store, layers = getattr(self, kind), self.layers(kind, layers)
        key = (kind, *layers, max_seconds)
        if key not in self._frames:
            self._frames[key] = Frames(store, self.rows(store), layers, max_seconds, 0)
        stored = Normaliser.stored(normalise, fit, f"normaliser/{kind}/")
        self._frames[key].normalise(normalise, self.speakers, np.array([], int), stored)
        return self._frames[key]

    @cached_property
    def _speech_encoder(self):
        return super().speech_encoder()

    @cached_property
    def _text_encoder(self):
        return super().text_encoder()

    def speech_encoder(self):
        """The one speech encoder, which all units use in turn: each puts all of its own weights into it."""
        return self._speech_encoder

    def text_encoder(self):
        """The one text encoder, used likewise."""
        return self._text_encoder
