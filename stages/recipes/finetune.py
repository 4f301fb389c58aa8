"""Any speech encoder fine-tuned for emotion or for the dimensions, whole, in its top blocks, or by adapters."""

from typing import TYPE_CHECKING, ClassVar, Literal

from ..config.settings import setting
from ..runtime.errors import UserError
from ..training.economy import Economy
from .system_config import TASK, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Finetune(Economy, System):
    """Cross-entropy for emotion, the CCC for the dimensions; augmentation is off unless its values say otherwise."""

    recipe: Literal["finetune"] = setting("the recipe: stages/recipes/finetune.py")
    task: TASK = setting("what is predicted")
    tuned_blocks: int = setting("top blocks that are fine-tuned; 0: none, the encoder is frozen; -1: all", ge=-1)
    freeze_cnn: bool = setting("keep the CNN as it was pretrained (tuned_blocks: -1)")
    lora_rank: int = setting("train adapters of this rank in those blocks, not their own weights; 0: none", ge=0)
    lora_alpha: float = setting("over lora_rank: the scale of what adapters add", gt=0)
    lora_dropout: float = setting("of the adapters' input", ge=0, lt=1)
    pooling: Literal["mean", "mean+std", "attention"] = setting(
        "over frames; attention: mean and deviation, weighted (attentive statistics)"
    )
    hidden: int = setting("units of the head's hidden layer; 0: none", ge=0)
    dropout: float = setting("in the head", ge=0, lt=1)
    class_weights: Literal["none", "balanced"] = setting("balanced: every class weighs the same in the loss (emotion)")
    label_smoothing: float = setting("share of every label spread over all classes (emotion)", ge=0, lt=1)
    soft_labels: bool = setting("train on shares of raters' votes, which the corpus must have (emotion)")
    learning_rate: float = setting("highest, of AdamW for pooling and head", gt=0)
    encoder_learning_rate: float = setting("highest, for the encoder", gt=0)
    weight_decay: float = setting("of AdamW", ge=0)
    warm_up: float = setting("share of the steps with rising learning rates", ge=0, lt=1)
    decay: bool = setting("let the rates fall to zero after that, linearly")
    clip: float = setting("largest norm of all gradients together; 0: any", ge=0)
    batch: int = setting("utterances per forward pass, of similar length", ge=2)
    epochs: int = setting("limit on epochs", ge=1)
    patience: int = setting("epochs without a better validation UAR, or mean CCC, before stopping", ge=1)
    noise: float = setting("share of training utterances with added white noise", ge=0, le=1)
    noise_snr: list[float] = setting("lowest and highest ratio of signal to that noise, dB", min_length=2, max_length=2)
    gain: float = setting("largest random change of level, dB", ge=0)
    mask_prob: float = setting("share of frames that hidden spans would cover without overlap", ge=0, le=1)
    mask_length: int = setting("frames of a hidden span", ge=1)
    inputs: ClassVar = ("speech", "audio", "speech-weights")
    heavy: ClassVar = True

    def layers_read(self) -> dict[str, list[str]]:
        """The state that the first tuned block takes, or the CNN's output; where all is trained, none in earnest."""
        if self.tuned_blocks < 0:
            return {"speech": ["0" if self.lora_rank else "conv"]}
        return {"speech": [f"last-{self.tuned_blocks}"]}


