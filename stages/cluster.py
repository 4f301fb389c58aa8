"""Frame-level pseudo-labels at several scales: FAISS k-means on hidden layers (Pan 2024, section 3.1).

Reads manifest, protocol, the encoder's cached CNN output, the encoder that it starts from; params ``cluster.NAME``. The
encoder hears every utterance once, for all layers and scales. The codebooks are fitted on training utterances alone,
unless ``fit`` declares otherwise; the file says on which. Writes per fold and seed the labels of the frames of training
and validation utterances, ``labels/LAYER/K``, with ``labels/rows`` and ``labels/counts``, and figures of quality.
"""

from typing import Literal

import numpy as np

from .config.settings import Section, setting
from .protocols.splits import fit_scope
from .recipes import chain_job, codebooks
from .recipes.chain import START
from .runtime import process
from .runtime.reporting import log


class Cluster(Section):
    """k-means over frames; FAISS' own sub-sampling (256 points per centroid) is switched off."""

    speech: str = setting("speech encoder, a name in encoders; study: the study's own")
    start: str = setting(START)
    layers: list[int] = setting("hidden layers, counted from the last (-1); the paper's best is -3", min_length=1)
    scales: list[int] = setting("numbers of centroids", min_length=1)
    iterations: int = setting("of Lloyd's algorithm", ours=True, ge=1)
    fit: Literal["training", "all"] = setting(
        "whose frames fit the codebooks; all: those of test utterances too, a leak that every result declares",
        ours=True,
    )
    memory_gb: float = setting("frames kept in memory, GB; beyond that in a file, with the same result", ge=0)
    threads: int = setting("threads of the job (another number rounds differently)", ge=1)


def main(args) -> None:
    chain_job.run("cluster", Cluster, clustered, **chain_job.asked(args))


def clustered(section: Cluster, inputs, fold, seed: int, unit):
    """``labels/LAYER/K`` uint [frames of the training and validation rows], ``labels/rows``, ``/counts``, and notes.

    Raises
    ------
    UserError
        The encoder has fewer layers, or there are fewer frames than centroids.
    """
    import faiss

    from .training.loop import seeded

    examples = inputs.examples
    faiss.omp_set_num_threads(section.threads)
    seeded(seed)
    leaky, labelled = section.fit == "all", np.concatenate([fold.train, fold.val])
    rows, layers = np.concatenate([labelled, fold.test]) if leaky else labelled, dict.fromkeys(section.layers)
    frames, counts = hidden_frames(section, inputs, fold, seed, rows, list(layers))
    train, kept = (int(counts[:n].sum()) for n in (len(fold.train), len(labelled)))
    fitted, seen = (len(frames[0]), examples.names(rows)) if leaky else (train, examples.names(fold.train))
    if not leaky:
        fit_scope(seen, examples.protocol, fold.number, "k-means codebook")
    known = {n: np.repeat(codes[fold.train], counts[: len(fold.train)]) for n, codes in told(examples).items()}
    arrays, quality = {"labels/rows": labelled, "labels/counts": counts[: len(labelled)]}, {}
    for layer, own in zip(layers, frames, strict=True):
        for scale in dict.fromkeys(section.scales):
            found = codebooks.k_means(own, fitted, scale, section.iterations, seed)
            labels = found.labels[:kept]
            arrays[f"labels/{layer}/{scale}"] = labels
            quality[f"{layer}/{scale}"] = codebooks.judged(labels[:train], known, scale) | found.figures
            log.info("layer %d, %d centroids: %s", layer, scale, quality[f"{layer}/{scale}"])
    return arrays, {"frames": fitted, "quality": quality, "leaks" if leaky else "seen": seen}


def hidden_frames(section: Cluster, inputs, fold, seed: int, rows: np.ndarray, layers: list[int]):
    """Frames float32 [layers, frames, width] of ``rows``, one after the other, and how many each has [rows].

    The encoder hears every utterance once, in eval mode and without masks.

    Raises
    ------
    UserError
        The encoder has fewer layers.
    """
    from .recipes.fine_tuning import begun, check_layer
    from .recipes.speech_input import SpeechInput, in_batches
    from .training.weights import on_cpu

    encoder = begun(inputs, section.start, fold, seed).eval()
    for layer in layers:
        check_layer("cluster layers", layer, encoder)
    speech = SpeechInput(inputs, encoder, "conv")
    counts, ends = speech.lengths[rows], np.zeros(len(speech.lengths), np.int64)
    ends[rows] = np.cumsum(counts)
    shape = (len(layers), int(counts.sum()), encoder.width)
    frames = codebooks.frame_store(shape, section.memory_gb, inputs.scratch)

    def fill(batch):
        hidden, lengths = speech.hidden(batch)
        for place, layer in enumerate(layers):
            for row, values, n in zip(batch, hidden[layer], lengths.tolist(), strict=True):
                frames[place, ends[row] - n : ends[row]] = on_cpu(values[:n])
        return batch

    in_batches(rows, speech.lengths, 16, fill)
    return frames, counts


def told(examples) -> dict[str, np.ndarray]:
    """What is known of every utterance: {emotion, gender, speaker, sentence: codes int [utterances], -1: unknown}.

    The emotions of the fold's test utterances are hidden.
    """
    found = {"emotion": examples.targets}
    columns = {"gender": "gender", "speaker": "speaker", "sentence": "text"}
    for name, column in columns.items():
        values = examples.manifest[column].fillna("") if column in examples.manifest else None
        if values is not None:
            codes, _ = values.where(values != "").factorize()
            found[name] = codes
    return found


if __name__ == "__main__":
    process.run(main, __doc__, chain_job.arguments)
