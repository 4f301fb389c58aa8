"""Gao 2024: HuBERT and BERT trained together for emotion, joined by the gated interaction, or any part of that.

The paper's first stage, HuBERT for emotion and CTC, is an entry of ``adapt`` that rows share. BERT reads what was said
in training; at test it reads the model's own CTC output (greedy), or words that are given.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import model_validator

from ..config.settings import setting
from ..training.economy import Economy
from .chain import START
from .system_config import EMOTION, System

if TYPE_CHECKING:
    from .recipe_inputs import RecipeInputs, TrainingInputs


class Cmgi(Economy, System):
    """Rows of Tables 1 and 2; '10e-5' (section 3.2) is read as 1e-5, schedule and stop are ours.

    With the encoder of ``start`` go its CTC head and, where nothing is read, its emotion head.
    """

    recipe: Literal["cmgi"] = setting("the recipe: stages/recipes/cmgi.py")
    task: EMOTION = setting("what is predicted")
    start: str = setting(START)
    audio: bool = setting("hear speech; false: given words alone (Table 1, experiment 8)")
    words: Literal["own", "given", "none"] = setting(
        "read at test: own, what CTC spells; given, transcripts; none (1 and 2)"
    )
    alpha: float = setting("weight of the CTC loss (equation 2); 0: no recognition, and no CTC head", ge=0, lt=1)
    ctc_reduction: Literal["mean", "sum"] = setting(
        "of the CTC loss: mean over letters, then utterances, or the sum", ours=True
    )
    decoding: Literal["greedy", "lexicon"] = setting(
        "of what CTC spells; lexicon: then the nearest words that BERT knows", ours=True
    )
    spelling: Literal["letters", "raw"] = setting(
        "of what is read but not spelt here: letters, as CTC writes; raw", ours=True
    )
    interaction: Literal["none", "sa", "ca", "cmgi"] = setting(
        "self-attention (equation 3), cross-attention (4), both, or neither"
    )
    gate: Literal["none", "mean", "temporal"] = setting(
        "mean: over means (equation 5); temporal: of frames and tokens (6), in cmgi"
    )
    literal_eq3: bool = setting("self-attention over the other modality, as printed", ours=True)
    ca_over: Literal["s", "x"] = setting(
        "what ca attends over: s, after self-attention (equation 4), or its inputs x", ours=True
    )
    sigmoid: Literal["last", "first"] = setting(
        "gate: last, sigmoid(f(.)), within 0 and 1; first, f(sigmoid(.)), as printed", ours=True
    )
    shared: bool = setting("all attentions have the same weights, as the equations' symbols are", ours=True)
    attention: Literal["multi-head", "printed"] = setting(
        "printed: one head of W^Q, W^K, W^V; else biases and a projection too", ours=True
    )
    width: int = setting("both modalities are projected to this width", ours=True, ge=1)
    heads: int = setting("of every attention", ours=True, ge=1)
    dropout: float = setting("in attention and before the classifier", ours=True, ge=0, lt=1)
    learning_rate: float = setting("of AdamW, after warm-up over a tenth of the steps, decaying linearly", gt=0)
    batch: int = setting("utterances per forward pass", ge=1)
    epochs: int = setting("limit on epochs; 0: what start made of speech is scored as it is", ours=True, ge=0)
    patience: int = setting("epochs without a better validation UAR before stopping", ours=True, ge=1)
    inputs: ClassVar = ("speech", "audio", "transcripts", "speech-weights", "text-weights", "start")
    heavy: ClassVar = True

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
        if not self.audio and (self.words != "given" or self.start or self.alpha):
            raise ValueError("audio: false hears nothing to spell; set words: given, start: '' and alpha: 0.0")
        if self.decoding == "lexicon" and self.words != "own":
            raise ValueError("decoding: lexicon serves words: own; set decoding: greedy")
        if self.words == "own" and not self.alpha:
            raise ValueError("words: own are what CTC spells; set alpha above 0, or words: given")
        if not self.epochs and (self.words != "none" or not self.start):
            raise ValueError("epochs: 0 scores what start made of speech alone; name a start, and set words: none")
        return self

    @property
    def transcribes(self) -> bool:
        return self.words != "given"

    @property
    def starts_from(self) -> str:
        return self.start

    @property
    def columns(self) -> tuple[str, ...]:
        gates = {"none": (), "mean": ("gate_speech",), "temporal": ("gate_speech", "gate_words")}
        return gates[self.gate] if self.audio and self.words != "none" else ()

    @property
    def learns_words(self) -> bool:
        return bool(self.epochs) and (self.words != "none" or self.alpha > 0)

    @property
    def form(self) -> dict:
        """What :class:`stages.models.cmgi.Form` is made of."""
        names = ("width", "heads", "dropout", "interaction", "gate", "literal_eq3", "ca_over", "sigmoid", "shared")
        return {name: getattr(self, name) for name in (*names, "attention")}

    def files(self) -> tuple[str, ...]:
        without = set() if self.start else {"start"}
        if not self.audio:
            without |= {"speech", "audio", "speech-weights"}
        if self.words == "none":
            without |= {"text-weights"} | (set() if self.learns_words else {"transcripts"})
        return tuple(name for name in self.inputs if name not in without)

    def layers_read(self) -> dict[str, list[str]]:
        return {"speech": ["conv"]} if self.audio else {}

    def given_words(self) -> "Cmgi":
        return self.model_copy(update={"words": "given", "decoding": "greedy"}) if self.words == "own" else self


def train(row: Cmgi, inputs: "TrainingInputs", fold, seed: int, unit):
    """Outputs for ``fold.scored`` [rows, classes + columns], the model's arrays, notes with what CTC spelled there."""
    from ..training.loop import seeded
    from ..training.weights import network
    from .emotion_and_words import EmotionAndWords, fitted, own_words
    from .fine_tuning import sizes

    examples, generator = inputs.examples, seeded(seed)
    model, speech = _model(row, inputs, examples.outputs)
    if row.start:
        _begin(row, model, inputs.start(fold, seed))
    speech = speech and speech()
    predict = _predictor(row, inputs, model, speech)
    notes: dict = {}
    if row.epochs:
        two = EmotionAndWords(inputs, fold, row.alpha, row.ctc_reduction, speech and speech.lengths)
        told = _written(row, own_words(inputs, fold)) if row.words != "none" else None

        def loss_of(positions):
            heard = _heard(speech, positions)
            read = model.text.tokenise([told[p] for p in positions]) if told else None
            return two.loss(positions, model(heard, read), heard and heard[1])

        def score():
            return examples.score(fold.val, predict(fold.val)[0][:, : examples.outputs])

        lengths = speech.lengths if speech else np.array([len(text) for text in told])
        notes["history"] = fitted(row, model, loss_of, score, fold, lengths, generator, unit, row.patience)
        notes |= two.notes
    model.eval()
    outputs, spelled = predict(fold.scored)
    notes |= sizes(model) | ({"hypotheses": spelled} if model.ctc else {})
    return outputs, network(model), notes


