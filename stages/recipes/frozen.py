"""Srinivasan 2022's regressors on one frozen encoder, speech or text (rows 3 to 8 of Table 2, 2 and 3 of Table 3)."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..config.settings import setting
from .system_config import DIMENSIONS, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Frozen(System):
    """The last layer's frames, a GRU's last valid output, a projection, three dimensions; CCC loss (section 4.2)."""

    recipe: Literal["frozen"] = setting("the recipe: stages/recipes/frozen.py")
    task: DIMENSIONS = setting("what is predicted")
    sees: Literal["speech", "text"] = setting("which features; text: of the study's transcripts")
    hidden: int = setting("units of the GRU layers", ge=1)
    gru_layers: int = setting("GRU layers", ge=1)
    embedding: int = setting("width of the projection", ge=1)
    normalise: Literal["speaker", "global", "none"] = setting("of the frozen features (the paper names none)")
    learning_rate: float = setting("of Adam, times 0.75 after more than 2 epochs without improvement", gt=0)
    batch: int = setting("utterances per step", ge=2)
    epochs: int = setting("epochs; the best on validation is kept", ge=1)

    def files(self) -> tuple[str, ...]:
        return (self.sees,)

    def layers_read(self) -> dict[str, list[str]]:
        return {self.sees: ["last"]}

    inputs: ClassVar = ("speech", "text")
    networked: ClassVar = True


def train(row: Frozen, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, dimensions] in the corpus' units, the model's arrays, notes."""
    import torch

    from ..models.losses import ccc_loss
    from ..training.loop import seeded
    from ..training.weights import network
    from .fine_tuning import scaled
    from .srinivasan import fitted, padded

    examples = inputs.examples
    frames = inputs.frames(["last"], 0, row.normalise, fold, row.sees)
    generator = seeded(seed)
    model = _model(row, frames, examples.outputs).to(inputs.device)
    optimiser = torch.optim.Adam(model.parameters(), lr=row.learning_rate)
    low, span, targets = scaled(examples, fold, inputs.device)
    outputs = _predictor(frames, model, inputs.device, low, span)

    def loss_of(positions):
        return ccc_loss(model(*padded(frames, positions, inputs.device)), targets[positions])

    history = fitted(row, examples, fold, model, optimiser, loss_of, outputs, generator, unit)
    arrays = network(model) | {"model/scaling/low": low, "model/scaling/span": span}
    arrays |= frames.normaliser.arrays(f"model/normaliser/{row.sees}/")
    return outputs(fold.scored), arrays, {"history": history.__dict__}


def restored(row: Frozen, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from ..training.weights import filled

    frames = inputs.frames(["last"], 0, row.normalise, arrays, row.sees)
    model = filled(_model(row, frames, inputs.outputs), arrays).to(inputs.device)
    return _predictor(frames, model, inputs.device, arrays["scaling/low"], arrays["scaling/span"])


def _model(row: Frozen, frames, dimensions: int):
    from ..models.teacher import Single

    return Single(frames.width, row.hidden, row.gru_layers, row.embedding, dimensions)


def _predictor(frames, model, device, low: np.ndarray, span: np.ndarray):
    import torch

    from ..training.weights import on_cpu
    from .srinivasan import padded

    def outputs(positions):
        batches = [positions[i : i + 64] for i in range(0, len(positions), 64)]
        with torch.no_grad():
            return np.concatenate([on_cpu(model(*padded(frames, b, device))) for b in batches]) * span + low

    return outputs
