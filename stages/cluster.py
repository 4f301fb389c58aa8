"""Frame-level pseudo-labels at several scales: FAISS k-means on a hidden layer (Pan 2024, section 3.1).

Reads manifest, protocol, the encoder's cached CNN output, the adapted encoders; params ``cluster.NAME``. The codebook
is fitted on training utterances alone, and says so. Writes per fold and seed the frame labels of training and
validation utterances at every scale, the centroids, and figures of quality (safetensors).
"""

import numpy as np

from .config.settings import Section, setting
from .protocols.splits import fit_scope
from .recipes import pan_stages
from .recipes.chain import START
from .runtime import process


class Cluster(Section):
    """k-means over frames; FAISS' own sub-sampling (256 points per centroid) is switched off."""

    speech: str = setting("speech encoder, a name in encoders; study: the study's own")
    start: str = setting(START)
    layer: int = setting("hidden layer, counted from the last (-1); the paper's best is -3", le=-1)
    scales: list[int] = setting("numbers of centroids", min_length=1)
    iterations: int = setting("of Lloyd's algorithm", ge=1)
    threads: int = setting("threads of the job (another number rounds differently)", ge=1)


def main(args) -> None:
    pan_stages.run("cluster", Cluster, clustered, **pan_stages.asked(args))


def clustered(section: Cluster, inputs, fold, seed: int, unit):
    """``labels/K`` int32 [frames of the fold's training and validation rows], ``labels/centroids/K``, and notes."""
    import faiss

    from .recipes.fine_tuning import begun
    from .recipes.speech_input import SpeechInput, in_batches
    from .training.loop import seeded
    from .training.weights import on_cpu

    examples = inputs.examples
    faiss.omp_set_num_threads(section.threads)
    seeded(seed)
    encoder = begun(inputs, section.start, fold, seed).eval()
    speech = SpeechInput(inputs, encoder, "conv")

    rows = np.concatenate([fold.train, fold.val])
    counts = speech.lengths[rows]
    ends = np.zeros(len(speech.lengths), np.int64)
    ends[rows] = np.cumsum(counts)
    frames = np.empty((int(counts.sum()), encoder.width), np.float32)

    def fill(batch):
        hidden, lengths = speech.hidden(batch)
        for row, values, n in zip(batch, hidden[section.layer], lengths.tolist(), strict=True):
            frames[ends[row] - n : ends[row]] = on_cpu(values[:n])
        return batch

    in_batches(rows, speech.lengths, 16, fill)
    fitted = int(counts[: len(fold.train)].sum())
    seen = examples.names(fold.train)
    fit_scope(seen, examples.protocol, fold.number, "k-means codebook")
    emotion = np.repeat(examples.targets[rows], counts)[:fitted]
    arrays, quality = {"labels/rows": rows, "labels/counts": counts}, {}
    for scale in section.scales:
        centroids, labels, inertia = k_means(frames, fitted, scale, section.iterations, seed)
        arrays |= {f"labels/{scale}": labels.astype(np.int32), f"labels/centroids/{scale}": centroids}
        quality[str(scale)] = judged(labels[:fitted], emotion, scale) | {"inertia per frame": inertia}
    return arrays, {"seen": seen, "frames": fitted, "quality": quality}


def k_means(frames: np.ndarray, fitted: int, scale: int, iterations: int, seed: int):
    """Centroids [scale, width] from the first ``fitted`` frames, labels of all frames, mean squared distance.

    Raises
    ------
    UserError
        There are fewer training frames than centroids.
    """
    import faiss

    from .runtime.errors import UserError

    if fitted < scale:
        raise UserError(f"params.yaml: cluster scales: {scale} centroids for {fitted} training frames; lower the scale")
    kmeans = faiss.Kmeans(
        frames.shape[1],
        scale,
        niter=iterations,
        seed=seed,
        max_points_per_centroid=len(frames),
        min_points_per_centroid=1,
    )
    kmeans.train(frames[:fitted])
    distances, labels = kmeans.index.search(frames, 1)
    return kmeans.centroids, labels[:, 0], float(distances[:fitted].mean())


def judged(labels: np.ndarray, emotion: np.ndarray, scale: int) -> dict:
    """Figures of quality: share of centroids in use, perplexity of their use, NMI with the utterances' emotion."""
    from sklearn.metrics import normalized_mutual_info_score

    share = np.bincount(labels, minlength=scale) / len(labels)
    used = share[share > 0]
    nmi = normalized_mutual_info_score(emotion, labels)
    return {
        "used": len(used) / scale,
        "perplexity": float(np.exp(-(used * np.log(used)).sum())),
        "nmi emotion": float(nmi),
    }


if __name__ == "__main__":
    process.run(main, __doc__, pan_stages.arguments)
