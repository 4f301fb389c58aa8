"""de Oliveira 2023, Figure 2: which layers of a frozen encoder serve which dimension; one model for each."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..config.settings import setting
from .system_config import DIMENSIONS, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Layers(System):
    """A trainable average of the layers under the head of the paper's regressors, trained for one dimension at a time.

    The paper names neither rate nor stop for this figure; those here are a choice.
    """

    recipe: Literal["layers"] = setting("the recipe: stages/recipes/layers.py")
    task: DIMENSIONS = setting("what is predicted, each dimension by a model of its own")
    layers: list[str] = setting("layers to average: all, or numbers")
    weights: Literal["raw", "softmax"] = setting("raw: sum(a f)/sum(a) as printed; softmax: softmax(a)")
    pooling: Literal["mean+max", "concat", "mean"] = setting("over frames")
    normalise: Literal["speaker", "global", "none"] = setting(
        "of the frozen features: weights compare layers of one scale (the paper names none)"
    )
    learning_rate: float = setting("of Adam", gt=0)
    batch: int = setting("utterances per step", ge=2)
    dropout: float = setting("in the head", ge=0, lt=1)
    patience: int = setting("epochs without a better validation CCC of the dimension before stopping", ge=1)
    epochs: int = setting("limit on epochs", ge=1)
    inputs: ClassVar = ("speech",)


def train(row: Layers, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, dimensions] in the corpus' units, all models' arrays, notes with the weights.

    A dimension that is done is kept beside the unit's checkpoint until all are.
    """
    frames = inputs.frames(row.layers, 0, row.normalise, fold)
    low, span = inputs.examples.scaling(fold.train)
    shares = [unit.share(name) if unit else None for name in inputs.examples.dimensions]
    arrays: dict[str, np.ndarray] = {"model/scaling/low": low, "model/scaling/span": span}
    columns, notes = [], {"layers": frames.layers, "layer weights": {}, "histories": {}}
    for dimension, (name, share) in enumerate(zip(inputs.examples.dimensions, shares, strict=True)):
        done = share.load() if share else None
        if done is None:
            done = _trained(row, inputs.examples, frames, fold, seed, dimension, share)
            if share:
                share.save(*done)
        trained, about = done
        columns.append(trained.pop("outputs"))
        arrays |= {f"model/{dimension}/{key.removeprefix('model/')}": values for key, values in trained.items()}
        notes["layer weights"][name], notes["histories"][name] = about["layer weights"], about["history"]
    for share in shares:
        if share:
            share.path.unlink()
    arrays |= frames.normaliser.arrays("model/normaliser/speech/")
    return np.stack(columns, 1) * span + low, arrays, notes


def restored(row: Layers, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from ..training.weights import filled

    frames = inputs.frames(row.layers, 0, row.normalise, arrays)
    models = []
    for dimension in range(inputs.outputs):
        prefix = f"{dimension}/"
        weights = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        models.append(_predictor(row, frames, filled(_model(row, frames), weights)))
    low, span = arrays["scaling/low"], arrays["scaling/span"]
    return lambda positions: np.stack([predict(positions) for predict in models], 1) * span + low


def _trained(row: Layers, examples, frames, fold, seed: int, dimension: int, unit) -> tuple[dict, dict]:
    """Arrays (``model/network/...``, ``outputs`` for ``fold.scored``, scaled) and notes of one dimension's model."""
    import torch

    from ..metrics.scores import ccc
    from ..models.losses import ccc_loss
    from ..training.batches import shuffled
    from ..training.loop import fit, seeded
    from ..training.weights import network

    generator = seeded(seed)
    model = _model(row, frames)
    outputs = _predictor(row, frames, model)
    low, span = examples.scaling(fold.train)
    scaled = ((examples.targets - low) / span)[:, dimension]
    targets = torch.from_numpy(scaled)[:, None]
    history = fit(
        model,
        torch.optim.Adam(model.parameters(), lr=row.learning_rate),
        lambda _: shuffled(fold.train, row.batch, generator, drop_last=True),
        lambda positions: ccc_loss(model(*frames.batch(positions)), targets[positions]),
        lambda: ccc(scaled[fold.val], outputs(fold.val)),
        epochs=row.epochs,
        patience=row.patience,
        generator=generator,
        unit=unit,
    )
    notes = {"layer weights": model.average.weights().detach().tolist(), "history": history.__dict__}
    return network(model) | {"outputs": outputs(fold.scored)}, notes


def _model(row: Layers, frames):
    from ..models.layers import Weighted

    return Weighted(len(frames.layers), frames.width, row.weights == "softmax", row.pooling, row.dropout)


def _predictor(row: Layers, frames, model):
    import torch

    def outputs(positions):
        batches = [positions[i : i + row.batch] for i in range(0, len(positions), row.batch)]
        with torch.no_grad():
            return np.concatenate([model(*frames.batch(b))[:, 0].numpy() for b in batches])

    return outputs
