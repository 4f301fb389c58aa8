"""A corpus in shards, through both tools: read by training as one store, and mended piece by piece."""

import shutil

import pytest

pytestmark = pytest.mark.slow

STORE = "data/features/planted/hubert-small.h5"
MODELS = "data/train/default/linear/1of1.safetensors"


def test_shards_wake_what_reads_them_and_change_no_figure(repository):
    folder, single = repository.folder, repository.artifacts()
    repository.set({"shards": {"planted": 2}})
    done = repository.snakemake("--", MODELS)
    ran = [line.split()[0] for line in done.stderr.splitlines() if line.rstrip().endswith(" s")]
    assert ran == [*["features"] * 3, "train"], done.stderr
    assert " 0 made, " in (folder / "data/logs/train/default-linear-1of1.log").read_text()
    sharded = repository.artifacts()
    shards = {STORE.replace(".h5", f"/{part}.h5") for part in ("1of2", "2of2")}
    assert sharded.keys() - single.keys() == shards
    assert {name for name in single if sharded[name] != single[name]} == {STORE, "data/code.json", "data/settings.json"}
    assert not repository.dvc("status").stdout.count("changed")
    before, untouched = {name: repository.artifacts()[name] for name in (*shards, STORE, MODELS)}, folder / min(shards)
    made = untouched.stat().st_mtime_ns
    shutil.rmtree(folder / "data/scratch")
    for name in (max(shards), MODELS):
        (folder / name).unlink()
    repository.snakemake("--no-hooks", "--", MODELS)  # the shard that is gone is made again, and then trained from
    assert " 0 found " in (folder / "data/logs/train/default-linear-1of1.log").read_text()
    assert {name: repository.artifacts()[name] for name in before} == before
    assert untouched.stat().st_mtime_ns == made
