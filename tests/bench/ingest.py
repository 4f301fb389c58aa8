"""How fast ingest is beside soundfile and soxr alone, and whether its memory grows with the corpus.

python -m tests.bench.ingest FOLDER [--files 1440] [--rounds 5] [--wav 48000] [--times 4]

Takes the audio files below FOLDER, as they are or, with ``--wav``, as 16-bit WAVs of that rate. soundfile and soxr
alone read and resample every file and throw the samples away; ingest also checks the files, hashes and stores the
samples, and reads and writes the tables (the inventory, which hashes the files, is there before). Once on one core (a
loop; ingest with one worker), once on two (a loop in each of two processes, which is faster than two threads; ingest
with two workers). Every run is a fresh process that has its modules loaded and the files read once; the sides alternate
and the median of the rounds' ratios counts. Processor
seconds are printed beside wall-clock seconds, for on a machine with other work only they can be compared.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import soundfile
import soxr

from tests.unit.small_corpus import PARAMS, ROOT, write_params, write_table

RATE = 16_000


def _read(paths: Sequence[str]) -> None:
    for path in paths:
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
        wave = wave[:, 0] if wave.shape[1] == 1 else wave.mean(1)
        if rate != RATE:
            soxr.resample(wave, rate, RATE, quality="HQ")


def _bare(cores: int):
    """A function that reads and resamples every file of this folder's audio, and no more."""
    import multiprocessing

    paths = sorted(str(path) for path in Path("audio").iterdir())
    if cores == 1:
        return lambda: _read(paths)
    pool = multiprocessing.get_context("fork").Pool(cores)
    chunks = [paths[i : i + 16] for i in range(0, len(paths), 16)]
    return lambda: (pool.map(_read, chunks, 1), pool.close(), pool.join())


def _whole(cores: int):
    """A function that ingests this folder, whose inventory is there, and makes its manifest."""
    import h5py  # noqa: F401
    import miniaudio  # noqa: F401
    import safetensors.numpy  # noqa: F401

    from stages import ingest, manifest
    from stages.raw_inputs import inventories, names
    from stages.runtime import code_digest, process

    process.keep_memory()
    code_digest.digest("corpora.audio_file")  # a run of Snakemake finds it in .snakemake/parsed.json

    inventories.update("corpora", "mine", PARAMS["corpora"]["mine"])  # Snakemake does so when it starts
    there = names.corpus("mine")
    jobs = []
    for script, files in (
        (ingest, ["--files", there["files"], "--audio", "a.h5", "--table", "a.csv"]),
        (
            manifest,
            [w for name in ("labels", "texts", "ratings", "departures") for w in (f"--{name}", there[name])]
            + ["--audio", "a.csv", "--out", "m.csv", "--out-quarantine", "q.csv", "--out-ratings", "r.csv"],
        ),
    ):
        parser = argparse.ArgumentParser()
        parser.add_argument("--params", default="params.yaml")
        parser.add_argument("--log")
        script.arguments(parser)
        jobs.append((script.main, parser.parse_args(["--corpus", "mine", *files])))
    return lambda: [run(args) for run, args in jobs]


