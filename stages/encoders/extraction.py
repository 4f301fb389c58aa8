"""Running an encoder over many items and storing its layers; nothing here knows a corpus."""

from pathlib import Path

import numpy as np

from stages import jobs
from stages.errors import UserError
from stages.stores.features import FeatureWriter, finite


def extract(extractor, sizes: np.ndarray, read, limit: float, put, done: int = 0):
    """Run every item once, in the batches of :func:`stages.encoders.batching.plan`; yields their count after each.

    Parameters
    ----------
    sizes
        Samples or tokens of every item [items].
    read
        The item (waveform or text) at a position.
    limit
        Largest padded size of a batch, in the unit of ``sizes``; the extractor's own limit may be lower.
    put
        Called with position, layer and values float32 [frames, width].
    done
        Batches to leave out, for an earlier run did them.
    """
    from stages.encoders import batching

    costs = np.array([extractor.size(size) for size in sizes])
    batches = batching.plan(costs, min(limit, extractor.most))
    for count, batch in enumerate(jobs.progress(batches[done:], "features"), done + 1):
        for i, layers in zip(batch, extractor.run([read(i) for i in batch]), strict=True):
            for layer, values in layers.items():
                put(i, layer, values)
        yield count


def narrowed(values: np.ndarray, dtype: str, who: str) -> np.ndarray:
    """``values`` in the type of the store; a value that is not finite, or is not any more, is an error."""
    if not finite(values):
        raise UserError(f"{who}: a value is not finite; look at that utterance's audio (features.precision: fp32?)")
    with np.errstate(over="ignore"):
        cast = values.astype(dtype)
    if not finite(cast):
        raise UserError(
            f"params.yaml: features.dtype: {dtype} cannot hold {np.abs(values).max():g} ({who}); set it to float32"
        )
    return cast


def write_store(
    path: Path,
    extractor,
    names: list[str],
    sizes: np.ndarray,
    read,
    limit: float,
    dtype: str,
    attributes: dict,
    who: str = "",
    plan: str = "",
) -> int:
    """Extract every item and write the store of all layers; the number of frames.

    ``names`` are the utterances', ``sizes``, ``read`` and ``limit`` as for :func:`extract`, ``attributes`` the
    store's and ``plan`` as in stages/stores/features.py; ``who`` precedes an utterance's name in an error.
    """
    frames = np.array([extractor.frames(size) for size in sizes], np.int64)
    writer = FeatureWriter(path, names, frames, extractor.widths, attributes, dtype, plan)
    if writer.done:
        jobs.log.info("going on after %d batches of an earlier run", writer.done)

    def put(i, layer, values):
        writer.put(i, layer, narrowed(values, dtype, f"{who}utterance {names[i]}, layer {layer}"))

    for done in extract(extractor, sizes, read, limit, put, writer.done):
        writer.mark(done)
    writer.close()
    return int(frames.sum())
