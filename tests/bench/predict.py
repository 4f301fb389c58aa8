"""What a prediction costs from a cold start, in a folder after `make`: wall time, and as a ratio to the bare imports.

    python -m tests.bench.predict [SYSTEM …]

The goal is five seconds on two cores with the built-in encoder. The first line is the start of the interpreter with
torch and the encoder's own classes, which no program that uses them can do without. Runs are interleaved; the median of
five is shown. Where PYTHONDONTWRITEBYTECODE is set and the environment was never compiled, Python compiles all of them
anew on every start, some ten seconds; the bench writes bytecode first.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile

from stages.parameters import whole
from stages.stores.audio import RATE, AudioStore
from stages.workflow.plan import Plan

IMPORTS = "import torch, transformers.models.hubert.modeling_hubert"
PREDICT = [sys.executable, "-m", "stages.prediction"]


def main(systems: list[str], repeats: int = 5) -> None:
    store = AudioStore(Plan(whole.load()).files("default", ("audio",))["audio"])
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder) / f"{store.utterances[0]}.wav"
        soundfile.write(wave, store.raw(0), RATE, subtype="PCM_16")
        commands = {"bare imports": [sys.executable, "-c", IMPORTS]}
        for name in systems:
            study = [*PREDICT, "--study", "default", "--system", name]
            bundle = Path(folder) / name
            _seconds([*study, "--bundle", str(bundle)])
            commands[f"{name}, from the study"] = [*study, "--one-speaker", str(wave)]
            commands[f"{name}, from a bundle"] = [*PREDICT, "--bundle", str(bundle), "--one-speaker", str(wave)]
        found: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(repeats):
            for name, command in commands.items():
                found[name].append(_seconds(command))
        bare = statistics.median(found["bare imports"])
        for name, seconds in found.items():
            print(f"{name:50} {statistics.median(seconds):6.2f} s {statistics.median(seconds) / bare:6.2f}")


def _seconds(command: list[str]) -> float:
    """Wall time of a command that must succeed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: failed; run `make` first\n{done.stderr}")
    return time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1:] or ["linear", "pan2024-gmp-ams"])
