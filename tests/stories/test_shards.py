"""A corpus in shards, through both tools: read by training as one store, and mended piece by piece."""

import pytest

pytestmark = pytest.mark.slow

STORE = "data/features/planted/hubert-small.h5"
TARGET = "data/evaluate/default/linear.json"


def test_shards_wake_what_reads_them_and_change_no_figure(repository):
    folder, single = repository.folder, repository.artifacts()
    repository.set({"shards": {"planted": 2}})
    done = repository.snakemake("--", TARGET)
    ran = [line.split()[0] for line in done.stderr.splitlines() if line.rstrip().endswith(" s")]
    assert ran == [*["features"] * 3, "train", "evaluate"], done.stderr
    assert " 0 made, " in (folder / "data/logs/train/default-linear-1of1.log").read_text()
    sharded = repository.artifacts()
    shards = {STORE.replace(".h5", f"/{part}.h5") for part in ("1of2", "2of2")}
    assert sharded.keys() - single.keys() == shards
    assert {name for name in single if sharded[name] != single[name]} == {STORE, "data/code.json"}
    assert not repository.dvc("status").stdout.count("changed")
    (folder / max(shards)).unlink()
    repository.set({"systems/linear/strengths": [0.5]})
    planned = repository.snakemake("--dry-run", "--", TARGET).stdout
    assert f"output: {max(shards)}" in planned and f"output: {min(shards)}" not in planned
