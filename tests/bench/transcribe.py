"""Whisper in batches beside ``whisper.transcribe`` file by file: texts, WER, speed; and what the short window costs.

    python -m tests.bench.transcribe RAVDESS WEIGHTS [--clips 120] [--threads 2] [--english FOLDER]

RAVDESS is a folder of its clips (Actor_NN/03-01-….flac or .wav), WEIGHTS the folder with tiny.en.pt. The sides take
turns on the same forty clips, at temperature 0 with the same options and threads; ratios are of the sums. WER is
against the two sentences of RAVDESS, or the column text of FOLDER/metadata.csv, under Whisper's English normaliser;
intervals have the speakers resampled (without speakers the clips). Processor seconds are what a busy machine leaves
comparable.
"""

import argparse
import csv
import random
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
import whisper

from stages.transcripts import whisper_batches, whisper_transcripts
from stages.transcripts.text import error_counts, words
from tests.unit.catalogue import shipped

SENTENCES = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
ROUND = 40
SIDES = ("file by file", "batched", "batched, short window")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ravdess", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--english", type=Path, help="folder of other clips, with metadata.csv: file, text")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = whisper.load_model(str(args.weights / "tiny.en.pt"), device="cpu")
    found = sorted(p for p in args.ravdess.rglob("03-01-*") if p.suffix in (".wav", ".flac"))
    chosen = sorted(random.Random(1).sample(found, min(args.clips, len(found))))
    sentences = [SENTENCES[path.stem.split("-")[4]] for path in chosen]
    print(f"RAVDESS, {len(chosen)} clips, {args.threads} threads", flush=True)
    compare(model, args.threads, chosen, sentences, [path.stem.split("-")[6] for path in chosen])
    if args.english:
        with open(args.english / "metadata.csv", newline="") as handle:
            rows = [row for row in csv.DictReader(handle) if row["text"]]
        print(f"{args.english.name}, {len(rows)} clips", flush=True)
        files = [row["file"] for row in rows]
        compare(model, args.threads, [args.english / file for file in files], [r["text"] for r in rows], files)


def compare(model, threads: int, paths: list[Path], references: list[str], speakers: list[str]) -> None:
    whole = whisper_transcripts.Whisper(**shipped(whisper_transcripts.Whisper, temperatures=[], threads=threads))
    settings = {SIDES[1]: whole, SIDES[2]: whole.model_copy(update={"window": "clip"})}
    texts: dict[str, list[str]] = {side: [] for side in SIDES}
    spent = {side: np.zeros(2) for side in SIDES}
    for start in range(0, len(paths), ROUND):
        waves = [soundfile.read(path, dtype="float32")[0] for path in paths[start : start + ROUND]]
        for side in SIDES if start // ROUND % 2 else SIDES[::-1]:
            began = np.array([time.perf_counter(), time.process_time()])
            texts[side] += one_by_one(model, waves) if side == SIDES[0] else batched(model, settings[side], waves)
            spent[side] += np.array([time.perf_counter(), time.process_time()]) - began
    counts = {side: np.array(error_counts(references, texts[side], True)) for side in SIDES}
    for side in SIDES:
        same = np.mean([a == b for a, b in zip(texts[side], texts[SIDES[0]], strict=True)])
        alike = np.mean([words(a, True) == words(b, True) for a, b in zip(texts[side], texts[SIDES[0]], strict=True)])
        wall, cpu = spent[SIDES[0]] / spent[side]
        rate, low, high = interval(counts[side], speakers)
        line = (
            f"{side:22} {spent[side][0]:6.1f} s, faster {wall:5.2f} times (processor {cpu:5.2f}); same text {same:6.1%}"
        )
        print(f"{line}, same words {alike:6.1%}; WER {rate:.3f} [{low:.3f}, {high:.3f}]")
        if side != SIDES[0]:
            difference = counts[side] - counts[SIDES[0]]
            difference[:, 1] = counts[SIDES[0]][:, 1]
            more, low, high = interval(difference, speakers)
            print(f"{'':22} WER beside file by file {more:+.3f} [{low:+.3f}, {high:+.3f}]", flush=True)


def one_by_one(model, waves: list) -> list[str]:
    found = [whisper.transcribe(model, wave, temperature=0.0, language="en", fp16=False) for wave in waves]
    return [" ".join(one["text"].split()) for one in found]


def batched(model, settings, waves: list) -> list[str]:
    texts = {}
    for batch in whisper_batches.batches(np.array([len(wave) for wave in waves]), settings):
        rows = whisper_batches.listen(model, settings, [str(i) for i in batch], [waves[i] for i in batch])
        texts |= {i: row["text"] for i, row in zip(batch, rows, strict=True)}
    return [texts[i] for i in range(len(waves))]


def interval(counts: np.ndarray, speakers: list[str], draws: int = 2000) -> tuple[float, float, float]:
    """Errors over words, and its 95 % interval with speakers resampled; ``counts`` is [clips, 2]."""
    _, owner = np.unique(speakers, return_inverse=True)
    sums = np.stack([np.bincount(owner, counts[:, k]) for k in (0, 1)], 1)
    drawn = sums[np.random.default_rng(1).integers(len(sums), size=(draws, len(sums)))].sum(1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return sums[:, 0].sum() / sums[:, 1].sum(), low, high


if __name__ == "__main__":
    main()
