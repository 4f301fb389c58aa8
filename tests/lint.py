"""``snakemake --lint`` with its one allow-listed demand: a conda environment per rule (ours is one for all).

python -m tests.lint
"""

import os
import re
import subprocess
import sys

from stages.workflow.snakemake_inside import UNCHECKED

ALLOWED = {"Specify a conda environment or container for each rule."}


def main() -> None:
    environment = os.environ | {UNCHECKED: "1"}  # the rules alone, whatever lies in data/
    done = subprocess.run(["snakemake", "--lint"], capture_output=True, text=True, env=environment)
    text = done.stdout + done.stderr
    demands = re.findall(r"^    \* (.*):$", text, re.MULTILINE)
    if not demands:
        sys.exit(f"snakemake --lint said nothing that this script can read:\n{text}")
    others = set(demands) - ALLOWED
    if others:
        sys.exit(text)
    print(f"snakemake --lint: {len(demands)} times the allow-listed demand, no other")


if __name__ == "__main__":
    main()
