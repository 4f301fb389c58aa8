"""Training utterances changed at random: noise and gain on the waveform, spans of frames hidden from the blocks.

All draws are from torch's global generator, which a seed sets and a checkpoint keeps.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Augmentation:
    """What is changed, how often and how much; nothing by default.

    Attributes
    ----------
    noise
        Share of utterances to which white noise is added, at ``snr`` dB, lowest and highest ratio of signal to noise.
    gain
        Largest change of level in dB, up or down.
    mask_prob, mask_length
        Of :func:`stages.pretraining.span_mask.span_mask`.
    """

    noise: float = 0.0
    snr: tuple[float, float] = (10.0, 30.0)
    gain: float = 0.0
    mask_prob: float = 0.0
    mask_length: int = 10

    def __bool__(self) -> bool:
        return bool(self.noise or self.gain or self.mask_prob)

    def changed(self, wave: np.ndarray) -> np.ndarray:
        """A waveform float32 [samples] with noise and gain; itself where it got neither."""
        import torch

        if self.noise and float(torch.rand(())) < self.noise:
            ratio = self.snr[0] + (self.snr[1] - self.snr[0]) * float(torch.rand(()))
            power = float(np.square(wave, dtype=np.float64).mean()) / 10 ** (ratio / 10)
            wave = wave + np.float32(power**0.5) * torch.randn(len(wave)).numpy()
        if self.gain:
            decibels = self.gain * (2 * float(torch.rand(())) - 1)
            wave = wave * np.float32(10 ** (decibels / 20))
        return wave

    def hidden(self, speech, positions: np.ndarray) -> tuple[list, "torch.Tensor"]:
        """As :meth:`stages.recipes.speech_input.SpeechInput.hidden`, of the utterances as they are changed."""
        from ..pretraining.span_mask import span_mask

        def mask(lengths, size):
            return span_mask(lengths, size, self.mask_prob, self.mask_length, None)

        waves = [self.changed(wave) for wave in speech.waves(positions)]
        return speech.from_waves(waves, mask if self.mask_prob else None)
