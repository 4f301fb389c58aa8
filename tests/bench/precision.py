"""What lower precision does to features and to a probe on them, and what it saves; all sides in one run.

    python -m tests.bench.precision CORPUS PROTOCOL ENCODER [--data data] [--window 30s|clip] [--clips N]
    python -m tests.bench.precision

After CORPUS is ingested; ENCODER is an entry of encoders: in params.yaml. Every batch is run in fp32 and in bf16, in
turns who goes first, on a GPU in fp16 too; one thread. The change of an
utterance's layer is the norm of the difference over the norm of fp32. Storing fp32 as float16 is a side too. The probe
is logistic regression (C 0.001) on mean frames of all layers side by side, global normalisation; UAR is pooled over the
protocol's test rows, differences are paired, speakers resampled.

Without arguments: seconds of a forward on a second of noise at DistilHuBERT's and HuBERT-base's size (random weights),
every precision, and the largest change of a layer; fp16 once, the others' fastest of three.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression

from stages.encoders import batching, specs
from stages.encoders.extractors import open_extractor
from stages.encoders.specs import Features
from stages.encoders.speech import SpeechEncoder
from stages.metrics import intervals, summary
from stages.recipes.labelled_set import Examples
from stages.stores.audio import RATE, AudioStore
from tests.bench.extraction import SIZES
from tests.unit.catalogue import shipped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("corpus", "protocol", "encoder"):
        parser.add_argument(name, nargs="?")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--window", choices=("30s", "clip"))
    parser.add_argument("--clips", type=int, help="the first so many utterances, without a probe")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.encoder:
        sizes()
        return
    folder = args.data / "ingest" / args.corpus
    spec = specs.load("params.yaml", args.encoder)
    if args.window:
        spec = spec.model_copy(update={"window": args.window})
    weights = args.data / "pretrain" / f"{getattr(spec, 'pretrain', '')}.safetensors"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sides = ["fp32", "bf16"] + ["fp16"] * (device.type == "cuda")
    extractors = {side: open_extractor(spec, weights, device, side) for side in sides}
    pooled, changes, seconds = compared(extractors, AudioStore(folder / "audio.h5"), args.clips)
    layers = ", ".join(extractors["fp32"].widths)
    print(f"{args.corpus}, {args.encoder}: {len(changes['bf16'])} utterances, layers {layers}")
    ends = np.cumsum(list(extractors["fp32"].widths.values()))[:-1]
    for name, means in zip(extractors["fp32"].widths, np.split(pooled["fp32"], ends, 1), strict=True):
        spread = np.sqrt(means.var(0).sum()) / np.linalg.norm(means.mean(0))
        print(f"layer {name:5} mean frames of utterances spread by {spread:.5f} of their norm")
    for side, change in changes.items():
        saved = f"; {seconds['fp32'] / seconds[side]:.2f} times as fast as fp32" if side in seconds else ""
        median, worst = np.median(change, 0), change.max(0)
        print(
            f"{side:14} change median {median.min():.5f} to {median.max():.5f} by layer, worst {worst.max():.5f}{saved}"
        )
    if not args.clips:
        probe(folder, args.protocol, pooled)


def sizes() -> None:
    wave = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    for size in ("distil", "base"):
        torch.manual_seed(0)
        encoder = SpeechEncoder.build({"model_type": "hubert"} | SIZES[size]).eval()
        states, seconds = {}, {}
        for side, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)):
            spent = []
            for _ in range(1 if side == "fp16" else 3):
                began = time.process_time()
                with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=side != "fp32"):
                    states[side] = encoder(wave, torch.tensor([RATE]))[0]
                spent.append(time.process_time() - began)
            seconds[side] = min(spent)
        for side, found in states.items():
            pairs = zip(found, states["fp32"], strict=True)
            worst = max(float((one.float() - whole).norm() / whole.norm()) for one, whole in pairs)
            times = seconds[side] / seconds["fp32"]
            print(f"{size:6} {side}: {seconds[side]:6.2f} s, {times:5.2f} times fp32's, change {worst:.5f}")


def compared(extractors: dict, audio: AudioStore, clips: int | None) -> tuple[dict, dict, dict]:
    """Per side, mean frames [utterances, layers x width], changes [utterances, layers], processor seconds."""
    sizes = audio.lengths[:clips]
    limit = shipped(Features)["batch_seconds"] * RATE
    costs = np.array([extractors["fp32"].size(size) for size in sizes])
    names = list(extractors["fp32"].widths)
    others = [*(side for side in extractors if side != "fp32"), "fp32 as float16"]
    means: dict = {side: [None] * len(sizes) for side in ("fp32", *others)}
    changes = {side: np.zeros((len(sizes), len(names))) for side in others}
    seconds = dict.fromkeys(extractors, 0.0)
    for turn, batch in enumerate(batching.plan(costs, limit)):
        waves, found = [audio.read(int(i)) for i in batch], {}
        for side, extractor in list(extractors.items())[:: 1 if turn % 2 else -1]:
            began = time.process_time()
            found[side] = extractor.run(waves)
            seconds[side] += time.process_time() - began
        found["fp32 as float16"] = [
            {n: v.astype(np.float16).astype(np.float32) for n, v in f.items()} for f in found["fp32"]
        ]
        for side, layers in found.items():
            for row, i in enumerate(batch):
                means[side][i] = np.concatenate([layers[row][name].mean(0, dtype=np.float64) for name in names])
                for column, name in enumerate(names if side in changes else ()):
                    whole = found["fp32"][row][name]
                    apart = np.linalg.norm(layers[row][name] - whole) / np.linalg.norm(whole)
                    changes[side][i, column] = apart
    return {side: np.stack(values) for side, values in means.items()}, changes, seconds


def probe(folder: Path, protocol: str, pooled: dict) -> None:
    examples = Examples(str(folder / "manifest.csv"), str(folder / "protocols" / f"{protocol}.csv"), "emotion")
    rows = [AudioStore(folder / "audio.h5").position[name] for name in examples.manifest["utterance"]]
    drawn, labels = {}, {}
    for side, values in pooled.items():
        tables = []
        for number in examples.folds:
            fold, x = examples.fold(number), values[rows]
            x = (x - x[fold.train].mean(0)) / (x[fold.train].std(0) + 1e-6)
            model = LogisticRegression(C=0.001, max_iter=500, class_weight="balanced")
            model.fit(x[fold.train], examples.targets[fold.train])
            scores = np.full((len(fold.scored), examples.outputs), -np.inf)
            scores[:, model.classes_] = model.decision_function(x[fold.scored])
            tables.append(examples.predictions(fold, 1, scores))
        table = summary.scored(pd.concat(tables), examples.manifest, "uar")
        sums = summary.sums(table, "uar")
        counts = intervals.speaker_draws(sums.values.shape[1], 2000, 0)
        drawn[side], labels[side] = intervals.resampled(sums, counts), table.pred
        line = f"probe {side:16} UAR {100 * summary.value(table, 'uar'):.2f}"
        if side != "fp32":
            low, high = intervals.interval(100 * (drawn[side] - drawn["fp32"]), 0.95, counts.shape[1])
            share = np.mean(labels[side] != labels["fp32"])
            line += f", minus fp32 [{low:+.2f}, {high:+.2f}], other labels {100 * share:.2f} %"
        print(line)


if __name__ == "__main__":
    main()
