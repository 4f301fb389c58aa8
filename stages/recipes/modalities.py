"""What a regressor of Srinivasan 2022 hears and reads: frozen features, or what comes out of an encoder that trains."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs

BATCH = 64
"""Utterances at a time where nothing is trained; no influence on the result but by rounding."""


class Frozen:
    """The last layer's frames of every modality, normalised for ``fit`` (see :meth:`RecipeInputs.frames`)."""

    encoder = None

    def __init__(self, inputs: "RecipeInputs", modalities: tuple[str, ...], normalise: str, fit):
        self.frames = {kind: inputs.frames(["last"], 0, normalise, fit, kind) for kind in modalities}
        self.widths = {kind: frames.width for kind, frames in self.frames.items()}
        self.device = inputs.device

    def __call__(self, positions) -> list[tuple]:
        """Frames [batch, longest, width] on the device and lengths [batch] on the CPU, of every modality."""
        padded = [frames.padded(positions) for frames in self.frames.values()]
        return [(values.to(self.device), lengths) for values, lengths in padded]

    def views(self, model, positions) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings [positions, embedding] and predictions [positions, outputs], scaled as the targets are."""
        import torch

        from ..training.weights import on_cpu

        batches = [positions[i : i + BATCH] for i in range(0, len(positions), BATCH)]
        with torch.no_grad():
            found = [model(*self(batch)) for batch in batches]
        embeddings, predicted = (on_cpu(torch.cat(one)) for one in zip(*found, strict=True))
        return embeddings, predicted

    def predictor(self, model, low: np.ndarray, span: np.ndarray):
        """Outputs [positions, outputs] in the corpus' units, as a function of positions."""
        return lambda positions: self.views(model, positions)[1] * span + low

    def arrays(self) -> dict[str, np.ndarray]:
        """What new audio needs of the normalisation."""
        kept: dict[str, np.ndarray] = {}
        for kind, frames in self.frames.items():
            kept |= frames.normaliser.arrays(f"model/normaliser/{kind}/")
        return kept


class Tuned:
    """The last hidden state of a speech encoder whose top blocks are trained."""

    def __init__(self, inputs: "RecipeInputs", encoder, blocks: int, batch: int):
        from .speech_input import SpeechInput

        self.encoder, self.batch = encoder, batch
        self.speech = SpeechInput(inputs, encoder, str(max(0, encoder.depth - blocks)))

    def __call__(self, positions) -> list[tuple]:
        """As :meth:`Frozen.__call__`, of speech alone."""
        hidden, lengths = self.speech.hidden(positions)
        return [(hidden[-1], lengths)]

    def predictor(self, model, low: np.ndarray, span: np.ndarray):
        """As :meth:`Frozen.predictor`."""
        from .fine_tuning import predictor

        return predictor(self.speech, lambda positions: model(*self(positions))[1], self.batch, low, span)

    def arrays(self) -> dict[str, np.ndarray]:
        """Nothing is normalised."""
        return {}
