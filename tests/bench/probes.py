"""Five folds by five seeds of a Pepino probe, side by side and one after another; and what bounds a training.

    python -m tests.bench.probes [REPEATS]       in a folder after `make`, on an idle machine; ten minutes

First Dense on the built-in encoder of the default study: the same 25 trainings in one process with one thread, in one
process with a thread per core (what one after another can make of the same cores), and side by side in one process per
core, which is what a job of a study with several seeds does; and what the cores give two processes that do nothing but
matrix products. Runs are interleaved, the median counts; predictions are compared bit by bit. CPU seconds stand beside,
for they tell what a busy machine would hide.

Then, where the time of one training goes: at built-in size (layers of 64) and at the size of wav2vec2-base (13 x 768,
random frames), with the frames in memory and, as with IEMOCAP's 25 GB, read anew for every batch. Last, the same step
with the models stacked in one tensor (batched products), per model.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from stages.metrics.scores import uar
from tests.unit.catalogue import shipped

FOLDS, SEEDS = 5, (1, 2, 3, 4, 5)
WAYS = {"one after another, one thread": (1, 1), "one after another, two threads": (1, 2), "two side by side": (2, 1)}


def probe(**changes):
    from stages.recipes import system_config

    settings = system_config.settings_class("probe")
    return settings.model_validate(shipped(settings, **changes))


def opened():
    """Corpus, folds and speech features of the default study, as the recipes see them."""
    from stages.parameters import whole
    from stages.recipes.training_inputs import Inputs
    from stages.workflow.plan import Plan

    paths = Plan(whole.load()).files("default", ("speech",))
    return Inputs({name: Path(path) for name, path in paths.items()}, "", "emotion")


def trainings(workers: int, threads: int) -> None:
    """The 25 trainings in this process or in ``workers``; prints seconds and a digest of all predictions."""
    from stages.runtime import process
    from stages.training import units

    process.use_threads(threads)
    import torch

    torch.set_num_threads(threads)
    from stages.recipes import probe as recipe

    row, inputs = probe(), opened()

    def work(number, seed, unit):
        outputs, arrays, notes = recipe.train(row, inputs, inputs.examples.fold(number), seed, None)
        return arrays | {"outputs": outputs}, notes

    pairs = [(fold, seed) for fold in inputs.examples.folds[:FOLDS] for seed in SEEDS]
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        found = units.run("bench", pairs, lambda *_: {}, work, scratch, workers)
        wall = time.perf_counter() - started
        said = {unit: np.array(arrays["outputs"]) for unit, (arrays, _) in found.items()}
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    outputs = np.concatenate(list(said.values()))
    epochs = sum(len(notes["history"]["loss"]) for _, notes in found.values())
    score = np.mean([_score(inputs, unit, each) for unit, each in said.items()])
    print(
        json.dumps(
            {
                "wall": wall,
                "cpu": sum(one.ru_utime + one.ru_stime for one in used),
                "epochs": epochs,
                "uar": score,
                "bytes": hash(outputs.tobytes()),
            }
        )
    )


def _score(inputs, unit, outputs) -> float:
    fold = inputs.examples.fold(unit[0])
    return uar(inputs.examples.truth[fold.test], outputs[len(fold.val) :].argmax(1))


def _alone(piece: int) -> None:
    """Matrix products of Dense's first layer and nothing else, for about two seconds."""
    for _ in range(1500):
        _products(4000, 64)


def limit() -> float:
    """How many times as fast two processes of matrix products alone are as one after another."""
    import torch

    from stages.runtime.pool import side_by_side

    torch.set_num_threads(1)
    found = []
    for count in (1, 2):
        started = time.perf_counter()
        list(side_by_side(_alone, [(0,), (1,)], count))
        found.append(time.perf_counter() - started)
    return found[0] / found[1]


