"""Ridge regression in its dual form, with the predictions of leaving whole groups out in closed form."""

import numpy as np


class KernelRidge:
    """Weighted ridge regression with an intercept, on the features behind a kernel, for any penalty at once.

    Parameters
    ----------
    kernel
        Inner products of the rows [rows, rows].
    targets
        [rows, outputs].
    weights
        Weight of every row's squared error [rows].
    """

    def __init__(self, kernel: np.ndarray, targets: np.ndarray, weights: np.ndarray):
        self.kernel, self.targets, self.weights = kernel, targets, weights
        average = np.average(kernel, 0, weights)
        centred = kernel - average - average[:, None] + np.average(average, 0, weights)
        self.scale = np.trace(centred) / len(kernel)
        """Mean squared length of the centred features, which penalties are relative to."""
        self.root = np.sqrt(weights)[:, None]
        self.mean = np.average(targets, 0, weights)
        self.values, self.vectors = np.linalg.eigh(self.root * centred * self.root.T)
        self.turned = self.vectors.T @ (self.root * (targets - self.mean))

    def dual(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients [rows, outputs], intercept [outputs]: predictions are inner products with the rows by them."""
        inverse = 1 / (self.values + penalty * self.scale)
        coefficients = self.root * (self.vectors @ (inverse[:, None] * self.turned))
        return coefficients, self.mean - np.average(self.kernel @ coefficients, 0, self.weights)

    def left_out(self, penalty: float, groups: np.ndarray) -> np.ndarray:
        """Prediction of every row [rows, outputs] by the fit to all other groups; ``groups`` names those of the rows.

        With P the inverse of kernel plus penalty, less its part along the intercept, the residuals of a group g left
        out are inv(P_gg) (P y)_g. Without that subtraction the centring would tell each fit the mean of those left out.
        """
        inverse = 1 / (self.values + penalty * self.scale)
        dual = self.vectors @ (inverse[:, None] * self.turned)
        constant = 1 / (penalty * self.scale * self.weights.sum())
        predicted = np.empty(self.targets.shape)
        for name in np.unique(groups):
            rows = groups == name
            block = (self.vectors[rows] * inverse) @ self.vectors[rows].T - self.root[rows] @ self.root[
                rows
            ].T * constant
            predicted[rows] = self.targets[rows] - np.linalg.solve(block, dual[rows]) / self.root[rows]
        return predicted
