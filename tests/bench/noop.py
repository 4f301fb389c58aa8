"""What it costs to find that nothing is to be done, by either tool, in a folder after `make`.

    python -m tests.bench.noop

The goal is five seconds together for the default study. The third line is one bare start of the interpreter with the
tool's own modules, the part that no workflow can do without.
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "snakemake --dry-run": [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all"],
    "dvc status": [sys.executable, "-m", "dvc", "status", "--quiet"],
    "importing snakemake.cli, dvc.cli": [sys.executable, "-c", "import snakemake.cli, dvc.cli"],
}


def main(repeats: int = 3) -> None:
    total = 0.0
    for name, command in COMMANDS.items():
        seconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            seconds.append(time.perf_counter() - started)
            if done.returncode:
                sys.exit(f"{name}: not up to date or failed; run `make` first\n{done.stdout}{done.stderr}")
        print(f"{name:34} {statistics.median(seconds):6.2f} s")
        total += statistics.median(seconds) if "import" not in name else 0
    print(f"{'together':34} {total:6.2f} s")


if __name__ == "__main__":
    main()
