"""An epoch of a student drawn to its teacher's embedding beside one of plain fine-tuning (Srinivasan 2022, Table 2).

    python -m tests.bench.distill [--size small] [--frames 200] [--utterances 64] [--batch 16] [--rounds 5]

Both sides run the recipe's own training of one epoch with its validation, from stored states of the frozen blocks, with
the same seed and weights; the top half of the blocks trains. The states and the teacher's views are random: what is
measured is what the embedding loss and the gate cost. The sides take turns, one round to warm up; the medians of the
rounds' ratios are printed, wall-clock and processor seconds. The goal is 1.1.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from stages.corpora.manifest import write_manifest
from stages.encoders import specs
from stages.encoders.speech import SpeechEncoder
from stages.recipes import srinivasan
from stages.recipes.training_inputs import Inputs
from stages.runtime import process
from stages.stores.feature_writer import FeatureWriter
from stages.training import units
from tests.bench.extraction import SIZES
from tests.unit.catalogue import shipped
from tests.unit.small_study import manifest_rows, protocol_frame

HOW = {"plain fine-tuning": {"teacher": ""}, "conditional": {"teacher": "t"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--utterances", type=int, default=64, help="that train")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    process.keep_memory()
    spent: dict[str, list] = {side: [] for side in HOW}
    with tempfile.TemporaryDirectory() as name:
        paths, blocks = made(args, Path(name))
        for round_ in range(-1, args.rounds):
            for side in list(HOW)[:: 1 if round_ % 2 else -1]:
                seconds = epoch(paths, blocks, args.batch, HOW[side])
                if round_ >= 0:
                    spent[side].append(seconds)
    plain, conditional = (np.array(found) for found in spent.values())
    wall, processor = np.median(conditional / plain, 0)
    seconds = np.median(plain, 0)[0]
    print(f"plain fine-tuning {seconds:.2f} s an epoch; conditional {wall:.3f} of it (processor {processor:.3f})")


def made(args, folder: Path) -> tuple[dict[str, Path], int]:
    """The files of a corpus of five sessions, of which three train, and how many blocks do."""
    torch.manual_seed(0)
    encoder = SpeechEncoder.build({"model_type": "hubert"} | SIZES[args.size])
    encoder.save(folder / "e.safetensors", {})
    blocks = encoder.depth // 2
    boundary = str(encoder.depth - blocks)
    spec = shipped(specs.BuiltinSpeech, pretrain="e", layers=[boundary])
    (folder / "params.yaml").write_text(yaml.safe_dump({"encoders": {"e": spec}}))
    write_manifest(folder / "manifest.csv", manifest_rows(each=-(-args.utterances // 6)))
    rows = pd.read_csv(folder / "manifest.csv", dtype={"session": str}, keep_default_na=False)
    protocol_frame(rows).to_csv(folder / "protocol.csv", index=False)
    rng, lengths = np.random.default_rng(0), np.full(len(rows), args.frames)
    head = {"hop": 0.02, "weights": "", "manifest": ""}
    writer = FeatureWriter(folder / "speech.h5", list(rows["utterance"]), lengths, {boundary: encoder.width}, head)
    for i in range(len(rows)):
        writer.put(i, boundary, rng.normal(0, 1, (args.frames, encoder.width)))
    writer.close()
    views = {"teacher/embedding": (len(rows), 128), "teacher/predicted": (len(rows), 3)}
    arrays = {name: rng.normal(4, 1, shape).astype(np.float32) for name, shape in views.items()}
    units.write(folder / "views.safetensors", {(1, 1): (arrays, {"seen": {}})}, "teacher/")
    files = {"manifest": "manifest.csv", "protocol": "protocol.csv", "speech": "speech.h5"}
    files |= {"speech-weights": "e.safetensors", "teacher": "views.safetensors", "params": "params.yaml"}
    return {kind: folder / name for kind, name in files.items()}, blocks


def epoch(paths: dict[str, Path], blocks: int, batch: int, how: dict) -> np.ndarray:
    """Seconds of an epoch: wall-clock and processor."""
    model = srinivasan.Srinivasan
    row = model.model_validate(shipped(model, tuned_blocks=blocks, batch=batch, epochs=1, **how))
    inputs = Inputs(paths, str(paths["params"]), "dimensions", speech="e")
    fold = inputs.examples.fold(1)
    began = np.array([time.perf_counter(), time.process_time()])
    srinivasan.train(row, inputs, fold, 1, None)
    return np.array([time.perf_counter(), time.process_time()]) - began


if __name__ == "__main__":
    main()