def restored(row: Cmgi, inputs: "RecipeInputs", arrays: dict):
    """The outputs of a trained unit, as a function of positions; see :mod:`stages.recipes`."""
    from ..training.weights import filled

    model, speech = _model(row, inputs, inputs.outputs)
    predict = _predictor(row, inputs, filled(model, arrays), speech and speech())
    return lambda positions: predict(positions)[0]


def _model(row: Cmgi, inputs, classes: int):
    """The model, its encoders as they come, and what opens its speech once the weights below the CNN are known."""
    from ..models.cmgi import CmGI, Form
    from .speech_input import SpeechInput

    encoder = inputs.speech_encoder() if row.audio else None
    text = inputs.text_encoder() if row.words != "none" else None
    model = CmGI(encoder, text, classes, Form(**row.form), row.alpha > 0).to(inputs.device)
    return model, (lambda: SpeechInput(inputs, encoder, "conv")) if encoder else None


def _begin(row: Cmgi, model, arrays: dict) -> None:
    """Put the encoder of another stage into ``model``, and those of its heads that both have."""
    from ..encoders.checkpoint import fill
    from ..training.weights import as_tensors

    fill(model.speech, as_tensors(arrays, "encoder/"), f"start: {row.start}")
    heads = as_tensors(arrays, "head/")
    for name, layer in (("ctc.", model.ctc), ("out.", model.out if row.words == "none" else None)):
        found = {key.removeprefix(name): value for key, value in heads.items() if key.startswith(name)}
        if layer is not None and found:
            fill(layer, found, f"start: {row.start}: {name}")


def _written(row: Cmgi, texts: list[str]) -> list[str]:
    from ..encoders.letters import written

    return [written(text) for text in texts] if row.spelling == "letters" else texts


def _heard(speech, positions):
    if speech is None:
        return None
    hidden, lengths = speech.hidden(positions)
    return hidden[-1], lengths


def _predictor(row: Cmgi, inputs, model, speech):
    """Positions -> outputs [positions, classes + columns] and, with a CTC head, what it spelled."""
    import torch

    from ..encoders.letters import greedy
    from ..encoders.lexicon import Lexicon
    from ..training.weights import on_cpu
    from .speech_input import in_batches

    given = _written(row, inputs.texts) if row.words == "given" else None
    lengths = speech.lengths if speech else np.array([len(text) for text in given])
    lexicon = Lexicon(model.text.vocabulary) if row.decoding == "lexicon" else None

    def predict(positions):
        heard = _heard(speech, positions)
        spelled = greedy(model.ctc(heard[0]), heard[1]) if model.ctc else [""] * len(positions)
        spelled = list(map(lexicon.corrected, spelled)) if lexicon else spelled
        texts = {"own": spelled, "given": given and [given[p] for p in positions], "none": None}[row.words]
        said = model(heard, texts and model.text.tokenise(texts))
        return list(zip(on_cpu(torch.cat([said.emotion, said.gates], 1)), spelled, strict=True))

    def predicted(positions):
        found = in_batches(positions, lengths, 16, predict)
        return np.stack([outputs for outputs, _ in found]), [words for _, words in found]

    return predicted