def timed(side: str, cores: int) -> None:
    """Print the wall-clock and processor seconds of one side on so many cores, and the peak memory of the process and
    of its largest child, added, in MB (what they share counts twice)."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    for path in Path("audio").iterdir():
        path.read_bytes()
    work = {"bare": _bare, "whole": _whole}[side](cores)
    started, used = time.perf_counter(), _processor()
    work()
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    memory = sum(peaks) / 1024
    print(time.perf_counter() - started, _processor() - used, memory)


def parts() -> None:
    """Print the processor microseconds that ingest takes per file on one core for decoding, for the checks and digest
    of what was decoded, for tables, store and all else; and those of soundfile and soxr alone."""
    from stages.corpora import audio_file

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    spent: dict[str, float] = {}

    def timed(name: str, function):
        def run(*given):
            started = time.thread_time()
            result = function(*given)
            spent[name] = spent.get(name, 0) + time.thread_time() - started
            return result

        return run

    alone, whole = _bare(1), _whole(1)
    alone()
    started = time.process_time()
    alone()
    spent["alone"] = time.process_time() - started
    audio_file.decode, audio_file.judged = timed("decode", audio_file.decode), timed("digest", audio_file.judged)
    started = time.process_time()
    whole()
    spent["rest"] = time.process_time() - started - spent["decode"] - spent["digest"]
    count = len(list(Path("audio").iterdir()))
    print(*(round(spent[name] / count * 1e6) for name in ("alone", "decode", "digest", "rest")))


def _processor() -> float:
    found = os.times()
    return found.user + found.system + found.children_user + found.children_system


def run(side: str, cores: int, files: list[Path], times: int = 1) -> tuple[float, ...]:
    """What :func:`timed` (or :func:`parts`) prints on links to the files, in a fresh folder and process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "audio").mkdir()
        rows = []
        for i, path in enumerate(files * times):
            link = folder / "audio" / f"{i:07d}{path.suffix}"
            link.symlink_to(path)
            rows.append({"file": link.name, "speaker": f"s{i % 24}", "emotion": "neutral"})
        write_table(folder, rows)
        write_params(folder, ingest={"workers": cores, "silence_peak": 0.0, "min_seconds": 0.0})
        call = "parts()" if side == "parts" else f"timed({side!r}, {cores})"
        code = f"from tests.bench import ingest; ingest.{call}"
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return tuple(float(word) for word in done.stdout.splitlines()[-1].split())


def _as_wav(files: list[Path], rate: int, folder: Path) -> list[Path]:
    found = []
    for path in files:
        wave, own = soundfile.read(path)
        found.append(folder / f"{len(found):07d}.wav")
        soundfile.write(found[-1], soxr.resample(wave, own, rate), rate)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1440)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--wav", type=int, default=0)
    parser.add_argument("--times", type=int, default=4)
    args = parser.parse_args()
    found = sorted(p.resolve() for p in args.folder.rglob("*") if p.suffix in (".wav", ".flac") and p.name[0] != ".")
    with tempfile.TemporaryDirectory() as name:
        files = found[: args.files]
        if args.wav:
            files = _as_wav(files, args.wav, Path(name))
        seconds = sum(soundfile.info(path).duration for path in files)
        print(f"{len(files)} files, {seconds:.0f} s of audio, {args.rounds} rounds; seconds of audio per second:")
        for cores in (1, 2):
            rounds = [(run("bare", cores, files), run("whole", cores, files)) for _ in range(args.rounds)]
            for i, kind in enumerate(("wall clock", "processor")):
                alone, ours = (seconds / statistics.median(each[side][i] for each in rounds) for side in (0, 1))
                ratio = statistics.median(bare[i] / whole[i] for bare, whole in rounds)
                spread = [bare[i] / whole[i] for bare, whole in rounds]
                print(
                    f"{cores} core{'s' * (cores > 1)}, {kind}: alone {alone:6.0f}, ingest {ours:6.0f}: {ratio:.0%} "
                    f"({min(spread):.0%} to {max(spread):.0%})"
                )
        rounds = [run("parts", 1, files) for _ in range(args.rounds)]
        alone, *ours = (statistics.median(column) for column in zip(*rounds, strict=True))
        named = zip(("decoding", "checks and digest", "store, tables and the rest"), ours, strict=True)
        said = ", ".join(f"{name} {value:.0f}" for name, value in named)
        print(f"processor, µs per file: alone {alone:.0f}, ingest: {said}")
        few, many = run("whole", 2, files)[2], run("whole", 2, files, args.times)[2]
        print(f"peak memory {few:.0f} MB, of {args.times} times the files {many:.0f} MB")


if __name__ == "__main__":
    main()
