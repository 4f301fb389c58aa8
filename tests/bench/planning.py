"""What it costs to plan all five papers' tables on one corpus, by either tool, in a folder in which nothing has run.

    python -m tests.bench.planning [ROWS]

The papers' tables are about ROWS rows (70) on one corpus; those that are not written yet are stood in for by more rows
of the recipes that there are, in turn. Heavy recipes share their folds out among five jobs. The goal is 30 seconds.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from stages.parameters.resolve import resolved

ROOT = Path(__file__).parents[2]


def main(rows: int = 70) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "plan"
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        path = folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        systems, study, own = resolved(path)["systems"], params["studies"]["default"], params["systems"] or {}
        shipped = [row for row in study["systems"] if not systems[row].get("teacher")]  # a student follows its teacher
        for i in range(rows - len(study["systems"])):
            like = shipped[i % len(shipped)]
            own[f"{like}-{i}"] = {"like": like}
            study["systems"].append(f"{like}-{i}")
        study["parts"], params["systems"] = 5, own
        path.write_text(yaml.safe_dump(params, sort_keys=False))
        run(folder, "-m", "stages.versions", "compile")
        seconds, printed = run(folder, "-m", "snakemake", "--dry-run", "--quiet", "rules", "--", "all")
        jobs = next(line.split()[1] for line in printed.splitlines() if line.startswith("total"))
        print(f"{rows} systems, {jobs} jobs")
        print(f"{'snakemake --dry-run':24} {seconds:6.1f} s")
        status, _ = run(folder, "-m", "dvc", "status", "--quiet", ends=(0, 1))
        print(f"{'dvc status':24} {status:6.1f} s")


def run(folder: Path, *command: str, ends=(0,)) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
    if done.returncode not in ends:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - started, done.stdout


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
