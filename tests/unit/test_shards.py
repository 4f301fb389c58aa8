"""A feature store in shards: the same to every reader as one file, and faults that name the shard."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from stages.recipes.normaliser import Moments
from stages.runtime.errors import UserError
from stages.stores import feature_writer, shards
from stages.stores.audio import AudioStore, AudioWriter
from stages.stores.feature_writer import FeatureWriter
from stages.stores.features import FeatureStore
from stages.stores.fingerprint import fingerprint
from tests.unit.small_corpus import mounted
from tests.unit.test_features import command, flip, made, place  # noqa: F401

FILES = {"audio": "audio.h5", "pretrained": "small.safetensors"}


@pytest.fixture
def divided(place):  # noqa: F811
    """``place`` with four batches, one of them of two utterances, and a function that extracts and joins shards."""
    params = yaml.safe_load((place / "params.yaml").read_text())
    params["features"]["batch_seconds"] = 1.2
    (place / "params.yaml").write_text(yaml.safe_dump(params))

    def into(count: int, encoder: str = "small", **files) -> Path:
        parts = [f"{encoder}/{i}of{count}.h5" for i in range(1, count + 1)]
        for part in parts:
            made(place, encoder, part, part=Path(part).stem, **(files or FILES))
        made(place, encoder, f"{encoder}.h5", shards=parts, audio="audio.h5")
        return place / f"{encoder}.h5"

    return into


@pytest.mark.parametrize("count", [2, 3, 5])
def test_shards_are_read_as_the_single_store(place, divided, count, monkeypatch, tmp_path_factory):  # noqa: F811
    made(place, "small", "single.h5", **FILES)
    path, single = divided(count), FeatureStore(place / "single.h5")
    store = FeatureStore(path)
    held = [FeatureStore(place / f"small/{i + 1}of{count}.h5").utterances for i in range(count)]
    assert sorted(name for names in held for name in names) == single.utterances and sum(map(bool, held)) == min(
        count, 4
    )
    assert store.utterances == single.utterances and store.offsets.tolist() == single.offsets.tolist()
    assert store.layers == single.layers and store.width("conv") == 16
    assert {k: str(v) for k, v in store.attributes.items()} == {k: str(v) for k, v in single.attributes.items()}
    assert fingerprint(path) == fingerprint(single.path)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))  # shards are found beside the store
    with h5py.File(path) as file:
        for layer in single.layers:
            whole = single.span(layer, 0, 5)
            assert [store.read(layer, i).tobytes() for i in range(5)] == [
                single.read(layer, i).tobytes() for i in range(5)
            ]
            assert store.span(layer, 0, 5).tobytes() == whole.tobytes() == file[f"layers/{layer}"][:].tobytes()
            assert store.span(layer, 2, 4).tobytes() == single.span(layer, 2, 4).tobytes()
            assert store.span(layer, 2, 2).shape == single.span(layer, 2, 2).shape
    assert np.array_equal(Moments(store, "1", 7).deviations, Moments(single, "1").deviations)
    with pytest.raises(ValueError, match="read-only"):
        store.read("1", "u3")[0, 0] = 1


def test_a_killed_shard_goes_on(place, divided, monkeypatch, caplog):  # noqa: F811
    whole = divided(2).read_bytes(), (place / "small/1of2.h5").read_bytes()
    monkeypatch.setattr(feature_writer, "MARK_SECONDS", 0)
    monkeypatch.setattr(FeatureWriter, "close", lambda writer: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made(place, "small", "small/1of2.h5", part="1of2", **FILES)
    (note,) = (place / "scratch/features").glob("*-small-1of2.h5.marks")
    note.write_text(json.dumps(json.loads(note.read_text()) | {"done": 1}))
    monkeypatch.undo()
    with caplog.at_level("INFO", "serpentine"):
        assert (divided(2).read_bytes(), (place / "small/1of2.h5").read_bytes()) == whole
    assert caplog.text.count("going on after 1 batches") == 1


def test_faults_are_named_by_shard(place, divided):  # noqa: F811
    path = divided(2)
    one, two = place / "small/1of2.h5", place / "small/2of2.h5"
    kept = {file: file.read_bytes() for file in (path, one, two)}
    name = FeatureStore(two).utterances[0]
    flip(two, FeatureStore(two).read("1", name).tobytes()[-40:], 3)
    with pytest.raises(UserError, match=rf"small/2of2\.h5: utterance {name}, layer 1: not the bytes that were written"):
        FeatureStore(path).span("1", 0, 5)
    two.write_bytes(kept[two][:-2000])
    with pytest.raises(
        UserError, match=r"small/2of2\.h5: not a whole shard of .*small\.h5 .*; delete it and run again"
    ):
        FeatureStore(path)
    two.unlink()
    with pytest.raises(UserError, match=r"small/2of2\.h5: no such file, and .*small\.h5 has frames in it"):
        FeatureStore(path)
    two.write_bytes(kept[one])
    with pytest.raises(UserError, match=r"small/2of2\.h5: not the shard that was joined to .*small\.h5; delete both"):
        FeatureStore(path)
    two.write_bytes(kept[two])
    with h5py.File(path, "r+") as file:
        file["shards/first"][0] += 1
    with pytest.raises(UserError, match="its table of shards is not what was written"):
        FeatureStore(path)


def joined(place, *options):  # noqa: F811
    """The last line of a joining on the command line."""
    paths = ("small/1of2.h5", "small/2of2.h5")
    found = command(place, "--encoder", "small", "--audio", "audio.h5", "--shards", *paths, "--out", "new.h5")
    assert found.returncode == 1 and not (place / "new.h5").exists()
    return found.stderr.strip().splitlines()[-1]


def test_a_foreign_shard_is_refused_on_the_command_line(place, divided):  # noqa: F811
    import torch

    from stages.encoders.speech import SpeechEncoder

    divided(2)
    two = place / "small/2of2.h5"
    whole = two.read_bytes()
    two.unlink()
    assert joined(place).startswith("error: small/2of2.h5: not a whole feature store")
    two.write_bytes((place / "small/1of2.h5").read_bytes())
    assert joined(place) == "error: small/2of2.h5: holds shard 1of2; delete it and run again"
    config = SpeechEncoder.load(place / "small.safetensors")
    with torch.no_grad():
        next(config.model.parameters()).add_(0.01)
    config.save(place / "other.safetensors", {"seen": {"source": "noise", "names": []}})
    made(place, "small", "small/2of2.h5", part="2of2", audio="audio.h5", pretrained="other.safetensors")
    first, second = (FeatureStore(place / f"small/{i}of2.h5").attributes["weights"][:40] for i in (1, 2))
    wrong = f"error: small/2of2.h5: its weights ({second}) are not those of 1of2.h5 ({first}); delete the one that is"
    assert joined(place).startswith(wrong)
    params = (place / "params.yaml").read_text()
    (place / "params.yaml").write_text(params.replace("batch_seconds: 1.2", "batch_seconds: 2.0"))
    made(place, "small", "small/2of2.h5", part="2of2", **FILES)
    assert "small/2of2.h5: its batches (" in joined(place)
    (place / "params.yaml").write_text(params)
    two.write_bytes(whole)
    audio = AudioStore(place / "audio.h5")
    writer = AudioWriter(place / "new-audio.h5")
    for name, digest in zip(audio.utterances, audio.digests(), strict=True):
        writer.add(name.upper(), audio.raw(name), digest)
    writer.close()
    (place / "new-audio.h5").replace(place / "audio.h5")
    assert joined(place).startswith("error: small/1of2.h5: extracted from other audio than the corpus has now")


def test_room_is_asked_for_all_shards_together(tmp_path):
    widths, frames = dict.fromkeys("012", 400), np.array([300, 200])
    with mounted(tmp_path / "out", "size=10m") as out:
        with pytest.raises(UserError, match=r"no space left: 2\.4 MB are needed .* 2 of 3 would fit"):
            FeatureWriter(out / "s.h5", ["a", "b"], frames, widths, {"hop": 0.02}, others=500)
        assert not list(out.iterdir())
        (out / "other").write_bytes(bytes(1_000_000))
        assert shards.written(out / "other", out / "none") >= 1_000_000
        FeatureWriter(out / "s.h5", ["a", "b"], frames, widths, {"hop": 0.02}, others=500, written=1_400_000).close()
        assert shards.written(out / "s.h5") >= 1_200_000  # reserved before the first utterance is written
