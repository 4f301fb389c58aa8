"""What masked prediction asks of a frame: the k-means cluster of a view of the audio, and descriptors of prosody.

The views are ``mfcc`` (Hsu et al. 2021, first iteration) and ``hidden``, a hidden layer of an encoder that was trained
before (second iteration).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..runtime.errors import UserError
from ..runtime.reporting import log, progress

View = Literal["mfcc", "hidden"]
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


def at_frames(values: np.ndarray, encoder, samples: int) -> np.ndarray:
    """Rows of ``values`` [frames of 10 ms, columns] at the frames of ``encoder``; the last is repeated where needed."""
    places = np.round(np.arange(encoder.frames(samples)) * encoder.hop * 100).astype(int)
    return values[np.minimum(places, len(values) - 1)].astype(np.float32)


def mfcc_at(encoder, audio: Audio) -> Features:
    """MFCCs float32 [frames, 39] of an utterance."""
    from ..encoders.acoustics import mfcc

    return lambda index: at_frames(mfcc(audio.read(index)), encoder, audio.lengths[index])


def prosody_at(encoder, audio: Audio) -> list[np.ndarray]:
    """Descriptors float32 [frames, columns] of every utterance, standardised over all; NaN where there is none."""
    from .descriptors import prosody

    every = progress(range(len(audio.lengths)), "prosody")
    found = [at_frames(prosody(audio.read(i)), encoder, audio.lengths[i]) for i in every]
    whole = np.concatenate(found)
    mean, scale = np.nanmean(whole, 0), np.nanstd(whole, 0) + np.float32(1e-6)
    return [(values - mean) / scale for values in found]


def codebook(view: str, features: Features, frames: list[int], clusters: int, most: int, seed: int) -> Codebook:
    """k-means (FAISS) on at most ``most`` frames of a random sample of utterances, then the cluster of every frame.

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
    log.info("%s: k-means on %d of %d frames", view, len(points), sum(frames))
    means = faiss.Kmeans(
        points.shape[1], clusters, niter=25, seed=seed, max_points_per_centroid=len(points), min_points_per_centroid=1
    )
    means.train(np.ascontiguousarray(points, np.float32))
    labels = []
    for i in progress(range(len(frames)), f"labels of {view}"):
        values = found.pop(i, None)
        values = features(i) if values is None else values
        labels.append(nearest(values, means.centroids))
    return Codebook(view, labels)


def nearest(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Index of the nearest centroid of every point, int64 [points]."""
    import faiss

    return faiss.knn(np.ascontiguousarray(points, np.float32), centroids, 1)[1][:, 0].astype(np.int64)
