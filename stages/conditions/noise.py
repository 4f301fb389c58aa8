"""Noise over an utterance at a chosen signal-to-noise ratio; other trials do not affect it."""

import hashlib
from collections.abc import Callable
from typing import Literal

import numpy as np

from ..config.settings import Section, setting
from ..runtime.errors import UserError

TALKERS = 6
"""Voices of babble."""


class Noise(Section):
    """The test utterances of a study with noise added; nothing is retrained."""

    kind: Literal["noise"] = setting("what is tried: noise over the study's own test utterances")
    colour: Literal["white", "pink", "babble"] = setting(
        "white; pink: power falls as 1/frequency; babble: six utterances by other speakers of the corpus"
    )
    snr_db: float = setting("mean power of the whole utterance over that of the noise, dB; .inf: none", gt=-60)
    seed: int = setting("of the noise, which is drawn anew for every utterance by its name", ge=0)

    @property
    def words(self) -> str:
        return f"{self.colour} noise, {self.snr_db:g} dB"


def drawn(trial: Noise, utterance: str, samples: int, others: list[str], read: Callable) -> np.ndarray:
    """Noise float64 [samples] of any power; the same for an utterance and seed at every ratio and in any order.

    ``others`` are utterances for babble; ``read`` gives their samples. Each contributes a piece from a random place,
    repeated if too short, and all have equal power.

    Raises
    ------
    UserError
        Babble needs other speakers, and the corpus has none.
    """
    name = f"{trial.seed} {trial.colour} {utterance}"
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big"))
    if trial.colour == "babble":
        if not others:
            raise UserError(f"babble over {utterance}: the corpus has no other speaker; choose colour white or pink")
        noise = np.zeros(samples)
        for other in rng.choice(sorted(others), min(TALKERS, len(others)), replace=False).tolist():
            voice = read(other).astype(np.float64)
            noise += np.resize(np.roll(voice, rng.integers(len(voice))), samples) / np.sqrt(np.mean(voice**2))
        return noise
    noise = rng.standard_normal(samples)
    if trial.colour == "pink":
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), samples)
    return noise


def added(samples: np.ndarray, noise: np.ndarray, snr_db: float) -> tuple[np.ndarray, int]:
    """int16 [samples] with ``noise`` at the ratio of mean powers, and how many samples were clipped."""
    clean = samples.astype(np.float64)
    gain = np.sqrt(np.mean(clean**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    mixed = np.rint(clean + gain * noise)
    return np.clip(mixed, -32768, 32767).astype(np.int16), int(((mixed > 32767) | (mixed < -32768)).sum())
