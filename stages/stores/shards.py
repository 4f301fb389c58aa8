"""A feature store in shards: several jobs extract whole batches of one plan, each into a file, and these are joined.

A shard is named by its share, ``2of3``: every third batch of the plan, beginning with the second. So each batch holds
what it would hold without shards, and the values are the same to the bit. Joining writes a small file that says where
every utterance lies; the frames stay in the shards, which are read through memory maps. It takes 75 microseconds and 96
bytes for every utterance and layer, nearly all of it for the virtual datasets that other programs read.
"""

import hashlib
import json
import os
from pathlib import Path

import h5py
import numpy as np

from ..runtime import disk
from ..runtime.errors import UserError
from .features import FeatureStore, index_of, table_digest

OWN = ("shard", "batches", "device", "index")
"""Attributes of a shard that the joined store has not, or has its own of."""


def share(batches: list, shard: str) -> list:
    """The batches of shard ``KofN``: every Nth, beginning with the Kth; the longest come first, so shares are alike."""
    number, count = (int(part) for part in shard.split("of"))
    return batches[number - 1 :: count]


def plan_digest(batches: list[np.ndarray], names: list[str]) -> str:
    """SHA-256 of which utterances share a batch."""
    return hashlib.sha256(json.dumps([[names[i] for i in batch] for batch in batches]).encode()).hexdigest()


def written(*files: Path) -> int:
    """Bytes of those of ``files`` that are there, as the disk counts them: filled or reserved."""
    return sum(os.stat(path).st_blocks * 512 for path in files if path.exists())


def join(path: Path | str, shards: list[Path], utterances: list[str], content: str) -> FeatureStore:
    """Write to ``path`` a store over ``shards``, of ``utterances`` in that order, and open it.

    Parameters
    ----------
    content
        What the audio is known by that they were extracted from (:func:`stages.stores.audio.content`).

    Raises
    ------
    UserError
        A shard is missing, damaged, of another corpus, encoder or plan than the others, or utterances are not covered.
    """
    path, stores = Path(path), [FeatureStore(shard) for shard in shards]
    place: dict[str, tuple[int, int]] = {}
    for number, (shard, store) in enumerate(zip(shards, stores, strict=True)):
        _refuse_foreign(shard, store, shards[0], stores[0], content)
        place |= {name: (number, i) for i, name in enumerate(store.utterances)}
    if place.keys() != set(utterances) or sum(map(len, stores)) != len(utterances):
        raise UserError(
            f"{shards[0].parent}: its shards hold {sum(map(len, stores))} utterances, not just the {len(utterances)} of"
            " the corpus; delete them and run again"
        )
    of, row = np.array([place[name] for name in utterances], np.int64).reshape(-1, 2).T
    first, frames = np.zeros((2, len(utterances)), np.int64)
    checksums = {layer: np.zeros(len(utterances), np.uint64) for layer in stores[0].layers}
    for number, store in enumerate(stores):
        mine = of == number
        first[mine], frames[mine] = store.offsets[row[mine]], np.diff(store.offsets)[row[mine]]
        for layer, values in checksums.items():
            values[mine] = store.checksums[layer][row[mine]]
    _write(path, shards, stores, utterances, np.concatenate([[0], np.cumsum(frames)]), checksums, of, first)
    return FeatureStore(path)


def _write(path: Path, shards, stores, utterances: list[str], offsets, checksums: dict, of, first) -> None:
    attributes = {key: value for key, value in stores[0].attributes.items() if key not in OWN}
    described = {n: [kind, int(offsets[-1]), width] for n, (kind, _, width) in stores[0].described.items()}
    files = [os.path.relpath(shard, path.parent) for shard in shards]
    indices, text = [store.attributes["index"].decode() for store in stores], h5py.string_dtype()
    names = sum(len(name.encode()) for name in utterances)
    disk.need_space(path.parent, 2 * (names + 8 * len(utterances) * (len(checksums) + 5)))
    with h5py.File(path, "w", libver="latest") as file:
        file["offsets"], file["utterances"] = offsets, np.asarray(utterances, dtype=text)
        for group in ("checksums", "shards", "layers"):
            file.create_group(group)
        for layer, values in checksums.items():
            file[f"checksums/{layer}"] = values
        table = file["shards"]
        table["files"], table["index"] = np.asarray(files, dtype=text), np.asarray(indices, dtype=text)
        table["of"], table["first"] = of, first
        table.attrs["digest"] = np.bytes_(table_digest(files, indices, of, first))
        for layer, (kind, _, width) in described.items():
            lengths = [store.described[layer][1] for store in stores]
            _lay_over(file, f"layers/{layer}", np.dtype(kind), width, files, lengths, offsets, of, first)
        index = index_of(attributes, utterances, offsets, described, checksums)
        file.attrs.update(attributes, index=np.bytes_(index))


def _lay_over(file, name: str, dtype, width: int, files: list[str], lengths: list[int], offsets, of, first) -> None:
    """A virtual dataset of all frames; utterances that lie one after the other in a shard are one piece of it."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_obj_track_times(False)
    whole = h5py.h5s.create_simple((int(offsets[-1]), width))
    places = [h5py.h5s.create_simple((length, width)) for length in lengths]
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(of)], strict=True):
        count, shard = (int(offsets[end] - offsets[start]), width), int(of[start])
        if count[0]:
            whole.select_hyperslab((int(offsets[start]), 0), (1, 1), None, count)
            places[shard].select_hyperslab((int(first[start]), 0), (1, 1), None, count)
            layout.set_virtual(whole, files[shard].encode(), name.encode(), places[shard])
    whole.select_all()
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(dtype, logical=True), whole, dcpl=layout)


def _refuse_foreign(path: Path, store: FeatureStore, first: Path, other: FeatureStore, content: str) -> None:
    """Stop where a shard is not what its name says, or not of the corpus, encoder and plan of the first one."""
    shard = store.attributes.get("shard", "")
    if shard != path.stem:
        raise UserError(f"{path}: holds {f'shard {shard}' if shard else 'no shard'}; delete it and run again")
    if store.attributes["audio"] != content:
        raise UserError(f"{path}: extracted from other audio than the corpus has now; delete it and run again")
    mine, others = (
        each.attributes | {"layers": {name: (kind, width) for name, (kind, _, width) in each.described.items()}}
        for each in (store, other)
    )
    for key in sorted((mine.keys() | others.keys()) - {"shard", "index"}):
        if mine.get(key) != others.get(key):
            raise UserError(
                f"{path}: its {key} ({mine.get(key, 'none')!s:.40}) are not those of {first.name}"
                f" ({others.get(key, 'none')!s:.40}); delete the one that is not of this encoder, then run again"
            )
