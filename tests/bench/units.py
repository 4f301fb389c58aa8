"""The memory of a job's models: the peak of making and writing units against their number.

    python -m tests.bench.units [--megabytes 64] [--counts 2 8 32]

Every count is a process of its own: it makes so many units (one fold's model each, in arrays of 4 MB) through the
scratch store, then finds them there again, and writes the models' file. Prints the resident peak
before and after writing, and its ratio to that of the first count: flat is 1. Needs free disk of twice the largest.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def make(megabytes: int, count: int, folder: Path) -> None:
    from stages.training import units

    def work(fold, seed, unit):
        rng = np.random.default_rng(fold)
        arrays = {f"model/{i}": rng.integers(0, 99, 1 << 20, np.int32) for i in range(megabytes // 4)}
        return arrays | {"outputs": np.zeros((100, 4), np.float32)}, {}

    pairs = [(fold, 1) for fold in range(1, count + 1)]
    units.run("bench", pairs, lambda *_: {}, work, folder / "scratch")
    found = units.run("bench", pairs, lambda *_: {}, work, folder / "scratch")
    made, started = peak(), time.perf_counter()
    units.write(folder / "models.safetensors", found, "model/")
    print(json.dumps({"made": made, "written": peak(), "seconds": time.perf_counter() - started}))


def peak() -> float:
    """Resident MB of this process at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=64, help="of a unit")
    parser.add_argument("--counts", type=int, nargs="+", default=[2, 8, 32])
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        make(args.megabytes, args.run, args.folder)
        return
    found = {}
    for count in args.counts:
        with tempfile.TemporaryDirectory() as folder:
            own = ["--run", str(count), "--megabytes", str(args.megabytes), "--folder", folder]
            command = [sys.executable, "-m", "tests.bench.units", *own]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[count] = json.loads(done.stdout.splitlines()[-1])
    print(f"{'units':>6} {'MB of models':>13} {'peak, made':>11} {'written':>8} {'ratio':>6} {'MB/s written':>13}")
    first = next(iter(found.values()))["written"]
    for count, one in found.items():
        size, made, written = count * args.megabytes, one["made"], one["written"]
        print(f"{count:6} {size:13} {made:11.0f} {written:8.0f} {written / first:6.2f} {size / one['seconds']:13.0f}")


if __name__ == "__main__":
    main()
