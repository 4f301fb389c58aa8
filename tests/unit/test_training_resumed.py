"""A training that is killed anywhere, again and again, ends as one that was not, to the last bit."""

import random
from types import SimpleNamespace

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from stages.stores.integrity import tensors_digest
from stages.stores.scratch import Unit
from stages.training import loop
from tests.unit.small_trainings import SMALL, trained

torch.set_num_threads(1)


class Killed(BaseException):
    pass


def ticking():
    """A clock that runs a second per look."""
    seconds = iter(range(1 << 30))
    return SimpleNamespace(monotonic=lambda: next(seconds))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("seconds", [-1, 2])
def test_a_killed_training_goes_on_to_the_same_weights(name, seconds, tmp_path, monkeypatch):
    """With a checkpoint after every step, and after every few: then steps are repeated."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", seconds)
    monkeypatch.setattr(loop, "time", ticking())
    whole, notes = trained(name)
    rng, steps, kills, bound = random.Random(name), 0, 0, [0]

    def kill(*_):
        nonlocal steps
        steps += 1
        if steps == bound[0]:
            raise Killed

    handle = register_optimizer_step_post_hook(kill)
    unit = Unit("t", {}, tmp_path)
    try:
        while True:
            steps, bound[0] = 0, rng.randint(3, 5) if kills < 12 else 0
            try:
                again, other = trained(name, unit)
                break
            except Killed:
                kills += 1
    finally:
        handle.remove()
    assert kills >= 2
    assert tensors_digest(again) == tensors_digest(whole)
    assert other == notes
