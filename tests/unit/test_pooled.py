"""What ``linear`` sees: pooled frames, held against a direct computation; memory that does not grow with layers."""

import multiprocessing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.corpora.manifest import write_manifest
from stages.metrics.scores import uar
from stages.recipes import correlation, linear, system_config
from stages.recipes.new_audio import NewAudio
from stages.recipes.training_inputs import Inputs
from stages.stores.feature_writer import FeatureWriter
from tests.unit.catalogue import shipped
from tests.unit.small_study import CLASSES, manifest_rows, protocol_frame

STATUS = Path("/proc/self/status")


def small(folder: Path, layers: int, width: int, longest: int, shortest: int = 1, spread: bool = False) -> Inputs:
    """A store of random frames; with ``spread``, classes differ in their channels' standard deviations alone."""
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    write_manifest(folder / "manifest.csv", manifest_rows())
    rows = pd.read_csv(folder / "manifest.csv", dtype={"session": str}, keep_default_na=False)
    protocol_frame(rows).to_csv(folder / "protocol.csv", index=False)
    lengths = rng.integers(longest // 2, longest, len(rows))
    lengths[:2] = shortest, 1
    names, widths = rows["utterance"].tolist(), {str(i): width for i in range(layers)}
    spec = {"hop": 0.02, "weights": "", "manifest": ""}
    writer = FeatureWriter(folder / "f.h5", names, lengths, widths, spec, "float32")
    scales = {name: rng.uniform(0.5, 2, width) for name in CLASSES}
    for i, (name, length) in enumerate(zip(rows["emotion"], lengths, strict=True)):
        for layer in widths:
            frames = rng.normal(size=(length, width), loc=3)
            if spread and length:
                frames = (frames - frames.mean(0)) * scales.get(name, 1) + rng.normal(size=width)
            writer.put(i, layer, frames.astype(np.float32))
    writer.close()
    return opened(folder)


def opened(folder: Path) -> Inputs:
    paths = {"manifest": folder / "manifest.csv", "protocol": folder / "protocol.csv", "speech": folder / "f.h5"}
    return Inputs(paths, "", "emotion")


@pytest.mark.parametrize("normalise", ["global", "speaker"])
def test_pooled_frames_are_those_of_a_direct_computation(tmp_path, normalise):
    inputs = small(tmp_path, 2, 5, 40, shortest=0)
    fold = inputs.examples.fold(1)
    frames = inputs.frames(["all"], 0, normalise, fold)
    found = frames.pooled("mean+std")
    assert found.shape == (len(inputs.utterances), 2, 10)
    np.testing.assert_array_equal(found[:, :, :5], frames.pooled("mean"))
    store = inputs.speech
    for layer in "01":
        every = [store.read(layer, name).astype(np.float64) for name in inputs.utterances]
        for position in (1, 2, 50, 239):
            mates = (
                fold.train if normalise == "global" else np.flatnonzero(inputs.speakers == inputs.speakers[position])
            )
            theirs = np.concatenate([every[p] for p in mates])
            values = (every[position] - theirs.mean(0)) / (theirs.std(0) + 1e-6)
            wanted = np.concatenate([values.mean(0), values.std(0)])
            np.testing.assert_allclose(found[position, int(layer)], wanted, atol=1e-9)
    assert not found[1, :, 5:].any()  # a single frame does not spread
    assert np.isfinite(found[0]).all()  # nor does none


def test_spreads_tell_classes_that_means_do_not_and_a_restored_model_sees_them(tmp_path):
    inputs = small(tmp_path, 2, 12, 90, spread=True)
    fold, scores = inputs.examples.fold(1), {}
    for pooling in ("mean", "mean+std"):
        row = linear.Linear.model_validate(shipped(linear.Linear, pooling=pooling))
        outputs, arrays, _ = linear.train(row, inputs, fold, 1, None)
        scores[pooling] = uar(inputs.examples.truth[fold.test], outputs[-len(fold.test) :].argmax(1))
        names = [inputs.utterances[i] for i in fold.scored]
        new = NewAudio("", {"speech": tmp_path / "f.h5"}, {"speech": "x"}, names, [""] * len(names), [], len(CLASSES))
        kept = {name.removeprefix("model/"): values for name, values in arrays.items()}
        np.testing.assert_allclose(linear.restored(row, new, kept)(np.arange(len(names))), outputs, atol=1e-6)
    assert scores["mean"] < 0.5 and scores["mean+std"] > 0.9


def grown(row, folder: Path, tell) -> None:
    """Tell by how many bytes this process' peak of memory grew while a system was trained."""
    inputs = opened(folder)
    before = peak()
    system_config.module(row.recipe).train(row, inputs, inputs.examples.fold(1), 1, None)
    tell.send(peak() - before)


def peak() -> int:
    """Most bytes that this process has had in memory, mapped files counted; ``getrusage`` may give the parent's."""
    return int(STATUS.read_text().split("VmHWM:")[1].split()[0]) * 1024


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of a process' memory is read from Linux' /proc")
@pytest.mark.parametrize(
    ("model", "changes"),
    [(linear.Linear, {"strengths": [0.1]}), (correlation.Correlation, {"components": [4], "penalties": [0.1]})],
)
def test_memory_does_not_grow_with_the_layers(tmp_path, model, changes):
    row = model.model_validate(shipped(model, **changes))
    width, longest, peaks = 64, 500, {}
    for layers in (1, 12):
        small(tmp_path / str(layers), layers, width, longest)
        hear, tell = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(target=grown, args=(row, tmp_path / str(layers), tell))
        process.start()
        peaks[layers] = hear.recv()
        process.join()
    frames = opened(tmp_path / "1").speech.offsets[-1] * width * 4  # of one layer
    assert peaks[12] - peaks[1] < 3 * frames  # all that twelve hold is small beside the frames of twelve
