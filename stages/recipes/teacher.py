"""Srinivasan 2022's multimodal teacher: frozen speech and text features, GRUs, CCC loss (rows 8 to 9 of Table 2)."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..config.settings import setting
from .system_config import DIMENSIONS, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Teacher(System):
    """Row 9 of Table 2, row 4 of Table 3."""

    stage: ClassVar = "teach"
    recipe: Literal["teacher"] = setting("the recipe: stages/recipes/teacher.py")
    task: DIMENSIONS = setting("what is predicted")
    hidden: int = setting("units of the GRU layers", ge=1)
    gru_layers: int = setting("GRU layers", ge=1)
    embedding: int = setting("width of the joint embedding", ge=1)
    normalise: Literal["speaker", "global", "none"] = setting("of the frozen features (the paper names none)")
    learning_rate: float = setting("of Adam, times 0.75 after more than 2 epochs without improvement", gt=0)
    batch: int = setting("utterances per step", ge=2)
    epochs: int = setting("epochs; the best on validation is kept", ge=1)
    inputs: ClassVar = ("speech", "text")
    networked: ClassVar = True

    def layers_read(self) -> dict[str, list[str]]:
        return {"speech": ["last"], "text": ["last"]}


def train(row: Teacher, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored``, the model's arrays with what the teacher says of every utterance, notes.

    Besides ``model/...`` the arrays hold ``teacher/embedding`` [utterances, embedding] and ``teacher/predicted``
    [utterances, dimensions] in the corpus' units, zero outside this fold's training and validation rows: a
    student must never see the teacher's view of a test utterance.
    """
    import torch

    from ..models.losses import ccc_loss
    from ..training.loop import seeded
    from ..training.weights import network
    from .fine_tuning import scaled
    from .srinivasan import fitted, padded

    examples = inputs.examples
    speech = inputs.frames(["last"], 0, row.normalise, fold)
    text = inputs.frames(["last"], 0, row.normalise, fold, "text")
    generator = seeded(seed)
    model = _model(row, speech, text, examples.outputs).to(inputs.device)
    optimiser = torch.optim.Adam(model.parameters(), lr=row.learning_rate)
    low, span, targets = scaled(examples, fold, inputs.device)
    views = _predictor(speech, text, model, inputs.device, low, span)

    def loss_of(positions):
        frames = [padded(each, positions, inputs.device) for each in (speech, text)]
        return ccc_loss(model(*frames)[1], targets[positions])

    history = fitted(row, examples, fold, model, optimiser, loss_of, lambda p: views(p)[1], generator, unit)
    known = np.concatenate([fold.train, fold.val])
    embedding = np.zeros((len(examples.manifest), row.embedding), np.float32)
    predicted = np.zeros((len(examples.manifest), examples.outputs), np.float32)
    embedding[known], predicted[known] = views(known)
    arrays = network(model) | {"teacher/embedding": embedding, "teacher/predicted": predicted}
    arrays |= {"model/scaling/low": low, "model/scaling/span": span}
    arrays |= speech.normaliser.arrays("model/normaliser/speech/") | text.normaliser.arrays("model/normaliser/text/")
    notes = {
        "history": history.__dict__,
        "ccc on training rows": examples.score(fold.train, predicted[fold.train]),
        "ccc on validation rows": examples.score(fold.val, predicted[fold.val]),
    }
    return views(fold.scored)[1], arrays, notes


def restored(row: Teacher, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from ..training.weights import filled

    speech = inputs.frames(["last"], 0, row.normalise, arrays)
    text = inputs.frames(["last"], 0, row.normalise, arrays, "text")
    model = filled(_model(row, speech, text, inputs.outputs), arrays).to(inputs.device)
    views = _predictor(speech, text, model, inputs.device, arrays["scaling/low"], arrays["scaling/span"])
    return lambda positions: views(positions)[1]


def _model(row: Teacher, speech, text, dimensions: int):
    from ..models.teacher import Teacher as Model

    return Model(speech.width, text.width, row.hidden, row.gru_layers, row.embedding, dimensions)


def _predictor(speech, text, model, device, low: np.ndarray, span: np.ndarray):
    """Positions -> embeddings [len(positions), embedding] and predictions in the corpus' units."""
    import torch

    from ..training.weights import on_cpu
    from .srinivasan import padded

    def views(positions):
        batches = [positions[i : i + 64] for i in range(0, len(positions), 64)]
        with torch.no_grad():
            found = [model(padded(speech, b, device), padded(text, b, device)) for b in batches]
        embeddings, predicted = (on_cpu(torch.cat(one)) for one in zip(*found, strict=True))
        return embeddings, predicted * span + low

    return views
