"""The terminal session of docs/versions.md, run again: each command still prints what the page shows."""

import re

import pytest
import yaml

from tests.stories.conftest import ROOT

pytestmark = pytest.mark.slow


def sessions() -> list[tuple[str, str]]:
    """Commands of the ``console`` blocks and their output."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "docs/versions.md").read_text(), re.S)
    steps = [step for block in blocks for step in re.split(r"^\$ ", block, flags=re.M) if step]
    return [(command.split("  #")[0].strip(), output) for command, _, output in (s.partition("\n") for s in steps)]


def shape(text: str) -> str:
    """What stays when figures, signs, verdicts and the widths of columns change."""
    text = re.sub(r"\b[0-9a-f]{7}\b", "HASH", text)
    text = re.sub(r"[-−+]?\d+([.:,]\d+)*", "0", text)
    text = re.sub(r"\b(tie|worse|better)\b|[=▲▼]", "", text)
    text = re.sub(r"\b0 [kMG]?B?\b|\b0[KMG]\b|\b[AP]M\b", "0", text)
    return "\n".join(" ".join(re.sub(r"[-|]{2,}", "-", line).split()) for line in text.strip().splitlines())


def test_the_docs_show_what_the_commands_print(repository):
    (repository.folder / ".venv").symlink_to(ROOT / ".venv")
    (repository.folder / ".git/info/exclude").write_text(".venv\n")
    repository.git("config", "user.name", "tests")
    repository.git("config", "user.email", "tests@localhost")
    steps = sessions()  # the last one compiles a study of a licensed corpus
    assert len(steps) >= 10
    for command, shown in steps:
        printed = repository.run("bash", "-c", f"set -o pipefail; {command} 2>&1").stdout
        print(f"$ {command}\n{printed}")  # pytest -s gives the page's text again
        lines = shape(printed).splitlines()
        for line in filter(None, shape(shown).splitlines()):
            wanted, open_end = line.removesuffix("…").strip(), line.endswith("…")
            there = any(other.startswith(wanted) if open_end else other == wanted for other in lines)
            assert there or not wanted, f"$ {command}\n{printed}\nlacks the page's line: {line}"
    kept = yaml.safe_load((repository.folder / "dvc.yaml").read_text())["stages"]
    stores = [
        out for name, stage in kept.items() if "ingest" in name for out in stage["outs"] if "audio.h5" in str(out)
    ]
    assert {"push": False} in [
        next(iter(out.values())) for out in stores if isinstance(out, dict)
    ]  # recordings stay here
