"""Pan 2024 (GMP-ATL), stage 3: the retrained encoder fine-tuned with additive-margin softmax."""

from typing import TYPE_CHECKING, ClassVar, Literal

from ..config.settings import setting
from ..training.economy import Economy
from .chain import START
from .system_config import EMOTION, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Gmp(Economy, System):
    """Tables 2 to 4."""

    recipe: Literal["gmp"] = setting("the recipe: stages/recipes/gmp.py")
    task: EMOTION = setting("what is predicted")
    start: str = setting(START)
    loss: Literal["am-softmax", "cross-entropy"] = setting("training loss (AMS or CE in Table 3)")
    margin: float = setting("additive margin m", ge=0)
    scale: float = setting("scale s", gt=0)
    layer: int = setting("hidden layer that is pooled, counted from the last (-1)", ours=True, le=-1)
    lstm: int = setting("units per direction of a BiLSTM before pooling, as in stage 1; 0: none", ours=True, ge=0)
    hidden: int = setting("units of LinearP", ours=True, ge=1)
    freeze_cnn: bool = setting("keep the CNN as it was pretrained", ours=True)
    learning_rate: float = setting("of Adam, constant after warm-up over 5 % of the steps", gt=0)
    batch: int = setting("utterances per forward pass", ge=1)
    epochs: int = setting("limit on epochs", ours=True, ge=1)
    patience: int = setting("epochs without a better validation UAR before stopping", ours=True, ge=1)
    inputs: ClassVar = ("speech", "audio", "speech-weights", "start")
    heavy: ClassVar = True

    @property
    def starts_from(self) -> str:
        return self.start

    def layers_read(self) -> dict[str, list[str]]:
        return {"speech": ["conv"]}


def train(row: Gmp, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, classes], the model's arrays, notes."""
    import torch

    from ..training.economy import in_fp32
    from ..training.loop import seeded, warm_up
    from ..training.weights import network
    from .fine_tuning import begun, fitted, sizes
    from .speech_input import SpeechInput

    examples = inputs.examples
    generator = seeded(seed)
    encoder = begun(inputs, row.start, fold, seed)
    speech = SpeechInput(inputs, encoder, _frozen(row))
    model = _model(row, encoder, examples.outputs).to(inputs.device)
    outputs = _predictor(row, speech, model)
    targets = torch.from_numpy(examples.targets).to(inputs.device)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=row.learning_rate)
    steps = row.epochs * -(-len(fold.train) // row.effective_batch)

    def loss_of(positions):
        vectors = _embeddings(row, speech, model, positions)
        with in_fp32(vectors):
            if row.loss == "am-softmax":
                return model["head"](vectors.float(), targets[positions])
            return torch.nn.functional.cross_entropy(model["head"](vectors.float()), targets[positions])

    how = {"schedule": warm_up(optimiser, steps, 0.05, decay=False)}
    history = fitted(row, examples, fold, model, optimiser, loss_of, outputs, speech.lengths, generator, unit, **how)
    return outputs(fold.scored), network(model), {"history": history, **sizes(model)}


def restored(row: Gmp, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from ..training.weights import filled
    from .speech_input import SpeechInput

    encoder = inputs.speech_encoder()
    model = filled(_model(row, encoder, inputs.outputs), arrays)
    return _predictor(row, SpeechInput(inputs, encoder, _frozen(row)), model)


def _frozen(row: Gmp) -> str:
    return "conv" if row.freeze_cnn else ""


def _model(row: Gmp, encoder, classes: int):
    import torch

    from ..models.gmp import Classifier
    from ..models.losses import am_softmax
    from .fine_tuning import check_layer

    check_layer("gmp layer", row.layer, encoder)
    model = torch.nn.ModuleDict({"body": Classifier(encoder, row.hidden, row.lstm)})
    if row.loss == "am-softmax":
        model["head"] = am_softmax(classes, row.hidden, row.margin, row.scale)
    else:
        model["head"] = torch.nn.Linear(row.hidden, classes)
    return model


def _embeddings(row, speech, model, positions):
    hidden, lengths = speech.hidden(positions)
    return model["body"](hidden[row.layer], lengths)


def _predictor(row: Gmp, speech, model):
    from .fine_tuning import predictor

    logits = model["head"].get_logits if row.loss == "am-softmax" else model["head"]
    return predictor(speech, lambda positions: logits(_embeddings(row, speech, model, positions)), row.batch)
