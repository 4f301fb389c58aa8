"""Prosody as numbers, which a speech encoder must tell of every frame: how something is said, beside what.

Clusters of MFCCs ask which phone is spoken; loudness, pitch, effort and pace hardly enter. So linear layers also
predict the first eleven descriptors of eGeMAPS (loudness, alpha ratio, Hammarberg index, two slopes, flux, MFCC 1 to 4,
F0), as the workers of PASE do (Pascual et al. 2019, section 2.2): from the CNN's output their means over 110 ms, from
the last hidden states their means and standard deviations over a second; of F0 over its voiced frames. What that is
worth: docs/encoders.md.
"""

import numpy as np

SHORT, LONG = 11, 101
"""Frames of 10 ms."""
USED, F0 = 11, 10
LEVELS, SECONDS = 10, 7
NEAR = LEVELS + 2
"""Columns over 110 ms: descriptors, share of voiced frames, F0."""
COLUMNS = NEAR + 2 * SECONDS + 3
"""Those, and over a second: means, standard deviations, share of voiced frames, mean and deviation of F0."""
PITCH = (LEVELS, LEVELS + 1, *range(COLUMNS - 3, COLUMNS))
PITCH_WEIGHT = 3.0
"""Few columns tell of pitch, and a CNN on waveforms learns it last; theirs count so much more than others."""


def windowed(values: np.ndarray, size: int) -> np.ndarray:
    """Mean [frames, columns] over ``size`` frames around each, the ends repeated; float64."""
    wide = np.pad(values.astype(np.float64), ((size // 2 + 1, size // 2), (0, 0)), mode="edge")
    sums = np.cumsum(wide, 0)
    return (sums[size:] - sums[:-size]) / size


def _spread(values: np.ndarray, mean: np.ndarray, size: int) -> np.ndarray:
    return np.sqrt(np.maximum(windowed(values**2, size) - mean**2, 0))


def _pitch(f0: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of voiced frames, mean and standard deviation of F0 over these [frames, 1], NaN where there are none."""
    share = windowed(f0 > 0, size)
    heard = share > 0.5 / size
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(heard, windowed(f0, size) / share, np.nan)
        spread = np.sqrt(np.maximum(windowed(f0**2, size) / share - mean**2, 0))
    return share, mean, np.where(heard, spread, np.nan)


def prosody(wave: np.ndarray) -> np.ndarray:
    """The descriptors float32 [frames of 10 ms, 29] of a waveform float32 [samples]; NaN where no pitch is near."""
    from ..encoders.acoustics import egemaps

    found = egemaps(wave)[:, :USED].astype(np.float64)
    levels, f0 = found[:, :LEVELS], found[:, F0 : F0 + 1]
    means, seconds = windowed(levels, SHORT), windowed(levels[:, :SECONDS], LONG)
    short = [means, *_pitch(f0, SHORT)[:2]]
    long = [seconds, _spread(levels[:, :SECONDS], seconds, LONG), *_pitch(f0, LONG)]
    return np.concatenate(short + long, axis=1).astype(np.float32)


def loss(said, wanted, first: int):
    """Smooth L1 of what was said [frames, columns] against standardised descriptors, NaN left out, pitch weighted up.

    ``first`` is the first of the columns: 0 for those over 110 ms, :data:`NEAR` for those over a second.
    """
    import torch

    there = ~wanted.isnan()
    weights = torch.tensor([PITCH_WEIGHT if first + i in PITCH else 1.0 for i in range(wanted.shape[1])])
    weights = weights.to(said.device).expand_as(said)[there]
    errors = torch.nn.functional.smooth_l1_loss(said[there], wanted[there], reduction="none")
    return (errors * weights).sum() / weights.sum()
