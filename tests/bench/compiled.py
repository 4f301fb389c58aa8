"""What graph compilation (torch.compile) adds to an encoder's forward on a processor, and what it costs first.

    python -m tests.bench.compiled [--size small|distil|base] [--rounds 5]

HuBERT's own classes with random weights, fp32, one thread, clips of three lengths one at a time, shapes left open. The
sides take turns; processor seconds, median of the rounds' ratios. Compilation is timed from an empty cache. Needs a C++
compiler, which the pipeline does not. Freed memory is kept, as in every stage.
"""

import argparse
import os
import statistics
import tempfile
import time

import torch

from stages.encoders.speech import SpeechEncoder
from stages.runtime import process
from stages.stores.audio import RATE
from tests.bench.extraction import SIZES

SECONDS = (2.0, 2.5, 3.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    process.keep_memory()
    torch.manual_seed(0)
    encoder = SpeechEncoder.build({"model_type": "hubert"} | SIZES[args.size]).eval()
    waves = [0.1 * torch.randn(1, int(seconds * RATE)) for seconds in SECONDS]

    def forward(wave, length):
        conv, frames = encoder.frontend(wave, length)
        return encoder.context(conv, frames)

    def run(one) -> tuple[float, list]:
        started = time.process_time()
        with torch.inference_mode():
            states = [one(wave, torch.tensor([wave.shape[1]]))[-1] for wave in waves]
        return time.process_time() - started, states

    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        compiled = torch.compile(forward, dynamic=True)
        started = time.perf_counter()
        run(compiled)
        first = time.perf_counter() - started
        ratios, saved = [], []
        for _ in range(args.rounds):
            (plain, expected), (fast, found) = run(forward), run(compiled)
            ratios.append(plain / fast)
            saved.append(plain - fast)
    change = max(float((a - b).norm() / a.norm()) for a, b in zip(expected, found, strict=True))
    ratio = statistics.median(ratios)
    print(f"{args.size}: compiled {ratio:.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"last layer changed by {change:.1e} of its norm; the first call took {first:.0f} s")
    gain = statistics.median(saved)
    hours = first / gain * sum(SECONDS) / 3600 if gain > 0 else float("inf")
    print(f"what the first call took is saved after {hours:.1f} hours of audio")


if __name__ == "__main__":
    main()
