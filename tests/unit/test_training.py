"""The training loop goes on after an interruption bit by bit; units and normalisers keep what they promise."""

import numpy as np
import pytest
import torch

from stages.pretraining import loop as pretraining
from stages.pretraining.section import Pretraining
from stages.recipes.frames import Frames
from stages.recipes.normaliser import Moments, Normaliser
from stages.runtime.errors import UserError
from stages.stores.feature_writer import FeatureWriter
from stages.stores.features import FeatureStore
from stages.stores.scratch import Unit
from stages.training import batches, checkpoint, loop, units, weights


def trained(unit, stop_after=None):
    generator = loop.seeded(5)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 2))
    x, y = torch.randn(40, 6), torch.randint(0, 2, (40,))
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    epochs = [0]

    def drawn(epoch):
        epochs[0] += 1
        if stop_after and epochs[0] > stop_after:
            raise KeyboardInterrupt
        return batches.shuffled(np.arange(30), 8, generator)

    def validate():
        return float((model(x[30:]).argmax(1) == y[30:]).float().mean())

    history = loop.fit(
        model,
        optimiser,
        drawn,
        lambda rows: torch.nn.functional.cross_entropy(model(x[rows]), y[rows]),
        validate,
        epochs=9,
        generator=generator,
        plateau=loop.on_plateau(optimiser, 0.5, 1),
        unit=unit,
    )
    return weights.as_arrays(model.state_dict()), history


def test_interrupted_training_ends_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    whole, history = trained(None)
    with pytest.raises(KeyboardInterrupt):
        trained(Unit("t", {"a": 1}, tmp_path), stop_after=4)
    resumed, again = trained(Unit("t", {"a": 1}, tmp_path))
    assert history == again
    for name in whole:
        np.testing.assert_array_equal(whole[name], resumed[name])


def test_recipes_and_pretraining_leave_one_kind_of_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    recipe, encoder = Unit("recipe", {}, tmp_path), Unit("pretrain", {}, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, stop_after=2)

    def loss_at(step, generator):
        if step == 2:
            raise KeyboardInterrupt
        return model(torch.rand(3, 6, generator=generator)).square().mean()

    model = torch.nn.Linear(6, 2)
    section = Pretraining(seed=1, steps=9, learning_rate=0.01, warmup=0.1, threads=1)
    with pytest.raises(KeyboardInterrupt):
        pretraining.train(model, loss_at, section, section.seed, encoder)
    rooms = {"model", "optimiser", "random"}
    for unit, more in ((recipe, {"best"}), (encoder, set())):
        arrays, notes = unit.resume()
        assert {name.partition("/")[0] for name in arrays} == rooms | more
        assert set(notes) == {"history", "steps", "done", "total", "groups", "plateau"}
        assert len(notes["history"]["loss"]) == 2


