"""Codebooks over frames: k-means with FAISS, what its labels are worth, and where many frames are kept."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..runtime.errors import UserError
from ..stores import scratch


class Clusters(NamedTuple):
    """The nearest centroid of every frame, of the smallest unsigned type that holds it [frames], and figures."""

    labels: np.ndarray
    figures: dict
    """``inertia``: mean squared distance of the fitted frames; ``splits``: how often FAISS split a centroid to fill an
    empty one; ``on``: cpu or gpu."""


def k_means(frames: np.ndarray, fitted: int, scale: int, iterations: int, seed: int) -> Clusters:
    """The clusters of ``frames`` float32 [frames, width], whose ``scale`` centroids the first ``fitted`` give.

    Raises
    ------
    UserError
        There are fewer fitted frames than centroids.
    """
    if fitted < scale:
        raise UserError(f"params.yaml: cluster scales: {scale} centroids for {fitted} frames; lower the scale")
    kmeans = lloyd(frames[:fitted], scale, iterations, seed)
    distances, labels = kmeans.index.search(frames, 1)
    figures = {
        "inertia": float(distances[:fitted].mean(dtype=np.float64)),
        "splits": sum(int(one["nsplit"]) for one in kmeans.iteration_stats),
        "on": "gpu" if kmeans.gpu else "cpu",
    }
    return Clusters(labels[:, 0].astype(np.min_scalar_type(scale - 1)), figures)


def lloyd(frames: np.ndarray, scale: int, iterations: int, seed: int):
    """FAISS' ``Kmeans`` after Lloyd's algorithm on all ``frames`` float32 [frames, width], without its sub-sampling.

    On a GPU where FAISS has one, else on as many threads as ``faiss.omp_set_num_threads`` says.
    """
    import faiss

    gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    kmeans = faiss.Kmeans(
        frames.shape[1],
        scale,
        niter=iterations,
        seed=seed,
        max_points_per_centroid=len(frames),
        min_points_per_centroid=1,
        gpu=min(gpus, 1),
    )
    kmeans.train(frames)
    return kmeans


def perplexity(labels: np.ndarray, scale: int) -> float:
    """Of the use of ``scale`` centroids: ``scale`` where all are used alike, 1 where one is.

    exp(-sum of p ln p) over the shares p of the frames.
    """
    share = np.bincount(labels, minlength=scale) / len(labels)
    used = share[share > 0]
    return float(np.exp(-(used * np.log(used)).sum()))


def judged(labels: np.ndarray, known: dict[str, np.ndarray], scale: int) -> dict:
    """How labels [frames] use the centroids, and their normalised mutual information with what is ``known`` of frames.

    ``known``: {name: codes int [frames], -1 where nothing is known}.
    """
    from sklearn.metrics import normalized_mutual_info_score

    counts = np.bincount(labels, minlength=scale)
    found = {"empty": int((counts == 0).sum()), "perplexity": perplexity(labels, scale)}
    found["commonest"] = float(counts.max() / len(labels))
    for name, codes in known.items():
        there = codes >= 0
        if there.any():
            found[f"nmi {name}"] = float(normalized_mutual_info_score(codes[there], labels[there]))
    return found


def shuffled(labels: np.ndarray, seed: int) -> np.ndarray:
    """The same labels [frames] in a random order: a control with their frequencies, which knows of no frame."""
    return np.random.default_rng(seed).permutation(labels)


def refuse_collapsed(labels: np.ndarray, scale: int, least: float, what: str) -> None:
    """Stop where labels [frames] use the centroids too unevenly to teach anything.

    Raises
    ------
    UserError
        Their perplexity is less than ``least`` (a share) of ``scale``.
    """
    if (found := perplexity(labels, scale)) < least * scale:
        raise UserError(
            f"{what}: the codebook of {scale} has collapsed: its labels' perplexity is {found:.1f}, less than"
            f" {least:g} of its centroids (least_perplexity); take another layer, fewer scales or another start"
        )


def frame_store(shape: tuple[int, ...], memory_gb: float, folder: Path | str | None) -> np.ndarray:
    """An empty array float32 of ``shape``: in memory, or beyond ``memory_gb`` in a file (:func:`scratch.unnamed`)."""
    if 4 * np.prod(shape) <= memory_gb * 1e9:
        return np.empty(shape, np.float32)
    return scratch.unnamed(shape, np.float32, folder)
