"""de Oliveira 2023: speech encoder and (optionally) text encoder fine-tuned together for the dimensions."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from ..config.settings import setting
from ..training.economy import Economy
from .system_config import DIMENSIONS, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Regressor(Economy, System):
    """Table 1; the encoders are fine-tuned except for the CNN (section 3.2)."""

    recipe: Literal["regressor"] = setting("the recipe: stages/recipes/regressor.py")
    task: DIMENSIONS = setting("what is predicted")
    use_text: bool = setting("add the text encoder, over the study's transcripts")
    pooling: Literal["mean+max", "concat", "mean"] = setting("over frames, and over tokens")
    learning_rate: float = setting("of Adam", gt=0)
    batch: int = setting("utterances per forward pass, of similar length", ge=2)
    dropout: float = setting("in the head", ge=0, lt=1)
    encoder_dropout: float = setting(
        "throughout the fine-tuned encoders, whatever their checkpoints say (section 3.2: one for the whole model)",
        ge=0,
        lt=1,
    )
    patience: int = setting("epochs without a better mean validation CCC before stopping", ge=1)
    epochs: int = setting("limit on epochs", ge=1)
    tune: Literal["all", "head"] = setting(
        "what trains: all, the encoders without the CNN too; head, over frozen encoders (Figure 3, FRZ)"
    )
    start: str = setting("a system of the study, fine-tuned on speech alone: whose encoder is frozen; '' for neither")
    inputs: ClassVar = ("speech", "audio", "transcripts", "speech-weights", "text-weights", "start")
    heavy: ClassVar = True

    @model_validator(mode="after")
    def _frozen(self):
        if self.start and self.tune == "all":
            raise ValueError(f"start: '{self.start}' gives a frozen encoder; set tune: head, or start: ''")
        return self

    @property
    def after(self) -> dict[str, str]:
        return {"start": self.start} if self.start else {}

    def files(self) -> tuple[str, ...]:
        """Without a start, all that is frozen is in the feature store."""
        without = () if self.start else ("audio", "start")
        return tuple(name for name in super().files() if name not in without)

    def layers_read(self) -> dict[str, list[str]]:
        return {"speech": ["last" if self.tune == "head" and not self.start else "conv"]}


def train(row: Regressor, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, dimensions] in the corpus' units, the model's arrays, notes."""
    import torch

    from ..encoders import checkpoint
    from ..models.losses import ccc_loss
    from ..training.loop import seeded
    from ..training.weights import as_tensors, network
    from .fine_tuning import fitted, predictor, scaled, sizes

    examples = inputs.examples
    generator = seeded(seed)
    model = _model(row, inputs, examples.outputs)
    if row.start:
        tuned = as_tensors(inputs.before("start", fold, seed), "network/speech.")
        checkpoint.fill(model.speech, tuned, f"start: {row.start}")
    speech, forward = _input(row, inputs, model)
    low, span, targets = scaled(examples, fold, inputs.device)
    outputs = predictor(speech, forward, row.batch, low, span)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=row.learning_rate)

    def loss_of(positions):
        return ccc_loss(forward(positions), targets[positions])

    history = fitted(row, examples, fold, model, optimiser, loss_of, outputs, speech.lengths, generator, unit)
    if row.tune == "all":
        inputs.note_seen("fine-tuned encoders", examples.names(fold.train))
    notes = {"history": history, **sizes(model)}
    notes["scaling"] = {"low": low.tolist(), "span": span.tolist(), "rows": len(fold.train)}
    arrays = network(model) | {"model/scaling/low": low, "model/scaling/span": span}
    return outputs(fold.scored), arrays, notes


def restored(row: Regressor, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from ..training.weights import filled
    from .fine_tuning import predictor

    model = filled(_model(row, inputs, inputs.outputs), arrays)
    speech, forward = _input(row, inputs, model)
    return predictor(speech, forward, row.batch, arrays["scaling/low"], arrays["scaling/span"])


def _model(row: Regressor, inputs, dimensions: int):
    """The model, its encoders as they come, and whatever of them the row freezes."""
    from ..encoders.dropout import drop_out
    from ..models.regressor import Regressor as Model

    encoder = inputs.speech_encoder()
    text = inputs.text_encoder() if row.use_text else None
    for one in (encoder, text) if row.use_text else (encoder,):
        drop_out(one.modules(), row.encoder_dropout if row.tune == "all" else 0.0)
    if row.use_text and row.tune == "head":
        text.requires_grad_(False)
    return Model(encoder, text, dimensions, row.pooling, row.dropout).to(inputs.device)


def _input(row: Regressor, inputs, model):
    """The speech that ``model`` hears, and what it says of positions [len(positions), dimensions]."""
    from .speech_input import SpeechInput

    speech = SpeechInput(inputs, model.speech, "conv" if row.tune == "all" else str(model.speech.depth))
    words = inputs.texts if row.use_text else None

    def forward(positions):
        hidden, lengths = speech.hidden(positions)
        tokens = model.text.tokenise([words[p] for p in positions]) if row.use_text else ()
        return model(hidden[-1], lengths, *tokens)

    return speech, forward
