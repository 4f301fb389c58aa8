"""The rules of training, against values worked out by hand: batches, accumulated gradients, falling learning rates."""

import numpy as np
import pytest
import torch

from stages.training import batches, loop
from stages.training.economy import Economy


def economy(accumulate=1, precision="fp32", checkpoint_activations=False):
    return Economy(accumulate=accumulate, precision=precision, checkpoint_activations=checkpoint_activations)


def weight_after(groups, accumulate):
    """A weight that starts at 0, one epoch of gradient descent at rate 1 on mean((w - x)^2) / 2."""
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.zero_()
    loop.fit(
        model,
        torch.optim.SGD(model.parameters(), 1.0),
        lambda _: groups,
        lambda batch: (model.weight - torch.tensor(batch)).square().mean() / 2,
        None,
        epochs=1,
        generator=loop.seeded(0),
        economy=economy(accumulate),
    )
    return model.weight.item()


def test_an_incomplete_last_step_is_divided_by_its_own_number_of_batches():
    """First step: w = mean(1, 2) = 1.5; second: gradient w - 4, so w = 4 (half of it, as once: 2.75)."""
    assert weight_after([[1.0], [2.0], [4.0]], 2) == 4.0
    assert weight_after([[1.0], [2.0], [4.0]], 1) == 4.0
    assert weight_after([[1.0], [2.0], [6.0]], 3) == 3.0


def test_batches_of_a_step_count_by_their_utterances():
    """One batch of three and one of one: (1 + 1 + 1 + 5) / 4, not (1 + 5) / 2."""
    assert weight_after([[1.0, 1.0, 1.0], [5.0]], 2) == 2.0


@pytest.mark.parametrize("count, size", [(146, 64), (23, 5), (77, 8)])
def test_every_utterance_is_left_out_equally_often(count, size):
    """146 at 64: 128 of 146 are seen in an epoch, short or long (the longest 18 never were)."""
    generator, epochs = torch.Generator().manual_seed(3), 2000
    positions, lengths = np.arange(count), np.arange(count)
    seen = np.zeros(count)
    for _ in range(epochs):
        drawn = batches.bucketed(positions, lengths, size, generator)
        assert {len(batch) for batch in drawn} == {size}
        together = np.concatenate(drawn)
        assert len(set(together)) == len(together) == count // size * size
        seen[together] += 1
    expected = epochs * (count // size * size) / count
    spread = np.sqrt(expected * (1 - expected / epochs))
    assert np.abs(seen - expected).max() < 5 * spread
    assert abs(np.corrcoef(seen, lengths)[0, 1]) < 0.35
    assert seen.max() < epochs


def test_batches_hold_utterances_of_similar_length():
    drawn = batches.bucketed(np.arange(80), np.arange(80)[::-1], 10, torch.Generator().manual_seed(1))
    assert sorted(sorted(batch) for batch in drawn) == [list(range(i, i + 10)) for i in range(0, 80, 10)]
    few = batches.bucketed(np.array([4, 2, 9]), np.arange(10), 10, torch.Generator().manual_seed(1))
    assert [list(batch) for batch in few] == [[2, 4, 9]]


@pytest.mark.parametrize(
    "scores, rates",
    [
        ([-0.5] * 8, [1, 1, 1, 0.75, 0.75, 0.75, 0.5625, 0.5625]),
        ([-0.5, -0.50001, -0.50002, -0.50003, -0.4], [1, 1, 1, 0.75, 0.75]),
        ([-0.5, -0.5, -0.5, -0.49999, -0.6, -0.6, -0.6], [1, 1, 1, 1, 1, 1, 0.75]),
        ([0.5, 0.50001, 0.50001, 0.50001, 0.50001], [1, 1, 1, 1, 0.75]),
        ([0.0, 0.0, 0.0, 0.0], [1, 1, 1, 0.75]),
    ],
)
def test_the_rate_falls_after_more_than_two_epochs_without_a_better_score(scores, rates):
    model = torch.nn.Linear(1, 1)
    optimiser = torch.optim.SGD(model.parameters(), 1.0)
    found, left = [], list(scores)

    def validate():
        found.append(optimiser.param_groups[0]["lr"])
        return left.pop(0)

    loop.fit(
        model,
        optimiser,
        lambda _: [torch.ones(1, 1)],
        lambda batch: model(batch).sum() * 0,
        validate,
        epochs=len(scores),
        generator=loop.seeded(0),
        plateau=loop.on_plateau(optimiser, 0.75, 2),
    )
    assert [*found[1:], optimiser.param_groups[0]["lr"]] == rates
