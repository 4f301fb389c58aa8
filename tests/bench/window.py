"""What Whisper's short window costs a frozen encoder: UAR of the linear control on RAVDESS, EmoBox' folds.

    python -m tests.bench.window RAVDESS ENCODER [--folder FOLDER] [--threads 1]

RAVDESS holds Actor_01 … Actor_24, ENCODER is a transformers folder of Whisper's encoder. Every step is a stage's own
command with the shipped parameters; the two sides differ in ``window:`` alone, ``30s`` (padded) and ``clip`` (the clip
and half a second). Prints both with their interval, their paired difference (speakers resampled, the same draws for
both) and the processor seconds of extraction. FOLDER keeps what was made, so that a second call goes on.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from stages.corpora.manifest import read_manifest
from stages.metrics import summary
from stages.metrics.predictions import read_predictions
from stages.parameters import whole
from stages.parameters.resolve import resolved
from tests.unit.small_corpus import ingest

ROOT = Path(__file__).parents[2]
WINDOWS = ("30s", "clip")
SYSTEMS = ("linear", "linear-speaker")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ravdess", type=Path)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        compare(args, args.folder or Path(name))


def compare(args, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    params = parameters(args)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    manifest, protocol, audio = (f"{name}" for name in ("manifest.csv", "protocol.csv", "audio.h5"))
    if not (folder / manifest).exists():
        ingest(folder, "ravdess", ".")
    options = ("--corpus", "ravdess", "--protocol", "ravdess-emobox", "--manifest", manifest, "--out", protocol)
    stage(folder, protocol, "protocol", *options)
    for window in WINDOWS:
        out = f"{window}.h5"
        took = stage(
            folder, out, "features", "--corpus", "ravdess", "--encoder", window, "--audio", audio, "--out", out
        )
        if took:
            print(f"{window}: extraction {took:.0f} processor seconds", flush=True)
        for system in SYSTEMS:
            made = f"{window}-{system}"
            named = ("--study", "ravdess", "--system", system, "--speech-encoder", window, "--speech", out)
            files = ("--manifest", manifest, "--protocol", protocol, "--models", f"{made}.safetensors")
            stage(folder, f"{made}.csv", "train", *named, *files, "--predictions", f"{made}.csv")
    options = summary.Evaluate(**params["evaluate"])
    rows = read_manifest(folder / manifest)
    for system in SYSTEMS:
        found = [read_predictions(folder / f"{window}-{system}.csv") for window in WINDOWS]
        for window, one in zip(WINDOWS, found, strict=True):
            figures = summary.summarise(one, rows, options)[0]["uar"]
            shown = (100 * figures[key] for key in ("pooled", "ci_low", "ci_high"))
            print("{}, window {}: UAR {:.1f} [{:.1f}, {:.1f}]".format(system, window, *shown))
        paired = summary.paired(found[1], found[0], rows, "uar", options)
        shown = (100 * paired[key] for key in ("difference", "ci_low", "ci_high"))
        print("{}, clip - 30s: {:+.1f} [{:+.1f}, {:+.1f}], p {:.3f}".format(system, *shown, paired["p"]))


def parameters(args) -> dict:
    """The shipped parameters with both windows as encoders."""
    params = resolved(ROOT / "params.yaml")
    params["corpora"]["ravdess"]["path"] = str(args.ravdess.resolve())
    shipped = params["encoders"]["whisper-tiny"] | {"source": str(args.encoder.resolve())}
    params["encoders"] |= {window: shipped | {"window": window} for window in WINDOWS}
    params["features"]["threads"] = args.threads
    return params | {"rows": whole.rows(params), "shipped": {study: {} for study in params["active"]}}


def stage(folder: Path, output: str, name: str, *options: str) -> float:
    """Run a stage unless its output is there; its processor seconds, 0 where nothing was to do."""
    if (folder / output).exists():
        return 0.0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", f"stages.{name}", "--params", "params.yaml", "--log", f"{name}.log", *options]
    subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
