"""The table of guards in stages/guards/README.md lists all of them, and every test that it names exists."""

import ast
import csv
import re

from stages.guards import verdicts
from tests.unit.small_study import ROOT

README = (ROOT / "stages/guards/README.md").read_text()


def test_every_guard_has_a_test_that_exists():
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", README, re.M)
    assert {int(number): title for number, title, *_ in rows} == verdicts.TITLES and len(rows) == 22
    for number, _, _, tests in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
        assert named, number
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text())
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (number, path, name)
    assert "(stages/guards/README.md)" in (ROOT / "README.md").read_text()


def test_coverage_in_the_readme_is_what_the_bench_wrote():
    with open(ROOT / "data/coverage.csv", newline="") as handle:
        found = {(row["metric"], row["speakers"], row["interval"]): row for row in csv.DictReader(handle)}
    metric, shown = "", {}
    for name, speakers, *shares in re.findall(
        r"^\| (\w*) ?\| (\d+) \| \.(\d+) \| \.(\d+) \| \.(\d+) \| \.(\d+) \|$", README, re.M
    ):
        metric = name.lower() or metric
        kinds = ("percentiles", "expanded percentiles", "t, bootstrap", "t, jackknife")
        shown |= {(metric, speakers, kind): f"0.{share}" for kind, share in zip(kinds, shares, strict=True)}
    assert shown == {key: row["coverage"] for key, row in found.items()}
    assert all(float(found[m, "100", "expanded percentiles"]["coverage"]) >= 0.93 for m in ("uar", "ccc"))
