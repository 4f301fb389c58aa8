"""A probe of how a frozen encoder's channels move together: ridge regression on their correlations over time.

Every layer's frames are turned to their principal components; an utterance is described by the correlations of all
pairs of these (after Stafylakis et al. 2022, "Extracting speaker and emotion information from self-supervised speech
models via channel-wise correlations", SLT), all layers side by side, each with the same weight.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..config.settings import setting
from ..runtime.errors import UserError
from .system_config import EMOTION, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs

STRIDE = 4
"""The principal components are those of every fourth frame."""


class Correlation(System):
    """Deterministic, so one seed stands for all. Utterances x layers x components^2 x 2 bytes lie in memory."""

    recipe: Literal["correlation"] = setting("the recipe: stages/recipes/correlation.py")
    task: EMOTION = setting("what is predicted")
    layers: list[str] = setting("layers of the feature store; all: every numbered one")
    normalise: Literal["global", "speaker"] = setting("feature normalisation; speaker is transductive")
    components: list[int] = setting("numbers of principal components to choose from")
    penalties: list[float] = setting("ridge penalties to choose from, relative to the features' mean squared length")
    refit: bool = setting("what predicts the test rows is fitted on training and validation rows together")
    inputs: ClassVar = ("speech",)
    deterministic: ClassVar = True


def train(row: Correlation, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, classes], the model's arrays, notes with every candidate's figure.

    Components and penalty are chosen by leaving out every speaker of training and validation in turn. Validation rows
    are predicted by a fit to training rows alone, test rows by the one that is kept.

    Raises
    ------
    UserError
        Training and validation rows have fewer than two speakers.
    """
    from ..models.ridge import KernelRidge

    examples, frames = inputs.examples, inputs.frames(row.layers, 0, row.normalise, fold)
    sizes = sorted({min(size, frames.width) for size in row.components})
    known = np.concatenate([fold.train, fold.val])
    speakers = inputs.speakers[known]
    if len(set(speakers)) < 2:
        raise UserError(f"fold {fold.number}: one speaker in training and validation; the recipe leaves speakers out")
    rows, fitted = np.concatenate([known, np.setdiff1d(fold.test, known)]), np.arange(len(fold.train))
    basis, described = _basis_and_described(frames, fold.train, sizes[-1], rows)
    truth = np.eye(examples.outputs)[examples.targets[known]]
    tried, best = {}, None
    for size in sizes:
        pairs = size * (size - 1) // 2
        scale = _scale(described[: len(fitted), :, :pairs])
        kernel = _kernel(described[: len(known), :, :pairs], scale)
        ridge = KernelRidge(kernel, truth, _balanced(truth))
        for penalty in row.penalties:
            left_out = ridge.left_out(penalty, speakers)
            score = tried[f"{size} components, penalty {penalty:g}"] = examples.score(known, left_out)
            if best is None or score > best[0] + 1e-12:
                best = (score, size, penalty, kernel, scale, ridge, left_out)
    score, size, penalty, kernel, scale, ridge, left_out = best
    kept = KernelRidge(kernel[np.ix_(fitted, fitted)], truth[fitted], _balanced(truth[fitted]))
    dual, intercept = kept.dual(penalty)
    validation = kernel[len(fitted) :, : len(fitted)] @ dual + intercept
    if row.refit:
        kept, fitted = ridge, np.arange(len(known))
        dual, intercept = ridge.dual(penalty)
    pairs = size * (size - 1) // 2
    weights = np.einsum("nlp,no->lpo", described[fitted, :, :pairs], dual, optimize=True) / scale[:, None, None] ** 2
    sharpness = _sharpness(left_out, examples.targets[known])
    model = {"basis": basis[:, :, :size], "weights": weights, "intercept": intercept, "sharpness": sharpness}
    model = {name: np.asarray(values, np.float32) for name, values in model.items()}
    outputs = np.concatenate([sharpness * validation, _outputs(model, _tested(described, rows, fold.test, pairs))])
    arrays = {f"model/{name}": values for name, values in model.items()}
    notes = {"components": size, "penalty": penalty, "validation": score, "tried": len(tried), "candidates": tried}
    notes |= {"layers": frames.layers, "rows": len(fitted)}
    return outputs.astype(np.float32), arrays | frames.normaliser.arrays("model/normaliser/speech/"), notes


