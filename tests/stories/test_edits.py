"""Sixteen typical edits: the jobs that each makes stale, in both tools, against the smallest set that must run again.

The smallest set: the jobs that read what was edited (of params.yaml, of the code that they import) and all that follow
from them. docs/versions.md shows the table that this test makes.
"""

import json
import re
from pathlib import Path

import pytest

from stages.config import settings
from tests.stories.conftest import ROOT, Project

pytestmark = pytest.mark.slow

STUDY = "studies/default"
SYSTEMS = (
    "train default-linear",
    "train default-majority",
    "train default-pan2024-gmp-ams",
    "train default-pepino2021-dense-speaker",
    "teach default-srinivasan2022-teacher",
    "distill default-srinivasan2022-cts",
)
CHAIN = ("adapt default-gmp", "cluster default-gmp", "retrain default-gmp")
LOOP = [
    "pretrain hubert",
    "pretrain bert",
    *CHAIN,
    "train default-pan2024-gmp-ams",
    "train default-pepino2021-dense-speaker",
    "teach default-srinivasan2022-teacher",
    "distill default-srinivasan2022-cts",
]
"""Whatever trains a network; ``cluster`` takes its seeds there."""
EDITS = {
    "learning rate of one system": (
        {"systems/pepino2021-dense-speaker/learning_rate": 2e-3},
        ["train default-pepino2021-dense-speaker", "report default"],
    ),
    "lambda of the student": (
        {"systems/srinivasan2022-cts/weight": 10.0},
        ["distill default-srinivasan2022-cts", "report default"],
    ),
    "k of the clustering": (
        {f"{STUDY}/changes/cluster.gmp/scales": [4, 6]},
        ["cluster default-gmp", "report default"],
    ),
    "a seed more": ({f"{STUDY}/seeds": [1, 2]}, [*CHAIN, *SYSTEMS, "report default"]),
    "validation speakers of the protocol": ({"protocols/sessions/validation": 2}, ["protocol planted-sessions"]),
    "layers of an encoder": (
        {"encoders/hubert-small/layers": ["0", "1", "2", "conv"]},
        [
            "features planted-hubert-small",
            *CHAIN,
            "train default-pan2024-gmp-ams",
            "distill default-srinivasan2022-cts",
        ],
    ),
    "the source of transcripts": ({"transcripts/corrupted/wer": 0.3}, ["transcribe planted-corrupted"]),
    "how loud a trial's noise is": (
        {"robustness/noise-10/snr_db": 5.0},
        ["robustness default-noise-10-linear", "report default"],
    ),
    "a setting of the report": ({"report/decimals": 3}, ["report default"]),
    "a comment in a recipe": (("stages/recipes/linear.py", "", "# a comment\n"), []),
    "a log message": (("stages/training/loop.py", "goes on after", "continues after"), []),
    "an error text": (("stages/recipes/training_inputs.py", "choose speaker", "take speaker"), []),
    "a description": (("stages/recipes/linear.py", "which features;", "the features;"), []),
    "a line of a recipe": (
        ("stages/recipes/linear.py", "", "LINE = 1\n"),
        ["train default-linear", "robustness default-noise-10-linear"],
    ),
    "a line of the shared training loop": (
        ("stages/training/loop.py", "", "LINE = 1\n"),
        LOOP,
    ),
    "the corpus' seed": ({"corpora/planted/seed": 2}, ["ingest planted", "ceilings planted"]),
}


def named(stage: str, command: str) -> str:
    rule = command.split()[5] if " job " in command else stage.partition("-")[0]
    return f"{rule} {stage.removeprefix(rule).removeprefix('-')}".strip()


def following(direct: set[str], entries: dict[str, dict], but: frozenset | set = frozenset()) -> set[str]:
    """``direct`` and all jobs that read what those write; what ``but`` write counts for nothing."""
    found = set(direct)
    while True:
        written = {out["path"] for name in found - but for out in entries[name]["outs"]}
        more = {name for name, e in entries.items() if any(d["path"] in written for d in e.get("deps", []))} - found
        if not more:
            return found
        found |= more


def change(path: Path, old: str, new: str) -> None:
    """Put ``new`` in the place of ``old``, or at the end."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new) if old else text + new)


def in_snakemake(project: Project) -> set[str]:
    found, rule = set(), ""
    for line in project.snakemake("--dry-run").stdout.splitlines():
        if begun := re.fullmatch(r"rule (\w+):", line):
            rule = begun[1]
        elif line.startswith("    wildcards: "):
            values = [pair.split("=")[1] for pair in line.removeprefix("    wildcards: ").split(", ")]
            found.add(f"{rule} {'-'.join(value for value in values if value != '1of1')}")
    return found


def in_dvc(project: Project, entries: dict[str, dict]) -> set[str]:
    names = {entry["stage"]: name for name, entry in entries.items()}
    changed = json.loads(project.dvc("status", "--json").stdout)
    looked_at = {name for name in entries if name.startswith("inventory")}  # at Snakemake's start: their tables are new
    return following({names[stage] for stage in changed} - {"settings"} - looked_at, entries)


@pytest.fixture(scope="module")
def rows(versioned, tmp_path_factory):
    """For every edit: the smallest set, Snakemake's, DVC's."""
    project = versioned.copy(tmp_path_factory.mktemp("edits") / "project")
    raw = settings.parse((project.folder / "dvc.lock").read_text(), "dvc.lock")["stages"]
    entries = {named(stage, e["cmd"]): e | {"stage": stage} for stage, e in raw.items()}
    found = {}
    for label, (edit, direct) in EDITS.items():
        if isinstance(edit, dict):
            project.set(edit)
        else:
            change(project.folder / edit[0], *edit[1:])
            project.dvc("repro", "settings")
        found[label] = following(set(direct), entries), in_snakemake(project), in_dvc(project, entries)
        project.git("checkout", "--quiet", "--", ".")
        if not isinstance(edit, dict):
            project.dvc("checkout", "--force")
    return found, len(entries) - 1


@pytest.mark.parametrize("edit", EDITS)
def test_both_tools_rerun_the_smallest_set(rows, edit):
    smallest, snakemake, dvc = rows[0][edit]
    assert snakemake == smallest
    assert dvc == smallest


def test_the_docs_show_the_table(rows):
    found, jobs = rows
    lines = [f"| edit | jobs of {jobs} that it makes stale, Snakemake | DVC | smallest set |", "|---|---|---|---|"]
    lines += [f"| {edit} | {len(s)} | {len(d)} | {len(smallest)} |" for edit, (smallest, s, d) in found.items()]
    table = "\n".join(lines)
    assert table in (ROOT / "docs/versions.md").read_text(), f"put this into docs/versions.md:\n{table}"


def test_a_sweep_of_lambda_distils_evaluates_and_reports(versioned, tmp_path_factory):
    project = versioned.copy(tmp_path_factory.mktemp("sweep") / "project")
    wanted = {"settings", *(f"{s}-default-srinivasan2022-cts" for s in ("distill", "evaluate")), "report-default"}
    for weight in (3.0, 10.0):
        done = project.dvc("exp", "run", "-S", f"++systems.srinivasan2022-cts.weight={weight}")
        assert set(re.findall(r"Running stage '([^']+)'", done.stdout)) == wanted
