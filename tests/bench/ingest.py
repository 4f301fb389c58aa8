"""How fast ingest is beside soundfile and soxr alone, and whether its memory grows with the corpus.

python -m tests.bench.ingest FOLDER [--files 1440] [--rounds 5]

Takes the audio files below FOLDER. Both sides run in turn, each in a fresh process of one thread that has its modules
loaded; the median of the rounds counts. soundfile and soxr alone read and resample every file and throw the samples
away; ingest also checks the files, hashes and stores the samples, and writes the manifest. Processor seconds are
printed beside wall-clock seconds, for on a machine with other work only they can be compared.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile
import soxr

from tests.unit.small_corpus import ROOT, write_params, write_table

RATE = 16_000


def bare() -> None:
    """Read and resample every file of this folder's audio, and no more."""
    for path in sorted(Path("audio").iterdir()):
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
        wave = wave[:, 0] if wave.shape[1] == 1 else wave.mean(1)
        if rate != RATE:
            soxr.resample(wave, rate, RATE, quality="HQ")


def whole() -> None:
    """Ingest this folder."""
    from stages import ingest

    parser = argparse.ArgumentParser()
    parser.add_argument("--params", default="params.yaml")
    parser.add_argument("--log")
    ingest.arguments(parser)
    outputs = "--manifest m.csv --audio a.h5 --quarantine q.csv --ratings r.csv"
    ingest.main(parser.parse_args(["--corpus", "mine", *outputs.split()]))


def timed(work) -> None:
    """Print the wall-clock and processor seconds of ``work``, and the process' peak memory in MB."""
    import h5py  # noqa: F401
    import safetensors.numpy  # noqa: F401

    from stages import ingest  # noqa: F401

    started, used = time.perf_counter(), time.process_time()
    work()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.perf_counter() - started, time.process_time() - used, memory)


def run(work: str, files: list[Path], times: int = 1) -> tuple[float, ...]:
    """What :func:`timed` prints of ``work`` on links to the files, in a fresh folder and process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "audio").mkdir()
        rows = []
        for i, path in enumerate(files * times):
            link = folder / "audio" / f"{i:07d}{path.suffix}"
            link.symlink_to(path)
            rows.append({"file": link.name, "speaker": f"s{i % 24}", "emotion": "neutral"})
        write_table(folder, rows)
        write_params(folder, ingest={"workers": 1, "silence_peak": 0.0, "min_seconds": 0.0})
        code = f"from tests.bench import ingest; ingest.timed(ingest.{work})"
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return tuple(float(word) for word in done.stdout.split()[-3:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1440)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    found = sorted(p.resolve() for p in args.folder.rglob("*") if p.suffix in (".wav", ".flac") and p.name[0] != ".")
    files = found[: args.files]
    seconds = sum(soundfile.info(path).duration for path in files)
    rounds = [(run("bare", files), run("whole", files)) for _ in range(args.rounds)]
    print(f"{len(files)} files, {seconds:.0f} s of audio, {args.rounds} rounds; seconds of audio per second:")
    for i, kind in enumerate(("wall clock", "processor")):
        alone, ours = (seconds / statistics.median(each[side][i] for each in rounds) for side in (0, 1))
        print(f"{kind:<10}  soundfile and soxr alone {alone:6.0f}, ingest {ours:6.0f}: {ours / alone:.0%}")
    few, many = run("whole", files)[2], run("whole", files, times=4)[2]
    print(f"peak memory {few:.0f} MB, of four times the files {many:.0f} MB")


if __name__ == "__main__":
    main()
