"""Srinivasan 2022: an audio-only student drawn to the teacher's joint embedding where the teacher is right.

The residual of utterance i in dimension j is r = w y_teacher + b - y, with w and b by least squares on the training
rows (equation 8); where any |r| exceeds ``gate`` standard deviations, the embedding loss leaves the utterance out.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..config.settings import setting
from ..training.economy import Economy
from .system_config import DIMENSIONS, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Student(Economy, System):
    """Rows 11 (T/S) and 12 (cT/S) of Table 2; without ``weight`` row 10, plain fine-tuning."""

    stage: ClassVar = "distill"
    recipe: Literal["student"] = setting("the recipe: stages/recipes/student.py")
    task: DIMENSIONS = setting("what is predicted")
    teacher: str = setting("the system that teaches")
    weight: float = setting("lambda, of the embedding loss (equation 7)", ge=0)
    gate: float = setting("residuals beyond so many standard deviations close the gate; 0: never (T/S)", ge=0)
    distance: Literal["norm", "mse"] = setting("embedding loss: un-squared L2 norm as printed, or mean square")
    hidden: int = setting("units of the GRU layers", ge=1)
    gru_layers: int = setting("GRU layers", ge=1)
    embedding: int = setting("width of the audio embedding; the teacher's", ge=1)
    tuned_blocks: int = setting("top transformer blocks that are fine-tuned; the rest stays frozen", ge=0)
    learning_rate: float = setting("of Adam for GRU and heads, times 0.75 on a plateau", gt=0)
    encoder_rate: float = setting("learning rate of the tuned blocks, as a share of learning_rate", gt=0)
    batch: int = setting("utterances per forward pass", ge=2)
    epochs: int = setting("epochs; the best on validation is kept", ge=1)
    inputs: ClassVar = ("speech", "speech-weights", "start")
    heavy: ClassVar = True

    def layers_read(self) -> dict[str, list[str]]:
        """The state that the first tuned block takes."""
        return {"speech": [f"last-{self.tuned_blocks}"]}


def gate_open(predicted: np.ndarray, true: np.ndarray, train: np.ndarray, limit: float) -> tuple[np.ndarray, dict]:
    """Which training utterances the student may learn the teacher's embedding from (equation 8).

    Parameters
    ----------
    predicted, true
        [utterances, dimensions], in the same units.
    train
        Positions that the regression is fitted on; no other row is read.
    limit
        In standard deviations of the training residuals; 0 keeps all.

    Returns
    -------
    tuple
        bool [len(train)], and notes: slopes, intercepts, residual sd, share dropped.
    """
    p, y = predicted[train].astype(np.float64), true[train].astype(np.float64)
    variance = p.var(0)
    slope = np.where(variance > 0, ((p - p.mean(0)) * (y - y.mean(0))).mean(0) / np.maximum(variance, 1e-12), 0.0)
    offset = y.mean(0) - slope * p.mean(0)
    residual = slope * p + offset - y
    sd = residual.std(0)
    kept = (np.abs(residual) <= limit * sd).all(1) if limit else np.ones(len(train), bool)
    notes = {"slope": slope.tolist(), "offset": offset.tolist(), "sd": sd.tolist(), "dropped": float(1 - kept.mean())}
    return kept, notes


def train(row: Student, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, dimensions] in the corpus' units, the model's arrays, notes with the gate."""
    import torch

    from ..models.losses import ccc_loss
    from ..training.loop import seeded
    from ..training.weights import network
    from .fine_tuning import groups, scaled
    from .speech_input import SpeechInput
    from .srinivasan import fitted

    examples = inputs.examples
    views = inputs.start(fold, seed)
    kept, gate = gate_open(views["predicted"], examples.targets, fold.train, row.gate)
    gate["seen"] = examples.names(fold.train)
    may_learn = np.zeros(len(examples.manifest), bool)
    may_learn[fold.train] = kept
    may_learn = torch.from_numpy(may_learn).to(inputs.device)
    taught = torch.from_numpy(views["embedding"]).to(inputs.device)

    generator = seeded(seed)
    encoder = inputs.speech_encoder()
    speech = SpeechInput(inputs, encoder, _frozen(row, encoder))
    model = _model(row, encoder, examples.outputs).to(inputs.device)
    optimiser = torch.optim.Adam(groups(model, row.learning_rate, row.learning_rate * row.encoder_rate))
    low, span, targets = scaled(examples, fold, inputs.device)
    outputs = _predictor(row, speech, model, low, span)

    def loss_of(positions):
        embedding, predicted = _views(speech, model, positions)
        loss = ccc_loss(predicted, targets[positions])
        open_here = may_learn[positions]
        if not row.weight or not open_here.any():
            return loss
        gap = (embedding.float() - taught[positions])[open_here]
        distance = gap.norm(dim=1) if row.distance == "norm" else gap.square().mean(1)
        return loss + row.weight * distance.mean()

    history = fitted(row, examples, fold, model, optimiser, loss_of, outputs, generator, unit)
    arrays = network(model) | {"model/scaling/low": low, "model/scaling/span": span}
    return outputs(fold.scored), arrays, {"history": history.__dict__, "gate": gate}


def restored(row: Student, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from ..training.weights import filled
    from .speech_input import SpeechInput

    encoder = inputs.speech_encoder()
    model = filled(_model(row, encoder, inputs.outputs), arrays)
    speech = SpeechInput(inputs, encoder, _frozen(row, encoder))
    return _predictor(row, speech, model, arrays["scaling/low"], arrays["scaling/span"])


def _frozen(row: Student, encoder) -> str:
    return str(max(0, encoder.depth - row.tuned_blocks))


def _model(row: Student, encoder, dimensions: int):
    from ..models.teacher import Student as Model

    return Model(encoder, row.hidden, row.gru_layers, row.embedding, dimensions)


def _views(speech, model, positions):
    hidden, lengths = speech.hidden(positions)
    return model(hidden[-1], lengths)


def _predictor(row: Student, speech, model, low: np.ndarray, span: np.ndarray):
    from .fine_tuning import predictor

    return predictor(speech, lambda positions: _views(speech, model, positions)[1], row.batch, low, span)
