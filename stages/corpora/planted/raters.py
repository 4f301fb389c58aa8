"""Simulated raters: what is heard, each rater's noise and bias, ratings of 1 to 7 and categorical votes."""

from dataclasses import dataclass

import numpy as np

from .latents import generator

CLASSES = ("angry", "happy", "excited", "neutral", "sad")
"""What raters vote for; protocols merge excited with happy."""

NOISE = 0.55
"""Standard deviation of a single rating around what is heard, in standard deviations of the latent dimension."""
BIAS = 0.2
"""Standard deviation of the raters' constant biases, in the same unit."""
WIDTH = 1.3
"""Steps of the 1-7 scale (middle 4) for a standard deviation."""
NEUTRAL = 0.7
"""Within this distance of the middle of arousal and valence a rater votes neutral."""
CONTENT = 0.8
"""Calm and pleased: happy where valence is above this, neutral below."""
EXCITED = 1.0
"""Aroused and pleased: excited where arousal is above this, happy below."""


@dataclass(frozen=True)
class Labels:
    """ratings [count, 3]: means over the raters; emotion [count]: index in CLASSES or -1 where no class has more
    than half of the votes; agreement [count]: the largest share of votes."""

    ratings: np.ndarray
    emotion: np.ndarray
    agreement: np.ndarray


def panel(seed: int, raters: int) -> np.ndarray:
    """The biases [raters, 3] of the corpus' raters."""
    return generator(seed, "panel").normal(0, BIAS, (raters, 3))


def rate(heard: np.ndarray, biases: np.ndarray, rng: np.random.Generator) -> Labels:
    """Rate ``heard`` [count, 3] by all raters."""
    felt = heard[:, None] + biases + rng.normal(0, NOISE, (len(heard), *biases.shape))
    ratings = np.clip(np.rint(4 + WIDTH * felt), 1, 7).mean(1)
    votes = np.stack([(classify(felt) == c).sum(1) for c in range(len(CLASSES))], 1)
    most = votes.max(1)
    emotion = np.where(2 * most > len(biases), votes.argmax(1), -1)
    return Labels(ratings, emotion, most / len(biases))


def classify(felt: np.ndarray) -> np.ndarray:
    """The vote, an index in CLASSES, for percepts [..., 3]; dominance plays no part."""
    arousal, valence = felt[..., 0], felt[..., 1]
    angry, happy, excited, neutral, sad = range(len(CLASSES))
    pleased = np.where(
        arousal > 0,
        np.where(arousal > EXCITED, excited, happy),
        np.where(valence > CONTENT, happy, neutral),
    )
    vote = np.where(valence > 0, pleased, np.where(arousal > 0, angry, sad))
    return np.where(np.hypot(arousal, valence) < NEUTRAL, neutral, vote)
