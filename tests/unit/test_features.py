"""The stage features: the command line, the store it writes, what it refuses; and the sharing out of GPUs."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import features
from stages.encoders import acoustics, batching, checkpoint, extraction, extractors, specs
from stages.recipes.normaliser import Moments
from stages.runtime.errors import UserError
from stages.stores import feature_writer
from stages.stores.audio import AudioStore, AudioWriter, digest
from stages.stores.feature_writer import FeatureWriter, finite
from stages.stores.features import FeatureStore
from tests.unit.catalogue import shipped
from tests.unit.small_corpus import mounted

ROOT = Path(__file__).parents[2]
LENGTHS = [16_000, 250, 9_000, 12_345, 9_000]


@pytest.fixture
def place(tmp_path):
    """A folder with params.yaml, audio.h5 and the files of two built-in encoders with random weights."""
    import torch

    from stages.encoders.speech import SpeechEncoder
    from stages.encoders.text import SPECIAL, TextEncoder

    encoders = {
        "small": shipped(specs.BuiltinSpeech, layers=["conv", "all"], pretrain="small"),
        "words": shipped(specs.BuiltinText, layers=["2", "0"], pretrain="words"),
        "mfcc": shipped(specs.Mfcc),
        "egemaps": shipped(specs.Egemaps),
        "spectrogram": shipped(specs.Spectrogram),
    }
    params = {"features": shipped(specs.Features, batch_seconds=2.0), "encoders": encoders}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    rng = np.random.default_rng(0)
    writer = AudioWriter(tmp_path / "audio.h5")
    for i, length in enumerate(LENGTHS):
        wave = (3000 * rng.standard_normal(length)).astype(np.int16)
        writer.add(f"u{i}", wave, digest(wave))
    writer.close()
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    speech = {"model_type": "hubert", "conv_dim": [16] * 7, "num_conv_pos_embeddings": 16}
    encoder = SpeechEncoder.build(shape | speech | {"num_conv_pos_embedding_groups": 2})
    encoder.save(tmp_path / "small.safetensors", {"seen": {"source": "noise", "names": ["a", "b"]}})
    vocabulary = [*SPECIAL, "null", "yes", "##a"]
    TextEncoder.build(shape | {"vocab_size": len(vocabulary)}, vocabulary).save(tmp_path / "words.safetensors", {})
    (tmp_path / "transcripts.csv").write_text("utterance,text,reference,wer\nu0,null,,\nu1,,,\nu2,Yes null,,\n")
    return tmp_path


def command(place, *options):
    return subprocess.run(
        [sys.executable, "-m", "stages.features", "--params", "params.yaml", "--corpus", "noise", *options],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def made(place, encoder, out, part="1of1", shards=None, cores=1, **files):
    """The stage run within this process."""
    values = {"params": str(place / "params.yaml"), "corpus": "noise", "encoder": encoder, "out": place / out}
    values |= {
        "scratch": place / "scratch",
        "cores": cores,
        "part": part,
        "shards": shards and [place / name for name in shards],
    }
    values |= {name: place / files[name] if name in files else None for name in ("audio", "transcripts", "pretrained")}
    features.main(type("Args", (), values))


def test_speech_store_equals_the_encoder(place):
    import torch

    from stages.encoders.speech import SpeechEncoder

    options = ("--encoder", "small", "--audio", "audio.h5", "--pretrained", "small.safetensors", "--out", "out.h5")
    found = command(place, *options)
    assert found.returncode == 0, found.stderr
    store = FeatureStore(place / "out.h5")
    assert store.layers == ["0", "1", "2", "conv"]
    assert store.utterances == [f"u{i}" for i in range(5)]
    assert (store.width("conv"), store.width("2")) == (16, 32)
    attributes, audio = store.attributes, AudioStore(place / "audio.h5")
    assert (attributes["encoder"], attributes["audio"], attributes["hop"]) == ("small", audio.content, 0.02)
    assert (attributes["dtype"], attributes["precision"]) == ("float16", "fp32")
    assert json.loads(attributes["seen"]) == {"source": "noise"}
    encoder = SpeechEncoder.load(place / "small.safetensors")
    assert attributes["weights"] == encoder.weights
    for i, length in enumerate(LENGTHS):
        wave = torch.from_numpy(audio.read(i))[None]
        with torch.no_grad():
            conv, frames = encoder.frontend(wave, torch.tensor([length]))
            states = encoder.context(conv, frames)
        for name, wanted in {"conv": conv, "0": states[0], "2": states[2]}.items():
            assert np.allclose(store.read(name, i), wanted[0].numpy(), rtol=2e-3, atol=2e-3)
    made(place, "small", "again.h5", audio="audio.h5", pretrained="small.safetensors")
    again = FeatureStore(place / "again.h5")
    for name in store.layers:
        assert np.array_equal(again.span(name, 0, 5), store.span(name, 0, 5))


def test_weights_that_lack_a_tensor_are_refused(place):
    path = place / "small.safetensors"
    tensors, header = checkpoint.tensors(path), checkpoint.header(path)
    lost = sorted(name for name in tensors if name.endswith("layer_norm.bias"))[0]
    del tensors[lost]
    checkpoint.save(path, tensors, header)
    options = ("--encoder", "small", "--audio", "audio.h5", "--pretrained", path.name, "--out", "out.h5")
    found = command(place, *options)
    assert found.returncode == 1 and not (place / "out.h5").exists()
    assert f"weights do not fit the configuration: missing {lost}" in found.stderr.splitlines()[-1]


def opened(place, device="cpu"):
    """The built-in encoder of ``place``, by which a test calls extraction itself."""
    import torch

    from stages.encoders import extractors

    spec = specs.load(place / "params.yaml", "small")
    return extractors.open_extractor(spec, place / "small.safetensors", torch.device(device), "fp32")


def test_a_batch_on_a_processor_stays_in_its_cache(place):
    """The CNN of the encoder here has 16 channels after a stride of 5: 12.8 bytes per sample of its widest output."""
    found = opened(place)
    assert found.most == pytest.approx(25e6 / 12.8)
    found.most, asked = 16_000, []
    sizes = np.array([8_000, 8_000, 8_000])
    prepare = found.prepare
    found.prepare = lambda waves: asked.append(len(waves)) or prepare(waves)
    waves = [np.zeros(8_000, np.float32) + i / 10 for i in range(3)]
    assert list(extraction.extract(found, sizes, waves.__getitem__, 1e9, lambda *_: None)) == [1, 2]
    assert asked == [2, 1]


def test_a_batch_is_computed_while_the_next_is_read_and_the_last_is_put(place):
    """The forward pass waits for both, so it ends only if they are at work beside it; a count comes after its puts."""
    found = opened(place)
    waves = [np.full(8_000, i / 10, np.float32) for i in range(4)]
    read, put = [threading.Event() for _ in waves], [threading.Event() for _ in waves]
    forward, batch = found.forward, itertools.count()

    def waiting(prepared):
        i = next(batch)
        assert i + 1 == len(waves) or read[i + 1].wait(20)
        assert i == 0 or put[i - 1].wait(20)
        return forward(prepared)

    found.forward, found.beside = waiting, True
    counts = extraction.extract(
        found,
        np.full(4, 8_000),
        lambda i: read[i].set() or waves[i],
        8_000,
        lambda i, layer, *_: put[i].set() if layer == "2" else None,
    )
    for count in counts:
        assert put[count - 1].is_set()
    assert count == 4


def test_one_step_comes_after_the_other_where_no_core_is_left(place):
    import torch

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        found = opened(place)
    finally:
        torch.set_num_threads(threads)
    assert not found.beside
    waves = [np.full(8_000, i / 10, np.float32) for i in range(3)]
    kept: dict[bool, list] = {False: [], True: []}
    for beside, values in kept.items():
        found.beside = beside

        def put(i, layer, rows, _, values=values):
            values.append((i, layer, rows.copy(), threading.get_ident()))

        assert list(extraction.extract(found, np.full(3, 8_000), waves.__getitem__, 8_000, put)) == [1, 2, 3]
        assert ({thread for *_, thread in values} == {threading.get_ident()}) is not beside
    for one, other in zip(*kept.values(), strict=True):
        assert one[:2] == other[:2] and np.array_equal(one[2], other[2])


def test_a_gpu_gives_what_the_processor_does(place):
    """Three batches, so that one is copied back while the next is computed."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    waves = [np.random.default_rng(i).normal(0, 0.1, 32_000).astype(np.float32) for i in range(3)]
    found: dict[str, dict] = {"cpu": {}, "cuda": {}}
    for device, values in found.items():

        def put(i, layer, rows, _, values=values):
            values[i, layer] = rows.copy()

        list(extraction.extract(opened(place, device), np.full(3, 32_000), waves.__getitem__, 32_000, put))
    assert found["cuda"].keys() == found["cpu"].keys() and len(found["cpu"]) == 12
    for key, wanted in found["cpu"].items():
        np.testing.assert_allclose(found["cuda"][key], wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("step", ["read", "put"])
def test_a_fault_beside_the_computation_ends_it(place, step):
    def fail(*_):
        raise UserError(f"{step} failed")

    steps = {"read": lambda i: np.zeros(8_000, np.float32), "put": lambda *_: None} | {step: fail}
    with pytest.raises(UserError, match=f"{step} failed"):
        list(extraction.extract(opened(place), np.full(3, 8_000), steps["read"], 8_000, steps["put"]))


def test_precision_is_chosen_and_recorded(place, monkeypatch, caplog):
    """bf16 keeps eight bits of a number, so that features move by some tenths of a per cent, not by more."""
    import torch

    from stages.stores.fingerprint import fingerprint

    files = {"audio": "audio.h5", "pretrained": "small.safetensors"}
    params = yaml.safe_load((place / "params.yaml").read_text())
    stores = {}
    for precision, has in (("fp32", True), ("bf16", True), ("bf16", False)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has: has)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        params["features"]["precision"] = precision
        (place / "params.yaml").write_text(yaml.safe_dump(params))
        caplog.clear()
        made(place, "small", f"{precision}.h5", **files)
        assert ("finds no bf16 instructions" in caplog.text) == (not has)
        stores[precision] = FeatureStore(place / f"{precision}.h5")
        assert stores[precision].attributes["precision"] == precision
    for layer in ("conv", "0", "1", "2"):
        found, wanted = (stores[name].span(layer, 0, len(stores[name])).astype(np.float64) for name in ("bf16", "fp32"))
        assert 1e-3 < np.linalg.norm(found - wanted) / np.linalg.norm(wanted) < 2e-2
    assert fingerprint(place / "bf16.h5") != fingerprint(place / "fp32.h5")
    params["features"]["precision"] = "fp16"
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(UserError, match=r"features\.precision: fp16 on a processor takes over ten times as long"):
        made(place, "small", "fp16.h5", **files)


def test_extraction_goes_on_where_it_was_cut_off(place, monkeypatch, caplog):
    files = {"audio": "audio.h5", "pretrained": "small.safetensors"}
    made(place, "small", "whole.h5", **files)
    whole = (place / "whole.h5").read_bytes()
    monkeypatch.setattr(feature_writer, "MARK_SECONDS", 0)
    monkeypatch.setattr(FeatureWriter, "close", lambda writer: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # as good as killed: all batches are marked, nothing is declared whole
        made(place, "small", "out.h5", **files)
    (left,) = (place / "scratch/features").glob("*.h5")
    with pytest.raises(UserError, match="not a whole feature store"):
        FeatureStore(left)
    note = json.loads(Path(f"{left}.marks").read_text())
    assert note["done"] == len(batching.plan(np.array(LENGTHS), 32_000)) == 2
    Path(f"{left}.marks").write_text(json.dumps(note | {"done": 1}))
    monkeypatch.undo()
    time.sleep(1.1)  # HDF5 can note times, in seconds
    with caplog.at_level("INFO", "serpentine"):
        made(place, "small", "out.h5", **files)
    assert "going on after 1 batches of an earlier run" in caplog.text
    assert (place / "out.h5").read_bytes() == whole
    assert not list((place / "scratch/features").iterdir())


def test_what_another_plan_left_is_not_taken(place, monkeypatch, caplog):
    monkeypatch.setattr(feature_writer, "MARK_SECONDS", 0)
    monkeypatch.setattr(FeatureWriter, "close", lambda writer: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made(place, "mfcc", "out.h5", audio="audio.h5")
    monkeypatch.undo()
    params = yaml.safe_load((place / "params.yaml").read_text())
    params["features"]["batch_seconds"] = 1.5
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    with caplog.at_level("INFO", "serpentine"):
        made(place, "mfcc", "out.h5", audio="audio.h5")
    assert "going on" not in caplog.text
    assert len(FeatureStore(place / "out.h5")) == 5


def test_needed_layers_are_resolved_when_the_encoder_is_opened(place):
    params = yaml.safe_load((place / "params.yaml").read_text())
    params["encoders"]["small"]["layers"], files = ["needed", "local"], {"audio": "audio.h5"}
    files["pretrained"] = "small.safetensors"
    for wanted, there in ((["conv", "last-1"], ["1", "conv", "local"]), (["last", "last-6"], ["0", "2", "local"])):
        params["stored"] = {"noise": {"small": wanted}}
        (place / "params.yaml").write_text(yaml.safe_dump(params))
        made(place, "small", "out.h5", **files)
        assert FeatureStore(place / "out.h5").layers == there
    with pytest.raises(
        UserError, match=r"no layer '1' \(there are: 0, 2, local\); add it to encoders.small.layers and"
    ):
        FeatureStore(place / "out.h5").read("1", 0)
    del params["stored"]
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(UserError, match="stored: no such key"):
        made(place, "small", "out.h5", **files)


def test_text_store(place):
    made(place, "words", "out.h5", transcripts="transcripts.csv", pretrained="words.safetensors")
    store = FeatureStore(place / "out.h5")
    assert np.diff(store.offsets).tolist() == [3, 2, 4]  # 'null' is a word, an empty text [CLS] [SEP]
    assert store.layers == ["0", "2"]
    assert store.attributes["hop"] == 0
    with pytest.raises(UserError, match="so it needs --transcripts"):
        made(place, "words", "other.h5", audio="audio.h5", pretrained="words.safetensors")


@pytest.mark.parametrize(("kind", "width"), [("mfcc", 39), ("egemaps", 25), ("spectrogram", 201)])
def test_plain_features(place, kind, width):
    made(place, kind, "out.h5", audio="audio.h5")
    store = FeatureStore(place / "out.h5")
    frames = store.span("0", 0, len(store))
    assert frames.shape == (store.offsets[-1], width) and np.isfinite(frames).all()
    assert store.attributes["hop"] == 0.01
    assert np.diff(store.offsets)[0] == {"mfcc": 98, "egemaps": 96, "spectrogram": 98}[kind]


@pytest.mark.parametrize("kind", ["mfcc", "egemaps", "spectrogram"])
def test_descriptors_are_the_same_bytes_from_any_number_of_processes(place, kind):
    params = yaml.safe_load((place / "params.yaml").read_text())
    params["features"]["batch_seconds"] = 0.5  # five batches
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    for cores in (1, 2, 3):
        made(place, kind, f"{cores}.h5", audio="audio.h5", cores=cores)
    assert (place / "1.h5").read_bytes() == (place / "2.h5").read_bytes() == (place / "3.h5").read_bytes()
    assert os.getpid() not in computed_by(place, kind)


def computed_by(place, kind) -> list[int]:
    """The processes that compute the batches of a store with two processes."""
    params = str(place / "params.yaml")
    extractor = extractors.open_extractor(specs.load(params, kind), None, None, "fp32")
    store, found = AudioStore(place / "audio.h5"), []
    extractor.fetch = lambda waves, dtype: [{"0": np.array([os.getpid()])} for _ in waves]
    for _ in extraction.extract(
        extractor, store.lengths, store.read, 8000, lambda i, layer, pid, _: found.append(int(pid[0])), processes=2
    ):
        pass
    assert len(found) == len(LENGTHS)
    return found


def test_a_killed_process_is_an_error_and_what_it_left_goes_on(place, monkeypatch, caplog):
    params = yaml.safe_load((place / "params.yaml").read_text())
    params["features"]["batch_seconds"] = 0.5
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    made(place, "mfcc", "whole.h5", audio="audio.h5")
    monkeypatch.setattr(feature_writer, "MARK_SECONDS", 0)
    work = acoustics.mfcc
    short = lambda wave: work(wave) if len(wave) > 250 else os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
    monkeypatch.setattr(acoustics, "mfcc", short)
    with pytest.raises(UserError, match=r"a worker was killed.*lower ingest\.workers"):
        made(place, "mfcc", "out.h5", audio="audio.h5", cores=2)
    assert not (place / "out.h5").exists()
    monkeypatch.undo()
    with caplog.at_level("INFO", "serpentine"):
        made(place, "mfcc", "out.h5", audio="audio.h5", cores=2)
    assert "batches of an earlier run" in caplog.text
    assert (place / "out.h5").read_bytes() == (place / "whole.h5").read_bytes()


def test_truncated_audio_is_one_line(place):
    whole = (place / "audio.h5").read_bytes()
    (place / "audio.h5").write_bytes(whole[: len(whole) // 2])
    found = command(place, "--encoder", "mfcc", "--audio", "audio.h5", "--out", "out.h5")
    assert found.returncode == 1
    assert found.stderr.strip().splitlines()[-1].startswith("error: audio.h5: not a whole audio store")
    assert not (place / "out.h5").exists()


def test_truncated_store_is_refused(place):
    made(place, "mfcc", "out.h5", audio="audio.h5")
    whole = (place / "out.h5").read_bytes()
    (place / "out.h5").write_bytes(whole[: len(whole) - 2000])
    with pytest.raises(UserError, match="delete it"):
        FeatureStore(place / "out.h5")


def flip(path, value: bytes, bit: int = 0) -> None:
    """Change one bit of the first byte of the only place in a file that holds ``value``."""
    content = bytearray(path.read_bytes())
    assert content.count(value) == 1
    content[content.index(value)] ^= 1 << bit
    path.write_bytes(content)


def test_a_flipped_byte_is_named_by_utterance_and_layer(place):
    files = {"audio": "audio.h5", "pretrained": "small.safetensors"}
    made(place, "small", "out.h5", **files)
    whole = FeatureStore(place / "out.h5").read("1", "u3").tobytes()
    flip(place / "out.h5", whole[-40:], 3)
    store = FeatureStore(place / "out.h5")
    assert len(store.read("1", "u2")) and len(store.read("2", "u3"))
    line = r"out\.h5: utterance u3, layer 1: not the bytes that were written; delete it and run again"
    for read in (lambda: store.read("1", "u3"), lambda: store.span("1", 0, 5), lambda: Moments(store, "1")):
        with pytest.raises(UserError, match=line):
            read()
    (place / "out.h5").unlink()
    made(place, "small", "out.h5", **files)
    assert FeatureStore(place / "out.h5").read("1", "u3").tobytes() == whole


def test_a_flipped_byte_of_the_audio_is_one_line(place):
    flip(place / "audio.h5", AudioStore(place / "audio.h5").raw("u3").tobytes(), 7)
    found = command(place, "--encoder", "mfcc", "--audio", "audio.h5", "--out", "out.h5")
    assert found.returncode == 1
    assert found.stderr.strip().splitlines()[-1] == (
        "error: audio.h5: utterance u3: not the bytes that were written; delete it and run again"
    )
    assert not (place / "out.h5").exists()


def test_a_flipped_byte_of_an_encoder_is_one_line(place):
    path = place / "small.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 4
    path.write_bytes(content)
    options = ("--encoder", "small", "--audio", "audio.h5", "--pretrained", "small.safetensors", "--out", "out.h5")
    found = command(place, *options)
    assert found.returncode == 1
    line = "error: small.safetensors: its weights: not the bytes that were written; delete it and run again"
    assert found.stderr.strip().splitlines()[-1] == line
    content[-100] ^= 4
    content[content.index(b"noise")] ^= 1
    path.write_bytes(content)
    assert "small.safetensors: not an encoder made by this pipeline" in command(place, *options).stderr


@pytest.mark.parametrize("kind", ["features", "audio"])
def test_no_byte_of_a_store_can_change_unnoticed(tmp_path, kind):
    """Every thirty-first byte of a small store: reading gives the old values, or an error of ours.

    Left out are the lengths in HDF5's heap of texts, which it reads unproven: one flipped there may keep it reading.
    """
    path = tmp_path / "s.h5"
    values = np.arange(24, dtype=np.float16).reshape(8, 3)
    samples = np.arange(-4, 4, dtype=np.int16)
    if kind == "features":
        writer = FeatureWriter(path, ["a", "b"], np.array([3, 5]), {"0": 3}, {"hop": 0.02, "weights": "f" * 64})
        writer.put(0, "0", values[:3])
        writer.put(1, "0", values[3:])
        writer.close()
    else:
        audio = AudioWriter(path)
        for name, part in (("a", samples[:3]), ("b", samples[3:])):
            audio.add(name, part, digest(part))
        audio.close()

    def read():
        if kind == "features":
            store = FeatureStore(path)
            return store.utterances, store.attributes["weights"], store.span("0", 0, 2).tobytes()
        store = AudioStore(path)
        found = store.utterances, store.content, store.raw("a").tobytes(), store.raw("b").tobytes()
        store.file.close()
        return found

    whole, noticed = read(), 0
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    own = [i for i in range(0, len(content), 31) if i < 4096 or i > len(content) - 8192]
    own = [i for i in own if not heap <= i < heap + 4096 or content[i] > 32]
    with open(path, "r+b", buffering=0) as file:
        for i in own:
            os.pwrite(file.fileno(), bytes([content[i] ^ 1 << i % 8]), i)
            try:
                assert read() == whole, f"byte {i}"
            except UserError:
                noticed += 1
            os.pwrite(file.fileno(), content[i : i + 1], i)
    assert noticed > 20 and read() == whole


@pytest.mark.parametrize(
    ("value", "dtype", "said"),
    [
        (-70_000.0, "float16", r"features.dtype: float16 cannot hold 70000 \(noise: utterance u2, layer 1\)"),
        (np.nan, "float32", "noise: utterance u2, layer 1: a value is not finite"),
        (np.inf, "float16", "noise: utterance u2, layer 1: a value is not finite"),
    ],
)
def test_what_cannot_be_stored_is_named(place, value, dtype, said):
    """A value of a real forward pass is replaced, in the second row of its only batch."""
    import torch

    found = opened(place)
    forward, sizes = found.forward, np.array([8_000, 16_000, 12_000])

    def broken(prepared):
        groups, event = forward(prepared)
        ((layers, counts),) = groups
        with torch.inference_mode():
            layers["1"][1, counts[1] - 1, 3] = value
        return groups, event

    found.forward = broken
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    with pytest.raises(UserError, match=said):
        extraction.write_store(
            place / "s.h5",
            found,
            names=["u0", "u1", "u2"],
            sizes=sizes,
            read=lambda i: wave[: sizes[i]],
            limit=1e9,
            dtype=dtype,
            attributes={"hop": 0.02},
            who="noise: ",
        )


def test_plan_is_a_partition_within_the_limit():
    lengths = np.random.default_rng(0).integers(1, 100, 500)
    batches = batching.plan(lengths, 300)
    assert sorted(np.concatenate(batches)) == list(range(500))
    assert all(len(b) * lengths[b].max() <= 300 for b in batches)
    assert [b.tolist() for b in batching.plan(np.array([5, 9, 5, 50]), 10)] == [[3], [1], [0, 2]]
    assert batching.plan(np.array([]), 10) == []


CLAIM = """
import sys, time
from stages.runtime import gpu
name = gpu.claim()
print(name, time.time(), flush=True)
time.sleep(float(sys.argv[1]))
print(time.time(), flush=True)
"""


def gpus(folder, count):
    """A PATH whose nvidia-smi lists ``count`` GPUs, as the real one prints them."""
    program = folder / "nvidia-smi"
    lines = [f"GPU {i}: NVIDIA H200 (UUID: GPU-{i}{i}{i}{i}-aa)" for i in range(count)]
    program.write_text("#!/bin/sh\ncat <<END\n" + "\n".join(lines) + "\nEND\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}


def claims(environment, seconds):
    command = [sys.executable, "-c", CLAIM, str(seconds)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_two_processes_never_hold_the_same_gpu(tmp_path):
    environment = gpus(tmp_path, 2)
    started = [claims(environment, 1.5) for _ in range(5)]
    spans = {}
    for process in started:
        name, begin, end = process.communicate(timeout=60)[0].split()
        spans.setdefault(name, []).append((float(begin), float(end)))
    assert set(spans) == {"GPU-0000-aa", "GPU-1111-aa"}
    assert sum(map(len, spans.values())) == 5
    for held in spans.values():
        held.sort()
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(held))


def test_visible_devices_narrow_the_choice(tmp_path):
    for wanted, name in (("1", "GPU-1111-aa"), ("GPU-000", "GPU-0000-aa"), ("", "None"), ("-1", "None")):
        process = claims(gpus(tmp_path, 2) | {"CUDA_VISIBLE_DEVICES": wanted}, 0)
        assert process.communicate(timeout=60)[0].split()[0] == name
    for more in ({"SLURM_JOB_ID": "7"}, {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "NoDevFiles"}):
        process = claims(gpus(tmp_path, 2) | more, 0)
        assert process.communicate(timeout=60)[0].split()[0] == "None", "a job of SLURM that was given no GPU"
    process = claims(gpus(tmp_path, 2) | {"PATH": str(tmp_path / "empty")}, 0)
    assert process.communicate(timeout=60)[0].split()[0] == "None"


def test_a_killed_holder_frees_its_gpu(tmp_path):
    environment = gpus(tmp_path, 1)
    first = claims(environment, 60)
    first.stdout.readline()
    second = claims(environment, 0)
    time.sleep(1)
    assert second.poll() is None
    first.kill()
    assert second.communicate(timeout=30)[0].startswith("GPU-0000-aa")
    first.wait()


def test_a_store_that_the_disk_cannot_hold_is_refused_before_the_first_byte(tmp_path):
    with mounted(tmp_path / "out", "size=9m") as out:
        with pytest.raises(UserError, match=r"no space left: 2\.4 MB are needed .* 1 of 3 would fit"):
            FeatureWriter(out / "s.h5", ["a", "b"], np.array([600, 400]), dict.fromkeys("012", 400), {"hop": 0.02})
        assert not list(out.iterdir())


def test_not_finite_is_found_by_the_bits():
    """All 65,536 values of float16, against numpy's own test."""
    every = np.arange(65_536, dtype=np.uint16).view(np.float16)
    assert [finite(value) for value in every[:, None]] == np.isfinite(every).tolist()
    assert finite(every[np.isfinite(every)]) and not finite(every)
    assert finite(np.zeros((0, 3), np.float16)) and not finite(np.array([np.nan], np.float32))
