"""Pepino 2021: a small network on a trainable average of a frozen encoder's layers."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..config.settings import setting
from .system_config import EMOTION, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Probe(System):
    """Dense and LSTM of Pepino 2021 (section 2.3); where paper and released code differ, a setting says which."""

    recipe: Literal["probe"] = setting("the recipe: stages/recipes/probe.py")
    task: EMOTION = setting("what is predicted")
    layers: list[str] = setting("layers to average: all, last (contextual), local, or numbers")
    weights: Literal["raw", "softmax"] = setting("raw: sum(a f)/sum(a) as printed; softmax: softmax(a)")
    normalise: Literal["speaker", "global", "none"] = setting("features' mean and scale; speaker sees test data")
    speaker_by: Literal["speaker", "prefix"] = setting(
        "who is one speaker there; prefix: name before its first _, on IEMOCAP both actors (released code)"
    )
    network: Literal["dense", "lstm"] = setting("the second layer: pointwise, or an LSTM")
    activation: Literal["tanh", "relu"] = setting("of the LSTM's cell and output; released code: relu")
    hidden: int = setting("units of both dense layers", ge=1)
    dropout: float = setting("share of units dropped out", ge=0, lt=1)
    dropout_at: Literal["after", "before"] = setting("each of the two layers (paper), or before it (released code)")
    learning_rate: float = setting("of Adam (epsilon 1e-7 as in Keras); released code: 1e-4", gt=0)
    clip_value: float = setting("largest gradient of any parameter, 0: none; released code: 1", ge=0)
    batch: int = setting("utterances per step; released LSTM: 16", ge=1)
    wrap: bool = setting("the last batch re-uses the first utterances, as in the released code")
    stop_on: Literal["loss", "uar"] = setting("validation figure that decides; the released code takes the loss")
    patience: int = setting("epochs without a better validation figure before stopping", ge=1)
    epochs: int = setting("limit on epochs", ge=1)
    max_seconds: float = setting("longer clips keep their first seconds (8 IEMOCAP, 5 RAVDESS)", gt=0)
    inputs: ClassVar = ("speech",)


def train(row: Probe, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, classes], the model's arrays, notes with the layer weights."""
    import torch

    from ..training.batches import shuffled
    from ..training.loop import fit, seeded
    from ..training.weights import network

    examples, streams = inputs.examples, _streams(row, inputs, fold)
    frames = streams["speech"]
    generator = seeded(seed)
    model = _model(row, streams, examples.outputs)
    outputs = _predictor(row, streams, model)
    optimiser = torch.optim.Adam(model.parameters(), lr=row.learning_rate, eps=1e-7)
    targets = torch.from_numpy(examples.targets)

    def loss_of(positions):
        return torch.nn.functional.cross_entropy(model(*_batch(streams, positions)), targets[positions])

    def validation():
        logits = outputs(fold.val)
        if row.stop_on == "uar":
            return examples.score(fold.val, logits)
        return -float(torch.nn.functional.cross_entropy(torch.from_numpy(logits), targets[fold.val]))

    history = fit(
        model,
        optimiser,
        lambda _: shuffled(fold.train, row.batch, generator, wrap=row.wrap),
        loss_of,
        validation,
        epochs=row.epochs,
        patience=row.patience,
        generator=generator,
        clip_value=row.clip_value,
        unit=unit,
    )
    average = model.average.weights().detach().tolist()
    notes = {"history": history.__dict__, "layers": frames.layers, "layer weights": average}
    notes["normaliser"] = {"kind": row.normalise, "seen": frames.seen}
    arrays = network(model)
    for kind, stream in streams.items():
        arrays |= stream.normaliser.arrays(f"model/normaliser/{kind}/")
    return outputs(fold.scored), arrays, notes


def restored(row: Probe, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from ..training.weights import filled

    streams = _streams(row, inputs, arrays)
    return _predictor(row, streams, filled(_model(row, streams, inputs.outputs), arrays))


def _streams(row: Probe, inputs, fitted) -> dict:
    """The encoder's frames and, for Fusion, the descriptors'; normalised for a fold or by a unit's arrays."""
    asked = {"speech": row.layers, "beside": ["0"]}
    how = row.max_seconds, row.normalise, fitted
    return {kind: inputs.frames(asked[kind], *how, kind, row.speaker_by) for kind in row.inputs}


def _model(row: Probe, streams: dict, classes: int):
    from ..models.dense import Dense

    frames, beside = streams["speech"], streams["beside"].width if "beside" in streams else 0
    sizes = len(frames.layers), frames.width, row.hidden, classes, row.dropout
    second = {"dense": "dense", "lstm": f"lstm-{row.activation}"}[row.network]
    return Dense(*sizes, row.weights == "softmax", second, beside, row.dropout_at == "before")


def _batch(streams: dict, positions: np.ndarray) -> tuple:
    """What the model takes of these utterances: frames, lengths and, for Fusion, descriptors at the frames' rate."""
    import torch

    from ..models.dense import to_rate

    frames, lengths = streams["speech"].batch(positions)
    if "beside" not in streams:
        return frames, lengths
    ratio = max(1, round(streams["speech"].hop / streams["beside"].hop))
    descriptors = [
        to_rate(streams["beside"].utterance(int(p))[0], ratio, count)
        for p, count in zip(positions, lengths.tolist(), strict=True)
    ]
    return frames, lengths, torch.cat(descriptors)


def _predictor(row: Probe, streams: dict, model):
    import torch

    def outputs(positions):
        batches = [positions[i : i + row.batch] for i in range(0, len(positions), row.batch)]
        with torch.no_grad():
            return np.concatenate([model(*_batch(streams, b)).numpy() for b in batches])

    return outputs