def restored(row: Correlation, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    frames = inputs.frames(row.layers, 0, row.normalise, arrays)
    return lambda positions: _outputs(arrays, _described(frames, arrays["basis"], positions))


def _basis_and_described(frames, train: np.ndarray, size: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal axes [layers, width, size] of the rows ``train`` and :func:`_described` ``rows``, layer by layer."""
    basis = np.empty((len(frames.layers), frames.width, size), np.float32)
    described = np.empty((len(rows), len(frames.layers), size * (size - 1) // 2), np.float32)
    for layer in range(len(frames.layers)):
        basis[layer] = _principal(frames, layer, train, size)
        described[:, layer] = _correlations(frames, layer, basis[layer], rows)
        frames.store.release(frames.layers[layer])
    return basis, described


def _principal(frames, layer: int, train: np.ndarray, size: int) -> np.ndarray:
    """The ``size`` strongest principal axes of a layer's normalised frames [width, size]."""
    products = np.zeros((frames.width, frames.width))
    for position in train:
        normalised = frames.of_layer(layer, int(position)).numpy()[::STRIDE]
        products += normalised.T @ normalised
    return np.linalg.eigh(products)[1][:, : -size - 1 : -1].astype(np.float32)


def _correlations(frames, layer: int, axes: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Correlations in one layer of every utterance [utterances, pairs]; those of fewer components come first."""
    below = np.tril_indices(axes.shape[1], -1)
    correlations = np.empty((len(positions), len(below[0])), np.float32)
    for i, position in enumerate(positions):
        turned = frames.of_layer(layer, int(position)).numpy() @ axes
        turned -= turned.mean(0)
        turned /= np.sqrt((turned**2).sum(0)) + 1e-6
        correlations[i] = (turned.T @ turned)[below]
    return correlations


def _described(frames, basis: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Correlations of every utterance in all layers [utterances, layers, pairs], read one after the other."""
    return np.stack([_correlations(frames, i, axes, positions) for i, axes in enumerate(basis)], 1)


def _tested(described: np.ndarray, rows: np.ndarray, test: np.ndarray, pairs: int) -> np.ndarray:
    """The part of ``described``, whose utterances are ``rows``, that belongs to ``test``."""
    where = {int(position): i for i, position in enumerate(rows)}
    return described[[where[int(position)] for position in test], :, :pairs]


def _scale(described: np.ndarray) -> np.ndarray:
    """What every layer of ``described`` [rows, layers, pairs] is divided by, so that all have the same weight."""
    spreads = np.array([described[:, layer].var(0).sum() for layer in range(described.shape[1])])
    return np.sqrt(spreads * described.shape[1]) + 1e-12


def _kernel(described: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Inner products [rows, rows] of ``described`` with every layer divided by its ``scale``."""
    kernel = np.zeros((len(described), len(described)))
    for layer, divisor in enumerate(scale):
        scaled = described[:, layer] / divisor
        kernel += scaled @ scaled.T
    return kernel


def _balanced(truth: np.ndarray) -> np.ndarray:
    """Weights of the rows of a one-hot ``truth`` that give every class the same sum."""
    counts = truth.sum(0)
    return (truth / np.maximum(counts, 1)).sum(1) * len(truth) / (counts > 0).sum()


def _sharpness(scores: np.ndarray, labels: np.ndarray) -> float:
    """The factor that makes ``scores`` of held-out rows the best logits of their ``labels``, by cross-entropy."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_factor):
        return -log_softmax(np.exp(log_factor) * scores, axis=1)[np.arange(len(labels)), labels].mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 5), method="bounded").x))


def _outputs(model: dict[str, np.ndarray], described: np.ndarray) -> np.ndarray:
    """Logits [rows, classes] of ``described`` utterances."""
    scores = np.einsum("nlp,lpo->no", described, model["weights"], optimize=True) + model["intercept"]
    return (model["sharpness"] * scores).astype(np.float32)
