"""Running an encoder over many items and storing its layers; nothing here knows a corpus."""

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..runtime import pool
from ..runtime.errors import UserError
from ..runtime.reporting import log, progress
from ..stores import shards
from ..stores.feature_writer import FeatureWriter, NotFinite, finite


def planned(extractor, sizes: np.ndarray, limit: float) -> list[np.ndarray]:
    """Batches of positions; see :func:`stages.encoders.batching.plan`."""
    from . import batching

    costs = np.array([extractor.size(size) for size in sizes])
    return batching.plan(costs, min(limit, extractor.most))


def extract(
    extractor,
    sizes: np.ndarray,
    read,
    limit: float,
    put,
    dtype: str = "float32",
    done: int = 0,
    shard: str = "1of1",
    processes: int = 1,
):
    """Run every item once, in the batches of :func:`planned`; yields the number of batches stored so far.

    Descriptors (``extractor.forks``) are computed in so many ``processes``, whole batches each. A network's
    next batch is read by a thread, and its last one stored by another, while one is computed, where a GPU does that or
    a core is free (``extractor.beside``). Values and their order are the same without processes and threads.

    Parameters
    ----------
    sizes
        Samples or tokens of every item [items].
    read
        The item (waveform or text) at a position.
    limit
        Largest padded size of a batch, in the unit of ``sizes``; the extractor's own limit may be lower.
    put
        Called with position, layer, values [frames, width] and a function that gives them in float32.
    dtype
        Of the values, 'float16' or 'float32'; what float16 cannot hold is infinite.
    done
        Batches to skip, which an earlier run has stored.
    shard
        The share of the batches that is run.
    """
    batches = shards.share(planned(extractor, sizes, limit), shard)[done:]
    if extractor.forks and min(processes, len(batches)) > 1:
        found = _side_by_side(extractor, batches, read, dtype, min(processes, len(batches)))
        for count, (batch, items) in enumerate(zip(batches, progress(found, "features", len(batches)), strict=True)):
            for i, layers in zip(batch, items, strict=True):
                for layer, values in layers.items():
                    put(i, layer, values, lambda i=i, layer=layer: extractor.run([read(i)])[0][layer])
            yield done + count + 1
        return

    def prepared(batch):
        return extractor.prepare([read(i) for i in batch])

    def stored(batch, found) -> None:
        for k, (i, layers) in enumerate(zip(batch, extractor.fetch(found, dtype), strict=True)):
            for layer, values in layers.items():
                put(i, layer, values, lambda k=k, layer=layer: extractor.fetch(found, "float32")[k][layer])

    hand = ThreadPoolExecutor if extractor.beside else _AtOnce
    with hand(1) as reader, hand(1) as writer:
        coming = reader.submit(prepared, batches[0]) if batches else None
        leaving = None
        for count, batch in enumerate(progress(batches, "features")):
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


def _side_by_side(extractor, batches: list, read, dtype: str, processes: int):
    """The layers of every batch's items, in order, computed in forked processes. Files are read in this one alone."""

    def computed(items):
        return extractor.fetch(extractor.forward(extractor.prepare(items)), dtype)

    pieces = (([read(i) for i in batch],) for batch in batches)
    return pool.in_order(computed, pieces, processes, 2 * processes, "ingest.workers")


class _AtOnce(Executor):
    """Does what it is given at once, in the thread that gives it."""

    def __init__(self, _: int):
        pass

    def submit(self, work, /, *given) -> Future:
        done: Future = Future()
        done.set_result(work(*given))
        return done


def refusal(values: np.ndarray, dtype: str, who: str) -> UserError:
    """Why ``values`` float32 are not finite as ``dtype``."""
    if not finite(values):
        return UserError(f"{who}: a value is not finite; look at that utterance's audio (features.precision: fp32?)")
    return UserError(
        f"params.yaml: features.dtype: {dtype} cannot hold {np.abs(values).max():g} ({who}); set it to float32"
    )


def write_store(
    path: Path,
    extractor,
    *,
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
    processes: int = 1,
) -> int:
    """Extract every item, or those of a ``shard``, and write the store of all layers; the number of frames.

    ``names`` are the utterances', ``sizes``, ``read``, ``limit`` and ``processes`` as for :func:`extract`,
    ``attributes`` the store's and ``plan`` as in stages/stores/feature_writer.py; ``who`` precedes an utterance's name
    in an error, and ``others`` are the files of the other shards, finished or not.
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
        log.info("going on after %d batches of an earlier run", writer.done)

    def put(i, layer, values, exact):
        try:
            writer.put(row[i], layer, values)
        except NotFinite:
            raise refusal(exact(), dtype, f"{who}utterance {names[i]}, layer {layer}") from None

    for done in extract(extractor, sizes, read, limit, put, dtype, writer.done, shard, processes):
        writer.mark(done)
    writer.close()
    return int(frames[mine].sum())
