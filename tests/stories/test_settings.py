"""Settings: a user's edits of params.yaml fail no test, and no job reads a setting that its rule does not declare."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.stories.conftest import ROOT

pytestmark = pytest.mark.slow

EDITS = """
active.mine: true
corpora.mine: {reader: table, table: mine.csv, audio: sound}
studies.mine: {corpus: mine, protocol: speakers, speech: hubert-small, seeds: [1], systems: [majority, linear, narrow]}
systems.narrow: {like: pepino2021-dense-speaker, hidden: 32}
evaluate: {draws: 3000}
"""


def test_edits_of_params_yaml_fail_no_test(tmp_path):
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    text = (ROOT / "tests/shipped.yaml").read_text()  # the shipped one, whatever is in params.yaml here
    assert "learning_rate: 0.003" in text and "active: [default]" in text
    text = text.replace("learning_rate: 0.003", "learning_rate: 0.002").replace("[default]", "[ravdess]")
    (tmp_path / "params.yaml").write_text(text + EDITS)
    assert yaml.safe_load(text)["active"] == ["ravdess"]
    files = ("unit/test_catalogue.py", "unit/test_parameters.py", "unit/test_trials.py", "unit/test_metrics.py")
    compiled = "stories/test_versions.py::test_dvc_yaml_is_what_the_snakefile_implies"
    tests = [f"tests/{name}" for name in (*files, compiled)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def commands(project) -> dict[str, str]:
    """The command line of one job of every rule."""
    printed = project.snakemake("--dry-run", "--forceall", "--printshellcmds").stdout
    found = {}
    for line in printed.splitlines():
        if match := re.search(r"exec (python -m stages\.(\w+) .*--reads .*)", line):
            found.setdefault(match[2], match[1])
    return found


def test_no_stage_can_read_what_its_rule_does_not_declare(finished):
    """Every stage's own command, with the settings that its rule declares taken away: it stops at the first read."""
    every = commands(finished)
    assert {"ingest", "protocol", "ceilings", "transcribe", "pretrain", "features", "adapt", "cluster"} <= set(every)
    assert {"retrain", "train", "teach", "distill", "evaluate", "robustness", "report", "manifest"} <= set(every)
    for stage, command in every.items():
        words = shlex.split(command)
        place = words.index("--reads") + 1
        declared = []
        while not words[place].startswith("--"):
            declared.append(words.pop(place))
        log = words.index("--log") + 1
        words[log] = f"data/logs/undeclared/{stage}.log"
        if not declared:
            assert stage == "manifest"  # it reads tables alone
            continue
        done = finished.run(*words, check=False)
        assert done.returncode == 1, stage
        assert "does not declare that it reads this" in done.stderr, f"{stage}: {done.stderr}"
