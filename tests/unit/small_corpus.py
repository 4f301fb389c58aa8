"""A small corpus of tones in a folder, and the stages run on it through the command line."""

import contextlib
import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from stages.raw_inputs import names
from stages.runtime.declared_reads import SETTINGS

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"

PARAMS = {
    "ingest": {"workers": 1, "max_quarantined": 0, "silence_peak": 1e-4, "min_seconds": 0.1},
    "corpora": {"mine": {"reader": "table", "table": "mine.csv", "audio": "audio"}},
    "protocols": {"sessions": {"kind": "leave-one-group-out", "by": "session", "validation": 1}},
    "transcripts": {"gold": {"kind": "gold"}},
}


def parameters(folder: Path) -> tuple[str, ...]:
    """Where a stage reads its settings: what a project has resolved, else the params.yaml of a test."""
    return () if (folder / SETTINGS).exists() else ("--params", "params.yaml")


def options(**given) -> list[str]:
    """A command line's options: ``out_csv="x"`` is ``--out-csv x``; a list gives several values."""
    words = []
    for name, value in given.items():
        values = value if isinstance(value, list | tuple) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words


def write_params(folder: Path, **changes) -> None:
    """params.yaml in ``folder``; each change adds to (or replaces in) the section of its name."""
    values = {name: PARAMS.get(name, {}) | changes.get(name, {}) for name in [*PARAMS, *changes]}
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def tone(seconds: float, rate: int = 16_000, hertz: float = 440.0, channels: int = 1) -> np.ndarray:
    """A sine of half scale, float64 [frames] or [frames, channels]."""
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return wave if channels == 1 else np.repeat(wave[:, None], channels, 1)


def write_table(folder: Path, rows: list[dict]) -> None:
    with open(folder / "mine.csv", "w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def make_corpus(folder: Path, sessions: int = 3, each: int = 4) -> list[dict]:
    """Tones of two speakers per session, table and params.yaml; returns the table's rows."""
    (folder / "audio").mkdir(parents=True)
    rows = []
    for i in range(sessions * each):
        session, speaker = i // each + 1, i % 2
        name = f"u{i:02d}.wav"
        soundfile.write(folder / "audio" / name, tone(0.3 + 0.01 * i, hertz=200 + 10 * i), 16_000)
        rows.append(
            {
                "file": name,
                "speaker": f"S{session}{'FM'[speaker]}",
                "gender": ("female", "male")[speaker],
                "session": f"Ses{session}",
                "text": f"word{i} and word{i + 1}, then",
                "emotion": ("angry", "happy", "sad", "excited")[i // 2 % 2 + 2 * (i % 2)],
                "arousal": f"{1 + i / 4}",
            }
        )
    write_table(folder, rows)
    write_params(folder)
    return rows


def stage(folder: Path, name: str, *arguments: str, status: int = 0) -> str:
    """Run ``python -m stages.NAME`` in ``folder``; its standard error, after the exit status was checked."""
    done = attempted(folder, name, *arguments)
    assert done.returncode == status, done.stderr + done.stdout
    return done.stderr


def attempted(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run ``python -m stages.NAME`` in ``folder``, whatever comes of it."""
    return subprocess.run(
        [sys.executable, "-m", f"stages.{name}", *parameters(folder), "--log", f"{name}.log", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def refused(folder: Path, name: str, *arguments: str) -> str:
    """The one line with which a stage refuses; no traceback."""
    return refusal(stage(folder, name, *arguments, status=1))


def refusal(error: str) -> str:
    """The one line of a stage's standard error that says why; no traceback."""
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in error, error
    return lines[0]


def ingest(folder: Path, corpus: str = "mine", out: str = "out", run=stage) -> str:
    """Inventory, ingest and manifest of a corpus; their standard error, or with ``refused`` why one of them stops."""
    there = inventory(corpus)
    tables = [word for name in ("labels", "texts", "ratings", "departures") for word in (f"--{name}", there[name])]
    ours = ["--audio", f"{out}/audio.csv", "--out", f"{out}/manifest.csv"]
    ours += ["--out-quarantine", f"{out}/quarantine.csv", "--out-ratings", f"{out}/ratings.csv"]
    said = ""
    for name, *more in (
        ("inventory",),
        ("ingest", "--files", there["files"], "--audio", f"{out}/audio.h5", "--table", f"{out}/audio.csv"),
        ("manifest", *tables, *ours),
    ):
        done = attempted(folder, name, "--corpus", corpus, *more)
        if run is refused and done.returncode:
            return refusal(done.stderr)
        assert done.returncode == 0, done.stderr + done.stdout
        said += done.stderr
    assert run is stage, "not refused"
    return said


def inventory(corpus: str = "mine") -> dict[str, str]:
    """The tables of a corpus' inventory."""
    return names.corpus(corpus)


def read(path: Path) -> list[dict]:
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


def write(path: Path, rows: list[dict]) -> None:
    with open(path, "w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@contextlib.contextmanager
def mounted(folder: Path, options: str):
    """A tmpfs at ``folder``; the test is skipped where mounting is not permitted."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.getuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def shared(path: str) -> Path:
    """Something in the folder shared beside the repository; the test is skipped elsewhere."""
    if not (SHARED / path).exists():
        pytest.skip(f"needs {path} in a folder 'shared' beside the repository")
    return SHARED / path
