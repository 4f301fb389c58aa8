"""Pepino 2021: a small network on a trainable average of a frozen encoder's layers."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from stages.recipes.system import EMOTION, System
from stages.settings import setting

if TYPE_CHECKING:
    from stages.recipes.inputs import Inputs


class Probe(System):
    """Dense of Pepino 2021 (section 2.3, Table 1); where the paper is silent, spec and released code decide."""

    recipe: Literal["probe"] = setting("probe", "the recipe: stages/recipes/probe.py")
    task: EMOTION = setting("emotion", "what is predicted")
    layers: list[str] = setting(["all"], "layers of the feature store to average; all: every numbered one")
    weights: Literal["raw", "softmax"] = setting("raw", "raw: sum(a f)/sum(a) as printed; softmax: softmax(a)")
    normalise: Literal["speaker", "global", "none"] = setting(
        "speaker", "features' mean and scale; speaker sees test data"
    )
    hidden: int = setting(128, "units of both dense layers", ge=1)
    dropout: float = setting(0.2, "after each dense layer", ge=0, lt=1)
    learning_rate: float = setting(1e-3, "of Adam (epsilon 1e-7 as in Keras)", gt=0)
    batch: int = setting(32, "utterances per step", ge=1)
    stop_on: Literal["loss", "uar"] = setting(
        "loss", "validation figure that decides; the released code takes the loss"
    )
    patience: int = setting(4, "epochs without a better validation figure before stopping", ge=1)
    epochs: int = setting(100, "limit on epochs", ge=1)
    max_seconds: float = setting(8.0, "longer clips keep their first seconds (8 IEMOCAP, 5 RAVDESS)", gt=0)
    inputs: ClassVar = ("speech",)


def train(row: Probe, inputs: "Inputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, classes], the model's arrays, notes with the layer weights."""
    import torch

    from stages.training import fit, network, seeded, shuffled

    examples, frames = inputs.examples, inputs.frames(row.layers, row.max_seconds, row.normalise, fold)
    generator = seeded(seed)
    model = _model(row, frames, examples.outputs)
    outputs = _predictor(row, frames, model)
    optimiser = torch.optim.Adam(model.parameters(), lr=row.learning_rate, eps=1e-7)
    targets = torch.from_numpy(examples.targets)

    def loss_of(positions):
        return torch.nn.functional.cross_entropy(model(*frames.batch(positions)), targets[positions])

    def validation():
        found = outputs(fold.val)
        if row.stop_on == "uar":
            return examples.score(fold.val, found)
        return -float(torch.nn.functional.cross_entropy(torch.from_numpy(found), targets[fold.val]))

    history = fit(
        model,
        optimiser,
        lambda: shuffled(fold.train, row.batch, generator),
        loss_of,
        validation,
        epochs=row.epochs,
        patience=row.patience,
        generator=generator,
        unit=unit,
    )
    average = model.average.weights().detach().tolist()
    notes = {"history": history.__dict__, "layers": frames.layers, "layer weights": average}
    notes["normaliser"] = {"kind": row.normalise, "fitted on": frames.fitted_on}
    return outputs(fold.scored), network(model) | frames.normaliser.arrays("model/normaliser/speech/"), notes


def restored(row: Probe, inputs, arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from stages.training import filled

    frames = inputs.frames(row.layers, row.max_seconds, row.normalise, arrays)
    return _predictor(row, frames, filled(_model(row, frames, inputs.outputs), arrays))


def _model(row: Probe, frames, classes: int):
    from stages.models.dense import Dense

    return Dense(len(frames.layers), frames.width, row.hidden, classes, row.dropout, row.weights == "softmax")


def _predictor(row: Probe, frames, model):
    import torch

    def outputs(positions):
        batches = [positions[i : i + row.batch] for i in range(0, len(positions), row.batch)]
        with torch.no_grad():
            return np.concatenate([model(*frames.batch(b)).numpy() for b in batches])

    return outputs
