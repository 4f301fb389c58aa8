"""Codebooks: what masked prediction asks of a frame. Each names the k-means cluster of one view of the audio.

``mfcc`` tells which phone is spoken (Hsu et al. 2021, first iteration). It leaves out how, so two views of the first
eleven descriptors of eGeMAPS (loudness, spectral balance and flux, MFCC 1 to 4, F0) stand beside it: ``prosody``, their
mean over 110 ms, and ``delivery``, their mean and standard deviation over a second, which tell level, range and pace.
``hidden`` is a hidden layer of an encoder that was trained before (the paper's second iteration).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from ..runtime.errors import UserError
from ..runtime.reporting import log, progress

View = Literal["mfcc", "prosody", "delivery", "hidden"]
DESCRIPTORS = 11
SHORT, LONG = 11, 101
"""Frames of 10 ms that ``prosody`` and ``delivery`` look at."""
KEPT = 20_000
"""Utterances whose descriptors are kept for the second view of them."""
Features = Callable[[int], np.ndarray]


@dataclass
class Audio:
    """Unlabelled audio: lengths in samples [utterances], and the waveform float32 [samples] at a position."""

    lengths: np.ndarray
    read: Callable[[int], np.ndarray]


@dataclass
class Codebook:
    """Clusters of a view: its name, and the cluster of every frame, int64 [frames] for each utterance."""

    view: str
    labels: list[np.ndarray]


def windowed(values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation [frames, columns] over ``size`` frames around each, the ends repeated."""
    wide = np.pad(values.astype(np.float64), ((size // 2 + 1, size // 2), (0, 0)), mode="edge")
    wide -= values.mean(0)  # so that squares are small
    sums, squares = np.cumsum(wide, 0), np.cumsum(wide**2, 0)
    mean = (sums[size:] - sums[:-size]) / size
    variance = (squares[size:] - squares[:-size]) / size - mean**2
    return mean + values.mean(0), np.sqrt(np.maximum(variance, 0))


def views(encoder, audio: Audio, wanted: list[str], hidden: Features | None) -> dict[str, Features]:
    """For every view in ``wanted`` its float32 [frames, columns] of an utterance, at the frames of ``encoder``.

    ``hidden`` gives the frames of the view of that name.
    """
    from ..encoders.acoustics import egemaps, mfcc

    def at_frames(values: np.ndarray, index: int) -> np.ndarray:
        count = encoder.frames(audio.lengths[index])
        places = np.round(np.arange(count) * encoder.hop * 100).astype(int)
        return values[np.minimum(places, len(values) - 1)].astype(np.float32)

    @lru_cache(KEPT)
    def descriptors(index: int) -> np.ndarray:
        return egemaps(audio.read(index))[:, :DESCRIPTORS]

    every: dict[str, Features] = {
        "mfcc": lambda index: at_frames(mfcc(audio.read(index)), index),
        "prosody": lambda index: at_frames(windowed(descriptors(index), SHORT)[0], index),
        "delivery": lambda index: at_frames(np.concatenate(windowed(descriptors(index), LONG), axis=1), index),
    }
    if hidden is not None:
        every["hidden"] = hidden
    return {name: every[name] for name in wanted}


def codebook(view: str, features: Features, frames: list[int], clusters: int, most: int, seed: int) -> Codebook:
    """k-means (FAISS) on at most ``most`` frames of a random sample of utterances, then the cluster of every frame.

    The descriptors of eGeMAPS have many units, so their views are standardised on the sample first; MFCCs and hidden
    layers are clustered as they are, as in the paper.

    Raises
    ------
    UserError
        There are fewer frames than clusters.
    """
    import faiss

    order = np.random.default_rng(seed).permutation(len(frames))
    total = np.cumsum([frames[i] for i in order])
    chosen = order[: int(np.searchsorted(total, most)) + 1]
    found = {int(i): features(int(i)) for i in progress(chosen, f"clusters of {view}")}
    points = np.concatenate([found[int(i)] for i in chosen])[:most]
    if len(points) < clusters:
        raise UserError(f"params.yaml: clusters: {clusters}, but there are {len(points)} frames of audio")
    mean, scale = np.zeros(points.shape[1], np.float32), np.ones(points.shape[1], np.float32)
    if view in ("prosody", "delivery"):
        mean, scale = points.mean(0), points.std(0) + np.float32(1e-6)
    log.info("%s: k-means on %d of %d frames", view, len(points), sum(frames))
    means = faiss.Kmeans(
        points.shape[1], clusters, niter=25, seed=seed, max_points_per_centroid=len(points), min_points_per_centroid=1
    )
    means.train(np.ascontiguousarray((points - mean) / scale, np.float32))
    labels = []
    for i in progress(range(len(frames)), f"labels of {view}"):
        values = found.pop(i, None)
        values = features(i) if values is None else values
        labels.append(nearest((values - mean) / scale, means.centroids))
    return Codebook(view, labels)


def nearest(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Index of the nearest centroid of every point, int64 [points]."""
    import faiss

    return faiss.knn(np.ascontiguousarray(points, np.float32), centroids, 1)[1][:, 0].astype(np.int64)
