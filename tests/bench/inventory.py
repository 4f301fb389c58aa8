"""How long it takes to find that nothing of a large corpus has changed, beside a bare walk over its files.

python -m tests.bench.inventory [--files 100000] [--rounds 5]

Makes so many tiny files in folders of a thousand and a table that names them. The bare walk is os.scandir with a stat
of every file, in the same process and in turn with what is measured: a user's own corpus, whose table names its files,
and the look at a folder whose listing counts, as the readers of releases have it. Medians of the rounds. The first
look, which hashes every file, and one after a corrected label are told too. What the code is is known beforehand, as
when Snakemake starts.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from stages.raw_inputs import inventories, stamps
from tests.unit.small_corpus import ROOT

LABELS = ("angry", "happy", "neutral", "sad")


def bare(folder: str) -> int:
    """How many files are below a folder, each asked for its size and times."""
    count = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                count += bare(entry.path)
            else:
                entry.stat()
                count += 1
    return count


def make(folder: Path, count: int) -> None:
    lines = ["file,speaker,emotion"]
    for i in range(count):
        name = f"{i // 1000:04d}/{i:07d}.wav"
        if i % 1000 == 0:
            (folder / "audio" / name).parent.mkdir(parents=True)
        opened = os.open(folder / "audio" / name, os.O_CREAT | os.O_WRONLY)
        os.write(opened, b"%d" % i)
        os.close(opened)
        lines.append(f"{name},s{i % 100},{LABELS[i % 4]}")
    (folder / "mine.csv").write_text("\n".join(lines) + "\n")


def seconds(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    (ROOT / ".snakemake").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        make(Path("."), args.files)
        time.sleep(stamps.SETTLED_NS / 1e9 + 0.1)  # what changed a moment ago is looked at again
        corpus = {"reader": "table", "table": "mine.csv", "audio": "audio"}

        def update() -> list[str]:
            return inventories.update("corpora", "mine", corpus)

        def look() -> dict[str, str]:
            return stamps.look([], ["audio"])

        first = seconds(update)
        rounds = [(seconds(lambda: bare("audio")), seconds(update), seconds(look)) for _ in range(args.rounds)]
        assert not update() and bare("audio") == args.files
        walk, table, folder = (statistics.median(column) for column in zip(*rounds, strict=True))
        text = Path("mine.csv").read_text()
        Path("mine.csv").write_text(text.replace("angry", "happy", 1))
        corrected = seconds(update)
        print(
            f"{args.files:,} files, first look (every file hashed): {first:.1f} s; a corrected label: {corrected:.1f} s"
        )
        print(f"nothing changed, medians of {args.rounds}: bare walk {walk:.2f} s, own corpus {table:.2f} s", end=", ")
        print(f"the look at a folder {folder:.2f} s")


if __name__ == "__main__":
    main()