def train(row: Finetune, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, outputs], the model's arrays, notes.

    Raises
    ------
    UserError
        Soft labels are asked of a corpus without votes, adapters of an encoder that has no place for them, or hidden
        frames of one that is not taken apart.
    """
    import torch

    from ..encoders import lora
    from ..training.loop import seeded, warm_up
    from ..training.weights import network
    from .augmentation import Augmentation
    from .fine_tuning import fitted, groups, predictor, sizes

    examples = inputs.examples
    generator = seeded(seed)
    model, speech = _model(row, inputs, examples.outputs)
    if row.lora_rank and row.tuned_blocks:
        boundary = int(_frozen(row, model.encoder))
        lora.insert(model.encoder, boundary, row.lora_rank, row.lora_alpha, row.lora_dropout)
        model.to(inputs.device)
    loss, kept, notes = _loss(row, examples, fold, inputs.device)
    forward = _forward(speech, model)
    outputs = predictor(speech, forward, row.batch, kept.get("low"), kept.get("span"))
    optimiser = torch.optim.AdamW(
        groups(model, row.learning_rate, row.encoder_learning_rate), weight_decay=row.weight_decay
    )
    change = Augmentation(row.noise, tuple(row.noise_snr), row.gain, row.mask_prob, row.mask_length)

    def loss_of(positions):
        if not change:
            return loss(forward(positions), positions)
        hidden, lengths = change.hidden(speech, positions)
        return loss(model(hidden[-1], lengths), positions)

    passes = max(1, len(fold.train) // row.batch)
    schedule = warm_up(optimiser, row.epochs * -(-passes // row.accumulate), row.warm_up, row.decay)
    how = {"clip": row.clip or None, "schedule": schedule}
    history = fitted(row, examples, fold, model, optimiser, loss_of, outputs, speech.lengths, generator, unit, **how)
    notes |= {"history": history, **sizes(model)}
    if row.lora_rank:
        lora.merge(model.encoder)
    arrays = network(model) | {f"model/scaling/{name}": values for name, values in kept.items()}
    return outputs(fold.scored), arrays, notes


def restored(row: Finetune, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from ..training.weights import filled
    from .fine_tuning import predictor

    model, speech = _model(row, inputs, inputs.outputs)
    scaling = arrays.get("scaling/low"), arrays.get("scaling/span")
    return predictor(speech, _forward(speech, filled(model, arrays)), row.batch, *scaling)


def _frozen(row: Finetune, encoder) -> str:
    """The boundary below which the encoder is frozen; '' where nothing is."""
    if row.tuned_blocks < 0:
        return "0" if row.lora_rank else "conv" if row.freeze_cnn else ""
    return str(max(0, encoder.depth - row.tuned_blocks))


def _model(row: Finetune, inputs, outputs: int):
    """The model, its encoder frozen as far as the row says, and its input."""
    from ..models.tuned import Tuned
    from .speech_input import SpeechInput

    encoder = inputs.speech_encoder()
    model = Tuned(encoder, outputs, row.pooling, row.hidden, row.dropout).to(inputs.device)
    return model, SpeechInput(inputs, encoder, _frozen(row, encoder))


def _forward(speech, model):
    def forward(positions):
        hidden, lengths = speech.hidden(positions)
        return model(hidden[-1], lengths)

    return forward


def _loss(row: Finetune, examples, fold, device):
    """The loss of outputs and their positions, what scaled the targets (``low``, ``span``, or nothing), and notes."""
    import torch

    from ..models.losses import ccc_loss
    from .fine_tuning import balanced, scaled

    if row.task == "dimensions":
        low, span, targets = scaled(examples, fold, device)
        return lambda outputs, positions: ccc_loss(outputs, targets[positions]), {"low": low, "span": span}, {}
    notes, weights = {}, None
    if row.class_weights == "balanced":
        weights = balanced(examples.targets[fold.train], examples.outputs)
        notes["class weights"] = dict(zip(examples.classes, weights.tolist(), strict=True))
        weights = torch.from_numpy(weights).to(device)
    labels = examples.targets
    if row.soft_labels:
        labels = examples.soft(fold.train)
        if labels is None:
            raise UserError("soft_labels: the corpus' manifest has no votes of raters; set it to false")
    targets = torch.from_numpy(labels).to(device)

    def loss(logits, positions):
        return torch.nn.functional.cross_entropy(
            logits, targets[positions], weight=weights, label_smoothing=row.label_smoothing
        )

    return loss, {}, notes
