"""Multi-scale k-means as `cluster` runs it, beside scikit-learn's MiniBatchKMeans on the same frames.

    python -m tests.bench.clustering [--frames 8000] [--width 128] [--scales 32 128] [--store FILE --layer 8]

The full size of Pan 2024: --frames 750000 --width 768 --scales 64 512 4096. Frames are those of a layer of a feature
store (--store), or drawn from a mixture whose components overlap. MiniBatchKMeans runs as fairseq calls it
(learn_kmeans.py: k-means++ twenty times, batches of 10,000, up to 100 passes, 100 batches without improvement), and
with one initialisation in batches of several sizes, of which the fastest is its best. Ours is timed until its inertia
(mean squared distance of all frames to the nearest centroid) is no higher than that at which fairseq's settings end;
the batches until theirs is no higher than that at which ours ends. What measures it is not timed. Then: how much of
the rate of a measured matrix product (sgemm) Lloyd's iterations reach at the largest scale, by the
2 x frames x centroids x width operations of an iteration's distances.
"""

import argparse
import time

import numpy as np

from stages.recipes.codebooks import lloyd

PASSES = 30
"""Limit of MiniBatchKMeans on the way to an inertia, in passes over the frames."""


def mixture(frames: int, width: int, seed: int = 1) -> np.ndarray:
    """Frames float32 [frames, width] from 300 Gaussians with falling variances, as hidden states have."""
    rng = np.random.default_rng(seed)
    scale = (1 / np.sqrt(np.arange(1, width + 1))).astype(np.float32)
    centres = 1.5 * rng.normal(size=(300, width)).astype(np.float32) * scale
    noise = rng.normal(size=(frames, width)).astype(np.float32) * scale
    return centres[rng.integers(300, size=frames)] + noise


def stored(path: str, layer: str, frames: int) -> np.ndarray:
    """The first ``frames`` of a layer of a feature store."""
    from stages.stores.features import FeatureStore

    store, found, count = FeatureStore(path), [], 0
    for row in range(len(store.utterances)):
        found.append(store.read(layer, row).astype(np.float32))
        count += len(found[-1])
        if count >= frames:
            break
    return np.ascontiguousarray(np.concatenate(found)[:frames])


def inertia(frames: np.ndarray, centroids: np.ndarray) -> float:
    import faiss

    return float(faiss.knn(frames, np.ascontiguousarray(centroids, np.float32), 1)[0].mean(dtype=np.float64))


def course_of(frames: np.ndarray, scale: int, iterations: int) -> list[tuple[float, float]]:
    """(seconds, inertia) after each of our iterations; FAISS counts both as it goes."""
    return [(one["time"], one["obj"] / len(frames)) for one in lloyd(frames, scale, iterations, 1).iteration_stats]


def at_fairseqs(frames: np.ndarray, scale: int) -> tuple[float, float]:
    """Seconds and inertia of MiniBatchKMeans as fairseq's HuBERT calls it."""
    from sklearn.cluster import MiniBatchKMeans

    started = time.perf_counter()
    kmeans = MiniBatchKMeans(
        scale,
        init="k-means++",
        max_iter=100,
        batch_size=10_000,
        compute_labels=False,
        tol=0.0,
        max_no_improvement=100,
        n_init=20,
        reassignment_ratio=0.0,
        random_state=1,
    ).fit(frames)
    return time.perf_counter() - started, inertia(frames, kmeans.cluster_centers_)


def until(frames: np.ndarray, scale: int, wanted: float, size: int) -> tuple[float, float]:
    """Seconds of MiniBatchKMeans in batches of ``size`` until its inertia is ``wanted``, and what it ended at."""
    from sklearn.cluster import MiniBatchKMeans

    kmeans = MiniBatchKMeans(scale, batch_size=size, n_init=1, random_state=1)
    rng, spent, reached = np.random.default_rng(1), 0.0, np.inf
    for _ in range(PASSES):
        order = rng.permutation(len(frames))
        started = time.perf_counter()
        for first in range(0, len(order), size):
            batch = order[first : first + size]
            if len(batch) >= scale:  # the first is what the centroids are drawn from
                kmeans.partial_fit(frames[batch])
        spent += time.perf_counter() - started
        reached = inertia(frames, kmeans.cluster_centers_)
        if reached <= wanted:
            break
    return spent, reached


def first_at(course: list[tuple[float, float]], wanted: float) -> str:
    return next((f"{seconds:.2f} s" for seconds, found in course if found <= wanted), "never")


def sgemm(frames: np.ndarray, scale: int) -> float:
    """Operations per second of the product [4096, width] x [width, scale], the best of five."""
    a, b = frames[:4096], np.ascontiguousarray(frames[:scale].T)
    best = np.inf
    for _ in range(5):
        started = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - started)
    return 2 * len(a) * b.size / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=8_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--scales", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--iterations", type=int, default=25)
    parser.add_argument("--batches", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--store", help="a feature store, in place of drawn frames")
    parser.add_argument("--layer", default="8")
    args = parser.parse_args()
    import faiss
    from threadpoolctl import threadpool_limits

    frames = stored(args.store, args.layer, args.frames) if args.store else mixture(args.frames, args.width)
    faiss.omp_set_num_threads(args.threads)
    print(f"{len(frames):,} frames of {frames.shape[1]}, {args.threads} threads\n")
    print(f"{'K':>5} {'side':28} {'seconds':>8} {'inertia':>9}  to the other's inertia")
    with threadpool_limits(args.threads):
        for scale in args.scales:
            course = course_of(frames, scale, args.iterations)
            seconds, ours = course[-1]
            fair_seconds, fair = at_fairseqs(frames, scale)
            tried = {size: until(frames, scale, ours, size) for size in args.batches if scale <= size <= len(frames)}
            print(f"{scale:5} {'FAISS, all frames':28} {seconds:8.2f} {ours:9.4f}  {first_at(course, fair)}")
            print(f"{'':5} {'MiniBatchKMeans, fairseq':28} {fair_seconds:8.2f} {fair:9.4f}")
            for size, (spent, reached) in tried.items():
                words = "reached" if reached <= ours else f"not in {PASSES} passes"
                print(f"{'':5} {f'MiniBatchKMeans, by {size:,}':28} {spent:8.2f} {reached:9.4f}  {words}")
        largest = max(args.scales)
        course, rate = course_of(frames, largest, args.iterations), sgemm(frames, largest)
        done = 2 * len(frames) * frames.shape[1] * largest * args.iterations / course[-1][0]
        print(f"\nK = {largest}: {done / 1e9:.1f} of {rate / 1e9:.1f} GFLOP/s of sgemm, {100 * done / rate:.0f} %")


if __name__ == "__main__":
    main()
