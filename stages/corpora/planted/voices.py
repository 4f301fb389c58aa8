"""Speakers: an unlimited family of eSpeak variants, each with its own vocal tract, pitch, range, rate and loudness."""

from dataclasses import dataclass

import numpy as np

from .couplings import CUES
from .latents import STEPS, generator

_CORPUS = {"female": "f1 f2 f3 f4 f5", "male": "m1 m2 m3 m4 m6 m7 m8"}
_OTHERS = {
    "female": "Alicia Andrea Annie anika belinda linda steph steph2",
    "male": "Denis Diogo Henrique Lee Michael Mario max quincy miguel michel robert boris pablo",
}
CORPUS = {gender: line.split() for gender, line in _CORPUS.items()}
"""eSpeak variants of the corpus' speakers."""
OTHERS = {gender: line.split() for gender, line in _OTHERS.items()}
"""eSpeak variants of the unlabelled voices: none of them in :data:`CORPUS`."""


@dataclass(frozen=True)
class Voice:
    """A speaker's baseline. pitch and range in eSpeak's units, rate in words per minute, loudness in dBFS (RMS),
    effort as the coefficient of a first difference (more is brighter), tract as a factor on all frequencies."""

    name: str
    gender: str
    variant: str
    tract: float
    pitch: int
    range: int
    rate: int
    loudness: float
    effort: float

    def speaking(self, cues: np.ndarray) -> dict[str, float]:
        """The synthesiser's parameters for cues [5] in standard deviations from this baseline."""
        values = {name: getattr(self, name) + STEPS[name] * float(cue) for name, cue in zip(CUES, cues, strict=True)}
        return values | {name: round(values[name]) for name in ("pitch", "range", "rate")}


def speakers(seed: int, count: int) -> list[Voice]:
    """The corpus' speakers P01F, P02M, …: women and men in turn, all different."""
    width = max(2, len(str(count)))
    names = [f"P{i + 1:0{width}d}{'FM'[i % 2]}" for i in range(count)]
    return _family(generator(seed, "voices"), names, CORPUS)


def others(seed: int, count: int) -> list[Voice]:
    """Unlabelled voices U001F, U002M, …, of other variants than the corpus'."""
    names = [f"U{i + 1:03d}{'FM'[i % 2]}" for i in range(count)]
    return _family(generator(seed, "unlabelled voices"), names, OTHERS)


def _family(rng: np.random.Generator, names: list[str], variants: dict[str, list[str]]) -> list[Voice]:
    orders = {gender: rng.permutation(found) for gender, found in variants.items()}
    voices = []
    for i, name in enumerate(names):
        gender = ("female", "male")[i % 2]
        order = orders[gender]
        voices.append(
            Voice(
                name=name,
                gender=gender,
                variant=str(order[i // 2 % len(order)]),
                tract=round(rng.uniform(0.94, 1.06), 3),
                pitch=int(rng.integers(43, 58)),
                range=int(rng.integers(46, 55)),
                rate=int(rng.integers(170, 196)),
                loudness=round(rng.uniform(-32, -28), 2),
                effort=round(rng.uniform(0.05, 0.3), 3),
            )
        )
    return voices
