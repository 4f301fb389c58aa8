"""A byte that flips on the disk: named by the run that reads it, and mended by what the message says."""

import os

import pytest

from stages.stores.features import FeatureStore

pytestmark = pytest.mark.slow


def flip(path, place: int) -> None:
    """Change a bit where the file lies, as a disk would: no new file, no new date, whatever links to it."""
    before = path.stat()
    path.chmod(0o644)
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 16]))
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_flipped_byte_is_named_and_mended(repository):
    """DVC's cache holds the damaged bytes too, as a hard link, and must not put them back."""
    store, target = repository.folder / "data/features/planted/hubert-small.h5", "data/train/default/linear/1of1.csv"
    sound = store.read_bytes()
    victim = FeatureStore(store).read("1", 7)
    flip(store, sound.index(victim.tobytes()) + 5)
    assert store.read_bytes() != sound
    repository.set({"systems/linear/strengths": [0.5]})
    done = repository.snakemake("--", target, check=False)
    name = FeatureStore(store).utterances[7]
    line = f"hubert-small.h5: utterance {name}, layer 1: not the bytes that were written; delete it and run again"
    assert done.returncode != 0 and line in done.stdout + done.stderr
    store.unlink()
    repository.snakemake("--", target)
    assert store.read_bytes() == sound and store.stat().st_nlink > 1
    assert not repository.dvc("status", "features-planted-hubert-small").stdout.count("changed")