def compare(repeats: int) -> None:
    found: dict[str, list[dict]] = {name: [] for name in WAYS}
    limits = []
    for _ in range(repeats):
        limits.append(limit())
        for name, (workers, threads) in WAYS.items():
            command = [sys.executable, "-m", "tests.bench.probes", "--run", str(workers), str(threads)]
            environment = os.environ | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": str(threads)}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            found[name].append(json.loads(done.stdout))
    print(f"{'25 trainings of Dense, built-in encoder':38} {'wall s':>8} {'CPU s':>8} {'ratio':>7} {'test UAR':>9}")
    first = statistics.median(one["wall"] for one in found["one after another, one thread"])
    for name, runs in found.items():
        wall, cpu = (statistics.median(one[key] for one in runs) for key in ("wall", "cpu"))
        print(f"{name:38} {wall:8.1f} {cpu:8.1f} {first / wall:7.2f} {100 * runs[0]['uar']:9.2f}")
    print(f"{'two processes of matrix products alone':38} {'':8} {'':8} {statistics.median(limits):7.2f}")
    same = {one["bytes"] for name in ("one after another, one thread", "two side by side") for one in found[name]}
    print(f"predictions of one thread after another and side by side: {'equal' if len(same) == 1 else 'DIFFERENT'}")


def where_time_goes(layers: int, width: int, frames: int, steps: int = 4) -> None:
    """Milliseconds of one step (32 utterances) by part; ``frames`` per utterance."""
    from stages.models.dense import Dense
    from stages.recipes.frames import Frames
    from stages.stores.feature_writer import FeatureWriter
    from stages.stores.features import FeatureStore

    rng, count = np.random.default_rng(0), 32
    with tempfile.TemporaryDirectory() as folder:
        names = [str(i) for i in range(layers)]
        spec = {"hop": 0.02, "weights": "", "manifest": ""}
        ids = [f"u{i:02}" for i in range(count)]
        writer = FeatureWriter(f"{folder}/s.h5", ids, np.full(count, frames), dict.fromkeys(names, width), spec)
        for i in range(count):
            for name in names:
                writer.put(i, name, rng.normal(size=(frames, width)).astype(np.float16))
        writer.close()
        store = FeatureStore(f"{folder}/s.h5")
        speakers, every = np.array(["a"] * count), np.arange(count)
        found: dict[str, list[float]] = {}

        def timed(name, work, *given):
            started = time.process_time()
            result = work(*given)
            found.setdefault(name, []).append(1000 * (time.process_time() - started))
            return result

        anew = Frames(store, every, names, 0, 0)
        anew.normalise("global", speakers, every)
        kept = Frames(store, every, names, 0, 8e9)
        kept.normalise("global", speakers, every)
        model = Dense(layers, width, 128, 4, 0.2, False)
        for _ in range(steps):
            timed("read, convert, normalise", anew.batch, every)
            x, lengths = timed("batch from memory", kept.batch, every)
            mixed = timed("layer average", model.average, x)
            timed("layer average, gradient", mixed.sum().backward)
            outputs = timed("whole model", model, x, lengths)
            timed("whole model, gradient", outputs.sum().backward)
            timed("products of the first layer", _products, len(mixed), width)
            timed("products of the second layer", _products, len(mixed), 128)
    print(f"\nms per step of 32 utterances of {frames} frames, {layers} x {width}, one thread")
    for name, values in found.items():
        print(f"  {name:34} {statistics.median(values[1:]):9.1f}")
    stacked = {models: _stacked(layers, width, frames * count, models) for models in (1, 5)}
    for models, value in stacked.items():
        print(f"  {f'whole model, {models} stacked, per model':34} {value:9.1f}")


def _products(rows: int, width: int) -> list:
    """A layer's three products, of the outputs and both gradients."""
    import torch

    hidden, weight = torch.zeros(rows, width), torch.zeros(width, 128)
    return [hidden @ weight for _ in range(3)]


def _stacked(layers: int, width: int, rows: int, models: int, steps: int = 4) -> float:
    """Milliseconds per model of a step of ``models`` in one tensor, which share the batch."""
    import torch

    from stages.models.dropout import Dropout

    x = torch.randn(layers, rows * width)
    alpha = torch.ones(models, layers, requires_grad=True)
    first = (torch.randn(models, width, 128) / width).requires_grad_()
    second = (torch.randn(models, 128, 128) / 128).requires_grad_()
    drop, found = Dropout(0.2), []
    for _ in range(steps):
        started = time.process_time()
        mixed = ((alpha / alpha.sum(1, keepdim=True)) @ x).view(models, rows, width)
        drop(torch.bmm(drop(torch.bmm(mixed, first).relu()), second).relu()).sum().backward()
        found.append(1000 * (time.process_time() - started) / models)
    return statistics.median(found[1:])


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        trainings(int(sys.argv[2]), int(sys.argv[3]))
        return
    compare(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    import torch

    torch.set_num_threads(1)
    where_time_goes(5, 64, 125)
    where_time_goes(13, 768, 225)


if __name__ == "__main__":
    main()
