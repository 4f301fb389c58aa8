"""Running an encoder over many items and storing its layers; nothing here knows a corpus."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from stages import jobs
from stages.errors import UserError
from stages.stores import shards
from stages.stores.feature_writer import FeatureWriter, finite


def planned(extractor, sizes: np.ndarray, limit: float) -> list[np.ndarray]:
    """Batches of positions; see :func:`stages.encoders.batching.plan`."""
    from stages.encoders import batching

    costs = np.array([extractor.size(size) for size in sizes])
    return batching.plan(costs, min(limit, extractor.most))


def extract(extractor, sizes: np.ndarray, read, limit: float, put, done: int = 0, shard: str = "1of1"):
    """Run every item once, in the batches that are :func:`planned`; yields their count when each is put.

    While one batch is computed, a thread reads the next and another puts the last: values and their order are those of
    one step after the other.

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
    shard
        The share of the batches that is run.
    """
    batches = shards.share(planned(extractor, sizes, limit), shard)[done:]

    def prepared(batch):
        return extractor.prepare([read(i) for i in batch])

    def stored(batch, found) -> None:
        for i, layers in zip(batch, extractor.fetch(found), strict=True):
            for layer, values in layers.items():
                put(i, layer, values)

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        coming = reader.submit(prepared, batches[0]) if batches else None
        leaving = None
        for count, batch in enumerate(jobs.progress(batches, "features")):
            items = coming.result()
            if count + 1 < len(batches):
                coming = reader.submit(prepared, batches[count + 1])
            found = extractor.forward(items)
            if leaving:
                leaving.result()
                yield done + count
            leaving = writer.submit(stored, batch, found)
        if leaving:
            leaving.result()
            yield done + len(batches)


def narrowed(values: np.ndarray, dtype: str, who: str) -> np.ndarray:
    """``values`` in the type of the store; a value that is not finite, or is not any more, is an error.

    Torch narrows to float16 over ten times as fast as numpy, to the same bits; used where it is loaded anyway.
    """
    torch = sys.modules.get("torch")
    if torch and values.dtype == np.float32 and values.flags.writeable:
        cast = torch.from_numpy(values).to(getattr(torch, dtype)).numpy()
    else:
        with np.errstate(over="ignore"):
            cast = values.astype(dtype)
    if finite(cast):
        return cast
    if not finite(values):
        raise UserError(f"{who}: a value is not finite; look at that utterance's audio (features.precision: fp32?)")
    raise UserError(
        f"params.yaml: features.dtype: {dtype} cannot hold {np.abs(values).max():g} ({who}); set it to float32"
    )


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
    shard: str = "1of1",
    others: tuple[Path, ...] = (),
) -> int:
    """Extract every item, or those of a ``shard``, and write the store of all layers; the number of frames.

    ``names`` are the utterances', ``sizes``, ``read`` and ``limit`` as for :func:`extract`, ``attributes`` the
    store's and ``plan`` as in stages/stores/feature_writer.py; ``who`` precedes an utterance's name in an error, and
    ``others`` are the files of the other shards, finished or not.
    """
    frames = np.array([extractor.frames(size) for size in sizes], np.int64)
    mine = np.arange(len(names))
    if shard != "1of1":
        batches = planned(extractor, sizes, limit)
        mine = np.sort(np.concatenate([*shards.share(batches, shard), mine[:0]]))
        attributes = attributes | {"shard": shard, "batches": shards.plan_digest(batches, names)}
    row = dict(zip(mine.tolist(), range(len(mine)), strict=True))
    held = [names[i] for i in mine]
    rest = int(frames.sum() - frames[mine].sum()), shards.written(*others)
    writer = FeatureWriter(path, held, frames[mine], extractor.widths, attributes, dtype, plan, *rest)
    if writer.done:
        jobs.log.info("going on after %d batches of an earlier run", writer.done)

    def put(i, layer, values):
        writer.put(row[i], layer, narrowed(values, dtype, f"{who}utterance {names[i]}, layer {layer}"))

    for done in extract(extractor, sizes, read, limit, put, writer.done, shard):
        writer.mark(done)
    writer.close()
    return int(frames[mine].sum())
