"""From latent emotions to what voice and words show of them, in standard scores and without any synthesis.

The dimensions of an utterance's emotion are independent standard normal variables. A channel shows
``sqrt(r) * emotion + sqrt(1 - r) * noise`` with r from :func:`couplings.strength`, so its R^2 holds by construction.
Voice and words are drawn alike in every mode; the mode decides only what the raters hear.
"""

from dataclasses import dataclass

import numpy as np

from . import couplings

STEPS = {"pitch": 11, "range": 18, "rate": 28, "loudness": 2.5, "effort": 0.2}
"""One standard deviation of a cue: eSpeak units of pitch and of range, words per minute, dB, tilt coefficient.

They are set so that every cue can be heard, and the couplings are left alone. Of the variance of a cue, ridge
regression on functionals of eGeMAPS finds in voices never heard (``tests/claims/listener.py``, 12,000 utterances):
loudness 91 %, pitch 84 %, effort 80 %, rate 63 %, range 62 %. A step of 19 words per minute had left 43 % of rate;
that of range cannot be longer, for eSpeak's scale ends there."""

LIMIT = 2.5
"""Cues are limited to this many standard deviations."""


@dataclass(frozen=True)
class Draw:
    """``count`` utterances: heard [count, 3] is the truth behind the labels; cues [count, 5] as realised, in
    standard deviations from the speaker's baseline; meanings [count, 3] are what the words should say."""

    heard: np.ndarray
    contradicts: np.ndarray
    cues: np.ndarray
    meanings: np.ndarray


def generator(seed: int, stream: str) -> np.random.Generator:
    """An independent random generator for each named use of one seed."""
    return np.random.default_rng([seed, *stream.encode()])


def mixing() -> np.ndarray:
    """Orthogonal [5, 5]: columns arousal, valence, dominance (nearest to the table's loadings), then two of noise.

    The first three are unique (the polar factor), the others follow by Gram-Schmidt from the last two unit vectors,
    and all are rounded, so that no linear algebra library can make another corpus of them.
    """
    wanted = np.array([couplings.LOADINGS[name] for name in couplings.DIMENSIONS], float).T
    left, _, right = np.linalg.svd(wanted / np.linalg.norm(wanted, axis=0), full_matrices=False)
    columns = list((left @ right).T)
    for unit in np.eye(5)[3:]:
        rest = unit - sum((unit @ column) * column for column in columns)
        columns.append(rest / np.linalg.norm(rest))
    return np.round(np.stack(columns, 1), 10)


def draw(count: int, seed: int, mode: str, contradictory: float, stream: str) -> Draw:
    """Draw ``count`` utterances; ``stream`` keeps the corpus and the oracle's own sample apart."""
    rng = generator(seed, f"latents {stream}")
    voice = rng.standard_normal((count, 3))
    shown = rng.standard_normal((count, 5))
    meanings = rng.standard_normal((count, 3))
    contradicts = np.zeros(count, bool)
    contradicts[rng.permutation(count)[: round(contradictory * count)]] = True
    words = np.where(contradicts[:, None], voice * [-1, -1, 1], voice)
    trusted = couplings.IRONIC if mode == "ironic" else couplings.TRUST
    trust = np.array([trusted[name] for name in couplings.DIMENSIONS])
    heard = trust * voice + (1 - trust) * words
    for i, name in enumerate(couplings.DIMENSIONS):
        r = couplings.strength("prosody", name, contradictory)
        shown[:, i] = np.sqrt(r) * voice[:, i] + np.sqrt(1 - r) * shown[:, i]
        r = couplings.strength("words", name, contradictory)
        meanings[:, i] = np.sqrt(r) * words[:, i] + np.sqrt(1 - r) * meanings[:, i]
    if mode == "swapped":
        heard = heard[:, [1, 0, 2]]
    elif mode == "null":
        heard = heard[rng.permutation(count)]
    return Draw(heard, contradicts, realise(shown @ mixing().T), meanings)


def realise(cues: np.ndarray) -> np.ndarray:
    """Cues [count, 5] as the synthesiser can make them: limited, and whole units of pitch, range and rate; the
    others to four digits."""
    steps = np.array([STEPS[name] for name in ("pitch", "range", "rate")])
    cues = np.clip(cues, -LIMIT, LIMIT)
    cues[:, :3] = np.trunc(cues[:, :3] * steps + np.copysign(0.5, cues[:, :3])) / steps
    cues[:, 3:] = np.round(cues[:, 3:], 4)
    return cues