def test_a_checkpoint_brings_everything_back(tmp_path):
    def state(seed):
        generator = loop.seeded(seed)
        model = torch.nn.Linear(3, 2)
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.1 * seed)
        model(torch.randn(4, 3)).sum().backward()
        optimiser.step()
        plateau = loop.on_plateau(optimiser, 0.1, 2)
        plateau.step(float(seed))
        return checkpoint.State(model, optimiser, generator, plateau, checkpoint.History([float(seed)]), steps=seed)

    unit = Unit("t", {}, tmp_path)
    assert not checkpoint.restore(unit, state(1))
    saved = state(2)
    saved.best = {"weight": torch.ones(2)}
    checkpoint.save(unit, saved)
    drawn = torch.rand(5), torch.rand(5, generator=saved.generator)
    other = state(3)
    assert checkpoint.restore(unit, other)
    assert torch.equal(torch.rand(5), drawn[0]) and torch.equal(torch.rand(5, generator=other.generator), drawn[1])
    assert (other.history, other.steps, other.plateau.best) == (saved.history, 2, 2.0)
    assert torch.equal(other.best["weight"], torch.ones(2)) and torch.equal(other.model.weight, saved.model.weight)
    for group, again in zip(saved.optimiser.param_groups, other.optimiser.param_groups, strict=True):
        assert group["lr"] == again["lr"] and tuple(group["betas"]) == tuple(again["betas"])
    for parameter, moments in saved.optimiser.state_dict()["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, other.optimiser.state_dict()["state"][parameter][name])


def test_loss_that_is_not_finite_is_refused():
    model = torch.nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        loop.fit(
            model,
            torch.optim.Adam(model.parameters()),
            lambda _: [0],
            lambda _: model(torch.tensor([[float("nan")]])).sum(),
            None,
            epochs=1,
            generator=loop.seeded(0),
        )


def test_damaged_unit_is_made_again(tmp_path):
    unit = Unit("t", {"a": 1}, tmp_path)
    unit.save({"x": np.arange(3)}, {"n": 1})
    assert unit.load()[1] == {"n": 1}
    unit.path.write_bytes(unit.path.read_bytes()[:-5])
    assert unit.load() is None and not unit.path.exists()
    unit.save({"x": np.arange(3)}, {"n": 1})
    for place in (-1, unit.path.read_bytes().index(b'"n') + 4):  # an array, a note
        unit.save({"x": np.arange(3)}, {"n": 1})
        content = bytearray(unit.path.read_bytes())
        content[place] ^= 1
        unit.path.write_bytes(content)
        assert unit.load() is None and not unit.path.exists()


def test_a_flipped_byte_of_models_is_named_by_fold_and_seed(tmp_path):
    path = tmp_path / "1of1.safetensors"
    made = {(f, 1): ({"model/w": np.arange(4.0) + f}, {"layer": "all"}) for f in (1, 2)}
    units.write(path, made, "model/", {"task": "emotion"})
    content = bytearray(path.read_bytes())
    content[content.index(np.arange(2, 6.0).tobytes()) + 7] ^= 1
    path.write_bytes(content)
    assert units.read(path, 1, 1)[0]["w"].tolist() == [1, 2, 3, 4]
    with pytest.raises(UserError, match=r"1of1\.safetensors: fold 2, seed 1: not the bytes that were written"):
        units.read(path, 2, 1)
    content[content.index(b"emotion")] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a whole safetensors file"):
        units.about(path)


def test_moments_do_not_lose_small_deviations_beside_large_means(tmp_path):
    """A channel at 4,000 that moves by 0.01, after a chunk at 0: sums of squares would end below nothing."""
    rng = np.random.default_rng(5)
    far = (4000 + 0.01 * rng.standard_normal((500, 1))).astype("float32")
    writer = FeatureWriter(tmp_path / "s.h5", ["a", "b"], np.array([600, 500]), {"0": 1}, {"hop": 0.02}, "float32")
    writer.put(0, "0", np.zeros((600, 1), "float32"))
    writer.put(1, "0", far)
    writer.close()
    mean, sd = Moments(FeatureStore(tmp_path / "s.h5"), "0", 64).statistics(np.array([1]))
    np.testing.assert_allclose(mean, far.astype(float).mean(0), rtol=1e-12)
    np.testing.assert_allclose(sd, far.astype(float).std(0) + 1e-6, rtol=1e-9)


def test_parts_cover_every_fold_once():
    folds = [1, 2, 3, 4, 5]
    assert sorted(f for i in (1, 2, 3) for f in units.part_of(f"{i}of3", folds)) == folds


@pytest.fixture
def store(tmp_path):
    rng = np.random.default_rng(0)
    frames = np.array([5, 0, 900, 3])
    writer = FeatureWriter(tmp_path / "s.h5", list("abcd"), frames, {"0": 4}, {"hop": 0.02}, "float32")
    data = [(rng.normal(3, 2, (n, 4)) * [1, 10, 0.1, 1]).astype("float32") for n in frames]
    for i, values in enumerate(data):
        writer.put(i, "0", values)
    writer.close()
    return FeatureStore(tmp_path / "s.h5"), data


def test_moments_equal_the_statistics_of_the_frames(store):
    features, data = store
    for chunk in (4, 64, 1 << 16):
        mean, sd = Moments(features, "0", chunk).statistics(np.array([0, 2]))
        frames = np.concatenate([data[0], data[2]]).astype(float)
        np.testing.assert_allclose(mean, frames.mean(0), rtol=1e-6)
        np.testing.assert_allclose(sd, frames.std(0), rtol=1e-4)


def test_normaliser_says_what_it_saw(store):
    features, data = store
    moments = [Moments(features, "0")]
    train = np.array([0, 3])
    whole = Normaliser("global", moments, np.array(list("xxyy")), train)
    assert whole.seen == [0, 3]
    frames = np.concatenate([data[0], data[3]]).astype(float)
    expected = (data[2] - frames.mean(0)) / frames.std(0)
    found = torch.from_numpy(data[2].copy())
    whole.apply(found, 0, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    by_speaker = Normaliser("speaker", moments, np.array(list("xxyy")), train)
    own = np.concatenate([data[2], data[3]]).astype(float)
    found = torch.from_numpy(data[2].copy())
    by_speaker.apply(found, 0, 2)
    np.testing.assert_allclose(found, (data[2] - own.mean(0)) / own.std(0), rtol=1e-3, atol=1e-4)


def test_frames_are_the_same_in_memory_and_read_anew(store):
    features, data = store
    expected = None
    for memory in (0, 100, 1e6):  # none, the shortest utterance, all
        frames = Frames(features, np.arange(4), ["0"], 10.0, memory)
        frames.normalise("global", np.array(list("xxyy")), np.array([0, 2]))
        for _ in range(2):
            found, lengths = frames.batch(np.array([3, 2, 1, 0]))
            assert lengths.tolist() == [3, 500, 0, 5]  # the third is cut at ten seconds
            expected = found.clone() if expected is None else expected
            assert torch.equal(found, expected)
        assert torch.equal(frames.utterance(0), expected[:, -5:])
    frames = np.concatenate([data[0], data[2]]).astype(float)
    np.testing.assert_allclose(expected[0, -5:], (data[0] - frames.mean(0)) / frames.std(0), rtol=1e-3, atol=1e-4)


def test_truncated_store_is_refused(store, tmp_path):
    path = tmp_path / "s.h5"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match="not a whole feature store"):
        FeatureStore(path)


def test_last_batch_wraps_round_to_the_first_utterances():
    plain = batches.shuffled(np.arange(10), 4, torch.Generator().manual_seed(1))
    wrapped = batches.shuffled(np.arange(10), 4, torch.Generator().manual_seed(1), wrap=True)
    assert [len(batch) for batch in wrapped] == [4, 4, 4]
    np.testing.assert_array_equal(np.concatenate(wrapped), [*np.concatenate(plain), *plain[0][:2]])
    even = batches.shuffled(np.arange(8), 4, torch.Generator().manual_seed(1), wrap=True)
    assert sorted(np.concatenate(even)) == list(range(8))


def test_gradients_are_clipped_by_value():
    model = torch.nn.Linear(2, 1, bias=False)
    before = model.weight.detach().clone()
    x = torch.tensor([[100.0, -0.5]])
    loop.fit(
        model,
        torch.optim.SGD(model.parameters(), 1.0),
        lambda _: [x],
        lambda batch: model(batch).sum(),
        None,
        epochs=1,
        generator=torch.Generator(),
        clip_value=1.0,
    )
    torch.testing.assert_close(before - model.weight, torch.tensor([[1.0, -0.5]]))
