"""Kernel ridge regression against scikit-learn's, and its closed form of leaving groups out against doing so."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from stages.models.ridge import KernelRidge

RNG = np.random.default_rng(5)
X = RNG.normal(size=(60, 90)) + np.repeat(RNG.normal(size=(6, 90)), 10, 0) + 3
Y = np.eye(4)[RNG.integers(4, size=60)]
WEIGHTS, GROUPS = RNG.uniform(0.5, 2, 60), np.repeat(list("abcdef"), 10)


@pytest.mark.parametrize("penalty", [0.001, 0.1, 3.0])
def test_predictions_equal_those_of_scikit_learn(penalty):
    ridge, new = KernelRidge(X @ X.T, Y, WEIGHTS), RNG.normal(size=(7, 90))
    dual, intercept = ridge.dual(penalty)
    centred = X - np.average(X, 0, WEIGHTS)
    assert ridge.scale == pytest.approx((centred**2).sum(1).mean())
    expected = Ridge(alpha=penalty * ridge.scale).fit(X, Y, sample_weight=WEIGHTS).predict(new)
    np.testing.assert_allclose(new @ X.T @ dual + intercept, expected, atol=1e-8)


@pytest.mark.parametrize("penalty", [0.001, 0.1, 3.0])
def test_a_group_left_out_tells_nothing_of_itself_not_even_its_mean(penalty):
    ridge = KernelRidge(X @ X.T, Y, WEIGHTS)
    found = ridge.left_out(penalty, GROUPS)
    for name in "abcdef":
        out = name == GROUPS
        model = Ridge(alpha=penalty * ridge.scale).fit(X[~out], Y[~out], sample_weight=WEIGHTS[~out])
        np.testing.assert_allclose(found[out], model.predict(X[out]), atol=1e-7)
