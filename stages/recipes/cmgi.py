"""Gao 2024: HuBERT fine-tuned for emotion and CTC, then together with BERT through the gated interaction.

Training reads the ground-truth text, testing the model's own CTC output (greedy), as in the paper. Stage 1 trains all
its epochs: a stop on emotion's UAR would come before CTC has left the blank, and stage 2 would be tested without words.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import model_validator

from ..config.settings import setting
from ..training.economy import Economy
from .system_config import EMOTION, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Cmgi(Economy, System):
    """Tables 1 and 2, row CmGI; '10e-5' (section 3.2) is read as 1e-5, schedule and stop are ours."""

    recipe: Literal["cmgi"] = setting("the recipe: stages/recipes/cmgi.py")
    task: EMOTION = setting("what is predicted")
    alpha: float = setting("weight of the CTC loss in both stages (equation 2)", ge=0, le=1)
    spelling: Literal["letters", "raw"] = setting(
        "of the true text that BERT reads in training: letters, as CTC writes its own for the test; raw: as transcribed"
    )
    width: int = setting("both modalities are projected to this width", ge=1)
    heads: int = setting("of every attention", ge=1)
    interaction: Literal["none", "sa", "ca", "cmgi"] = setting(
        "self-attention (equation 3), cross-attention (4), both (cmgi), or neither (Table 1: means side by side)"
    )
    gate: Literal["none", "mean", "temporal"] = setting(
        "mean: one per utterance, over means (equation 5); temporal: one per frame and token (6), of cmgi alone"
    )
    literal_eq3: bool = setting("self-attention over the other modality, as printed (the text says intra-modal)")
    ca_over: Literal["s", "x"] = setting("what ca attends over: s, after self-attention (equation 4), or its inputs x")
    sigmoid: Literal["last", "first"] = setting(
        "gate: last, sigmoid(f(.)), within 0 and 1; first, f(sigmoid(.)), as printed"
    )
    shared: bool = setting("all attentions have the same weights, as the equations' symbols are")
    attention: Literal["multi-head", "printed"] = setting(
        "multi-head: with biases and a last projection; printed: W^Q, W^K and W^V alone, in one head"
    )
    ctc_reduction: Literal["mean", "sum"] = setting(
        "of the CTC loss: mean over letters, then utterances, or the sum (the paper does not say)"
    )
    dropout: float = setting("in attention and before the classifier", ge=0, lt=1)
    learning_rate: float = setting("of AdamW, after warm-up over a tenth of the steps, decaying linearly", gt=0)
    batch: int = setting("utterances per forward pass", ge=1)
    stage1_freeze_cnn: bool = setting("freeze the CNN in stage 1 too (the paper freezes it in stage 2 only)")
    epochs: list[int] = setting("epochs of stage 1, all of them; limit on those of stage 2", min_length=2, max_length=2)
    patience: int = setting("epochs without a better validation UAR before stage 2 stops", ge=1)
    inputs: ClassVar = ("speech", "audio", "transcripts", "speech-weights", "text-weights")
    heavy: ClassVar = True
    transcribes: ClassVar = True

    @model_validator(mode="after")
    def _fits(self):
        if self.gate == "temporal" and self.interaction != "cmgi":
            raise ValueError(
                "gate: temporal weighs self- against cross-attention; set interaction: cmgi, or gate: mean"
            )
        if self.attention == "printed" and self.heads != 1:
            raise ValueError("attention: printed has one head; set heads: 1")
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} does not divide into {self.heads} heads; give a multiple")
        return self

    @property
    def form(self) -> dict:
        """What :class:`stages.models.cmgi.Form` is made of."""
        names = ("width", "heads", "dropout", "interaction", "gate", "literal_eq3", "ca_over", "sigmoid", "shared")
        return {name: getattr(self, name) for name in (*names, "attention")}

    def layers_read(self) -> dict[str, list[str]]:
        return {"speech": ["conv"]}


def train(row: Cmgi, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, classes], the model's arrays, notes with the hypotheses of those rows."""
    import torch

    from ..encoders import letters
    from ..models import cmgi
    from ..models.losses import ctc_loss
    from ..training.batches import shuffled
    from ..training.loop import fit, seeded, warm_up
    from ..training.weights import network
    from .fine_tuning import sizes
    from .speech_input import SpeechInput

    examples = inputs.examples
    generator = seeded(seed)
    encoder, text = inputs.speech_encoder(), inputs.text_encoder()
    model = cmgi.CmGI(encoder, text, examples.outputs, cmgi.Form(**row.form)).to(inputs.device)
    spoken = inputs.transcripts["reference"].tolist()
    read = [letters.written(t) if row.spelling == "letters" else t for t in spoken]
    labels = [torch.tensor(letters.spelled(t), dtype=torch.long) for t in spoken]
    targets = torch.from_numpy(examples.targets).to(inputs.device)

    def loss(positions, logits, spelling, lengths):
        emotion = torch.nn.functional.cross_entropy(logits.float(), targets[positions])
        words = ctc_loss(spelling, lengths, [labels[p] for p in positions], row.ctc_reduction)
        return row.alpha * words.to(emotion) + (1 - row.alpha) * emotion

    def stage(number, forward, validate, unit):
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(parameters, lr=row.learning_rate)
        steps = row.epochs[number] * -(-len(fold.train) // row.effective_batch)
        return fit(
            model,
            optimiser,
            lambda _: shuffled(fold.train, row.batch, generator),
            lambda positions: loss(positions, *forward(positions)),
            validate,
            epochs=row.epochs[number],
            patience=row.patience if validate else None,
            economy=row,
            schedule=warm_up(optimiser, steps, 0.1, decay=True),
            generator=generator,
            unit=unit,
            followed=number == 0,
        )

    def speech_only(positions):
        hidden, lengths = first.hidden(positions)
        return *model.acoustic(hidden[-1], lengths), lengths

    def with_truth(positions):
        hidden, lengths = second.hidden(positions)
        return *model(hidden[-1], lengths, *text.tokenise([read[p] for p in positions])), lengths

    first = SpeechInput(inputs, encoder, "conv" if row.stage1_freeze_cnn else "")
    before = stage(0, speech_only, None, unit.share("first") if unit else None)
    second = SpeechInput(inputs, encoder, "conv")
    scored_both = _predictor(second, model)
    after = stage(
        1, with_truth, lambda: examples.score(fold.val, np.stack([logits for logits, _ in scored_both(fold.val)])), unit
    )
    predicted = scored_both(fold.scored)
    notes = {"stage 1": before.__dict__, "history": after.__dict__, "hypotheses": [words for _, words in predicted]}
    notes |= sizes(model)
    return np.stack([logits for logits, _ in predicted]), network(model), notes


def restored(row: Cmgi, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from ..models import cmgi
    from ..training.weights import filled
    from .speech_input import SpeechInput

    encoder, text = inputs.speech_encoder(), inputs.text_encoder()
    model = filled(cmgi.CmGI(encoder, text, inputs.outputs, cmgi.Form(**row.form)), arrays)
    predictor = _predictor(SpeechInput(inputs, encoder, "conv"), model)
    return lambda positions: np.stack([logits for logits, _ in predictor(positions)])


def _predictor(speech, model):
    """Positions -> logits and hypothesis of each utterance, from its audio alone."""
    from ..encoders.letters import greedy
    from ..training.weights import on_cpu
    from .speech_input import in_batches

    def predict(positions):
        hidden, lengths = speech.hidden(positions)
        texts = greedy(model.ctc(hidden[-1]), lengths)
        logits, _ = model(hidden[-1], lengths, *model.text.tokenise(texts))
        return list(zip(on_cpu(logits), texts, strict=True))

    return lambda positions: in_batches(positions, speech.lengths, 16, predict)
