"""What spares memory leaves a training what it is: losses with and without it are the same."""

import pytest
import torch

from tests.unit.small_trainings import settings_of, trained

torch.set_num_threads(1)
HEAVY = ["regressor", "student", "gmp", "cmgi", "adapt", "retrain"]


def losses(name, **changes):
    _, notes = trained(name, **changes)
    return notes.get("stage 1", {"loss": []})["loss"] + notes["history"]["loss"]


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


@pytest.mark.parametrize("name", HEAVY)
def test_bf16_trains_nearly_the_same(name, plain):
    """The first loss to bf16's eight bits; later ones less exactly, for weights go other ways."""
    found = losses(name, precision="bf16")
    assert found[0] == pytest.approx(plain[name][0], rel=0.02)
    assert found == pytest.approx(plain[name], rel=0.2) and found != plain[name]
    both = losses(name, precision="bf16", checkpoint_activations=True)
    assert both == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("name", ["gmp", "cmgi", "adapt"])
def test_two_half_batches_make_one_step_of_the_whole(name):
    """Where nothing is dropped out: CmGI's second stage drops."""
    stage = slice(6)
    whole = losses(name, batch=8, accumulate=1)[stage]
    assert losses(name, batch=4, accumulate=2)[stage] == pytest.approx(whole, abs=1e-5)
    assert losses(name, batch=4, accumulate=1)[stage] != pytest.approx(whole, abs=1e-3)


def test_the_effective_batch_is_what_one_step_takes():
    assert settings_of("cmgi").effective_batch == 6 and settings_of("gmp", batch=4, accumulate=16).effective_batch == 64
