"""What the Snakefile prints after a failed run."""

import sys
from pathlib import Path


def show(since: float) -> None:
    """Print, after a failed run, the reason in the log of each job that failed after ``since``. For the Snakefile."""
    for path in sorted(Path("data/logs").rglob("*.log"), key=lambda path: path.stat().st_mtime):
        lines = path.read_text().splitlines() if path.stat().st_mtime >= since else []
        for line in [line for line in lines if line.startswith("error: ")][-1:]:
            print(line, file=sys.stderr)
