"""The feature store beside a flat memory map, beside one HDF5 dataset per utterance, and beside the disk.

    python -m tests.bench.store [FOLDER] [--utterances 2000] [--width 768] [--rounds 5]

Reads minibatches of 32 random utterances of 50 to 250 frames, float16, each padded into one array, as training does;
all sides hold the same bytes and are read from the page cache, in turn. A store proves every utterance by its checksum
when it is first read: ``store, first time`` opens it anew in every round, ``store`` is as in all later epochs; what a
new map costs without any proof is ``its bytes, mapped anew``, what the sum costs ``flat map, and the sum``. Writing is
in the order of extraction, the longest first, and with fsync, beside one plain write of the same bytes to a new file in
the same folder, and beside a store whose room is not reserved first. Medians of the rounds; ratios are within a round,
and once more by processor seconds, which a busy machine leaves comparable.
"""

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path
from unittest.mock import patch

import h5py
import numpy as np

from stages.stores import feature_writer, integrity
from stages.stores.feature_writer import FeatureWriter
from stages.stores.features import FeatureStore

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(tempfile.gettempdir()))
    parser.add_argument("--utterances", type=int, default=2000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    frames = rng.integers(50, 250, args.utterances)
    names = [f"u{i:05d}" for i in range(args.utterances)]
    offsets = np.concatenate([[0], np.cumsum(frames)])
    values = rng.standard_normal((int(offsets[-1]), args.width), np.float32).astype(np.float16)
    print(f"{args.utterances} utterances, {values.nbytes / 1e6:.0f} MB")
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        writing(folder, values, names, frames, offsets, args.rounds)
        with h5py.File(folder / "many.h5", "w") as file:
            for i, utterance in enumerate(names):
                file[utterance] = values[offsets[i] : offsets[i + 1]]
        reading(folder, names, frames, offsets, values, args.rounds)


def writing(folder: Path, values, names: list[str], frames, offsets, rounds: int) -> None:
    spent = {"plain write": [], "store": [], "store, not reserved": []}
    for round_ in range(rounds):
        for side in list(spent)[:: 1 if round_ % 2 else -1]:
            (folder / "store.h5").unlink(missing_ok=True)
            (folder / "flat.bin").unlink(missing_ok=True) if side == "plain write" else None
            started = now()
            if side == "plain write":
                with open(folder / "flat.bin", "wb", buffering=0) as file:
                    rest = memoryview(values).cast("B")
                    while rest:
                        rest = rest[file.write(rest) :]
                    os.fsync(file.fileno())
            else:
                reserve = feature_writer._reserve if side == "store" else lambda *_: None
                with patch.object(feature_writer, "_reserve", reserve):
                    store(folder, values, names, frames, offsets)
            spent[side].append(now() - started)
    if not (folder / "store.h5").exists():
        store(folder, values, names, frames, offsets)
    show("writing", spent, "plain write", values.nbytes)


def store(folder: Path, values, names: list[str], frames, offsets) -> None:
    writer = FeatureWriter(folder / "store.h5", names, frames, {"0": values.shape[1]}, {})
    for i in np.argsort(-frames, kind="stable").tolist():
        writer.put(i, "0", values[offsets[i] : offsets[i + 1]])
    writer.close()


def reading(folder: Path, names: list[str], frames, offsets, values, rounds: int) -> None:
    store, flat = FeatureStore(folder / "store.h5"), np.memmap(folder / "flat.bin", np.float16, "r", shape=values.shape)
    with h5py.File(store.path) as file:
        place = file["layers/0"].id.get_offset()

    def mapped():
        anew = np.memmap(store.path, np.float16, "r", place, values.shape)
        return lambda i: anew[offsets[i] : offsets[i + 1]]

    def summed(i):
        found = flat[offsets[i] : offsets[i + 1]]
        integrity.checksum(found)
        return found

    with h5py.File(folder / "many.h5", "r") as many:
        sides = {
            "flat memory map": lambda: lambda i: flat[offsets[i] : offsets[i + 1]],
            "store": lambda: partial(store.read, "0"),
            "store, first time": lambda: partial(FeatureStore(store.path).read, "0"),
            "its bytes, mapped anew": mapped,
            "flat map, and the sum": lambda: summed,
            "one dataset each": lambda: lambda i: many[names[i]][:],
        }
        for opened in sides.values():  # fills the page cache; and all hold the same
            read = opened()
            assert all(np.array_equal(read(i), values[offsets[i] : offsets[i + 1]]) for i in range(0, len(names), 7))
        spent: dict[str, list[np.ndarray]] = {side: [] for side in sides}
        for round_ in range(-1, rounds):
            order = np.random.default_rng(max(round_, 0)).permutation(len(names))
            for side, opened in list(sides.items())[:: 1 if round_ % 2 else -1]:
                started = now()
                read = opened()
                for start in range(0, len(order), BATCH):
                    batch = order[start : start + BATCH]
                    padded = np.zeros((len(batch), frames[batch].max(), values.shape[1]), np.float16)
                    for row, i in zip(padded, batch, strict=True):
                        row[: frames[i]] = read(i)
                if round_ >= 0:
                    spent[side].append(now() - started)
    show("reading", spent, "flat memory map", values.nbytes)


def now() -> np.ndarray:
    """Seconds by the clock and of this process."""
    return np.array([time.perf_counter(), time.process_time()])


def show(what: str, spent: dict[str, list[np.ndarray]], base: str, size: int) -> None:
    for side, seconds in spent.items():
        ratio, processor = np.median([b / s for b, s in zip(spent[base], seconds, strict=True)], 0)
        median = np.median(seconds, 0)[0]
        print(
            f"{what:8} {side:23} {median:7.3f} s {size / median / 1e6:7.0f} MB/s, {ratio:5.2f} of {base}'s rate"
            f" (processor {processor:5.2f})"
        )


if __name__ == "__main__":
    main()
