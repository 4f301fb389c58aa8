"""An epoch of fine-tuning from what the frozen part of the encoder puts out, kept, beside one from the waveforms.

    python -m tests.bench.prefix [--clips 8] [--seconds 2] [--batch 4] [--threads 1] [--rounds 5]

DistilHuBERT's size with the CNN frozen (de Oliveira 2023) and HuBERT-base's with all but the top six blocks frozen
(Srinivasan 2022), random weights, noise of so many seconds and up to a quarter less, a pooling head, CCC loss, Adam.
Both sides run the recipes' own code with the same part frozen and no gradient below; the kept output is float32 or
float16. The sides take turns, one round to warm up, then the medians of the rounds' ratios, wall-clock and processor
seconds. Every epoch begins from the same weights and seed, so that losses can be compared. Freed memory is kept, as in
every stage.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import yaml

from stages.encoders import prefix, specs
from stages.encoders.extraction import write_store
from stages.encoders.extractors import open_extractor
from stages.encoders.speech import SpeechEncoder
from stages.models.losses import ccc_loss
from stages.models.regressor import Regressor
from stages.recipes.speech_input import SpeechInput
from stages.recipes.stores_and_encoders import StoresAndEncoders
from stages.runtime import process
from stages.stores.audio import RATE, AudioStore, AudioWriter, digest
from stages.training import batches, loop
from tests.bench.extraction import SIZES
from tests.unit.catalogue import shipped

CASES = {"DistilHuBERT, CNN frozen": ("distil", "conv", 1.8), "HuBERT-base, top six train": ("base", "6", 1.68)}
"""Size, boundary, and the ratio that counting operations allows."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    process.keep_memory()
    for name, (size, boundary, allowed) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            spent, losses = measured(args, Path(folder), size, boundary)
        plain = spent.pop("waveforms")
        print(f"{name}: an epoch from waveforms {np.median(plain, 0)[0]:.1f} s; operations allow {allowed}")
        for side, found in spent.items():
            wall, processor = np.median(np.array(plain) / found, 0)
            apart = np.abs(np.subtract(losses[side], losses["waveforms"])).max()
            print(f"  from {side}: {wall:.2f} times as fast (processor {processor:.2f}), losses within {apart:.1e}")


def measured(args, folder: Path, size: str, boundary: str) -> tuple[dict, dict]:
    """Wall-clock and processor seconds of every round, and the losses of an epoch, of every side."""
    torch.manual_seed(0)
    SpeechEncoder.build({"model_type": "hubert"} | SIZES[size]).save(folder / "e.safetensors", {})
    spec = shipped(specs.BuiltinSpeech, pretrain="e", layers=[boundary])
    (folder / "params.yaml").write_text(yaml.safe_dump({"encoders": {"e": spec}}))
    rng, writer = np.random.default_rng(0), AudioWriter(folder / "audio.h5")
    names = [f"u{i}" for i in range(args.clips)]
    for name in names:
        samples = int(args.seconds * RATE * rng.uniform(0.75, 1))
        wave = (3000 * rng.standard_normal(samples)).astype(np.int16)
        writer.add(name, wave, digest(wave))
    writer.close()
    audio = AudioStore(folder / "audio.h5")
    spec = specs.load(folder / "params.yaml", "e")
    extractor = open_extractor(spec, folder / "e.safetensors", torch.device("cpu"), "fp32")
    sides = {}
    for dtype in ("float32", "float16"):
        path = folder / f"{dtype}.h5"
        write_store(
            path,
            extractor,
            names=names,
            sizes=audio.lengths,
            read=audio.read,
            limit=60 * RATE,
            dtype=dtype,
            attributes={"hop": extractor.hop},
        )
        paths = {"speech": path, "audio": folder / "audio.h5", "speech-weights": folder / "e.safetensors"}
        sides[dtype] = StoresAndEncoders(str(folder / "params.yaml"), paths, {"speech": "e"}, names), boundary
    sides["waveforms"] = sides["float32"][0], ""
    spent: dict[str, list] = {side: [] for side in sides}
    losses = {}
    for round_ in range(-1, args.rounds):
        for side, (inputs, frozen) in list(sides.items())[:: 1 if round_ % 2 else -1]:
            seconds, losses[side] = epoch(inputs, boundary, frozen, args.batch)
            if round_ >= 0:
                spent[side].append(seconds)
    return spent, losses


def epoch(inputs: StoresAndEncoders, boundary: str, kept: str, batch: int) -> tuple[np.ndarray, list[float]]:
    """Seconds (wall-clock, processor) of an epoch and the loss of every batch; ``kept``: the boundary, '' waveforms."""
    generator = loop.seeded(1)
    encoder = inputs.speech_encoder()
    prefix.freeze(encoder, boundary)
    speech = SpeechInput(inputs, encoder, kept)
    model = Regressor(encoder, None, 3, "mean+max", 0.1)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    positions = np.arange(len(inputs.utterances))
    targets = torch.rand(len(positions), 3, generator=torch.Generator().manual_seed(0))
    losses: list[float] = []

    def loss_of(rows):
        hidden, lengths = speech.hidden(rows)
        loss = ccc_loss(model(hidden[-1], lengths), targets[rows])
        losses.append(loss.item())
        return loss

    began = np.array([time.perf_counter(), time.process_time()])
    loop.fit(
        model,
        optimiser,
        lambda _: batches.bucketed(positions, speech.lengths, batch, generator),
        loss_of,
        None,
        epochs=1,
        generator=generator,
    )
    return np.array([time.perf_counter(), time.process_time()]) - began, losses


if __name__ == "__main__":
    main()
