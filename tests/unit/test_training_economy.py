"""What spares memory leaves a training what it is: losses with and without it are the same."""

import functools

import numpy as np
import pytest
import torch

from tests.unit.small_trainings import settings_of, trained

torch.set_num_threads(1)
HEAVY = ["regressor", "student", "gmp", "cmgi", "words", "adapt", "retrain"]


def losses(name, **changes):
    _, notes = trained(name, **changes)
    return notes["history"]["loss"]


@pytest.fixture(scope="module")
def plain():
    return {name: losses(name) for name in HEAVY}


@pytest.mark.parametrize("name", HEAVY)
def test_activations_computed_twice_give_the_same_gradients(name, plain, monkeypatch):
    calls = []
    checkpoint = torch.utils.checkpoint.checkpoint
    monkeypatch.setattr(torch.utils.checkpoint, "checkpoint", lambda *a, **k: (calls.append(1), checkpoint(*a, **k))[1])
    assert losses(name, checkpoint_activations=True) == pytest.approx(plain[name], abs=1e-5)
    assert calls


def coarse(monkeypatch, seed):
    """Make products in fp32 as coarse as in bf16: every factor is off by up to half a unit of its eight bits."""
    generator = torch.Generator().manual_seed(seed)

    def off(values):
        return values * (1 + 2**-8 * (torch.rand(values.shape, generator=generator) - 0.5) * 2)

    for name in ("linear", "conv1d"):
        exact = getattr(torch.nn.functional, name)
        rough = functools.partial(lambda x, w, *more, f: f(off(x), off(w), *more), f=exact)
        monkeypatch.setattr(torch.nn.functional, name, rough)


@pytest.mark.parametrize("name", HEAVY)
def test_bf16_trains_as_coarse_products_do(name, plain, monkeypatch):
    """Processors differ in how they round; what rounding may do to each loss is drawn, four times, not guessed."""
    found = losses(name, precision="bf16")
    drawn = []
    for seed in range(4):
        with monkeypatch.context() as patched:
            coarse(patched, seed)
            drawn.append(losses(name))
    exact = np.array(plain[name])
    spread = np.abs(np.array(drawn) - exact).max(0)
    assert 0 < spread[0] < 0.1 * abs(exact[0])
    assert (np.abs(np.array(found) - exact) <= 4 * np.maximum.accumulate(spread)).all() and found != plain[name]
    both = losses(name, precision="bf16", checkpoint_activations=True)
    assert both == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("name", ["gmp", "cmgi", "words", "adapt"])
def test_two_half_batches_make_one_step_of_the_whole(name):
    """Where nothing is dropped out."""
    without = {"dropout": 0.0, "words": "none"} if name == "cmgi" else {}
    whole = losses(name, batch=8, accumulate=1, **without)
    assert losses(name, batch=4, accumulate=2, **without) == pytest.approx(whole, abs=1e-5)
    assert losses(name, batch=4, accumulate=1, **without) != pytest.approx(whole, abs=1e-3)


def test_the_effective_batch_is_what_one_step_takes():
    assert settings_of("cmgi").effective_batch == 6 and settings_of("gmp", batch=4, accumulate=16).effective_batch == 64
