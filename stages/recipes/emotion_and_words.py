"""Gao 2024, what its two stages share: emotion and CTC as one loss, and how it is minimised."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..runtime.errors import UserError
from ..runtime.reporting import log
from ..training.economy import Economy

if TYPE_CHECKING:
    from .recipe_inputs import TrainingInputs

UNSPELT = "unspelt"
"""The note with the training utterances that have fewer frames than CTC needs for their words."""


class EmotionAndWords:
    """alpha CTC + (1 - alpha) cross-entropy over emotion (equation 2), on a fold's training rows.

    Parameters
    ----------
    alpha
        0: emotion alone, and no words are read.
    reduction
        Of the CTC loss, see :func:`stages.models.losses.ctc_loss`.
    frames
        Of every utterance, int [utterances].

    Attributes
    ----------
    notes : dict
        :data:`UNSPELT`, where there are such; they count as zero in the CTC loss.

    Raises
    ------
    UserError
        No training row has words.
    """

    def __init__(self, inputs: "TrainingInputs", fold, alpha: float, reduction: str, frames: np.ndarray | None):
        import torch

        from ..encoders import letters

        self.alpha, self.reduction, self.notes = alpha, reduction, {}
        self.targets = torch.from_numpy(inputs.examples.targets).to(inputs.device)
        if not alpha:
            return
        spelled = [letters.spelled(text) for text in own_words(inputs, fold)]
        self.labels = [torch.tensor(each, dtype=torch.long) for each in spelled]
        long = [p for p in fold.train.tolist() if letters.needed(spelled[p]) > frames[p]]
        if long:
            names = inputs.examples.names(np.array(long))
            self.notes = {UNSPELT: names}
            log.warning(
                "%d of %d training utterances have fewer frames than CTC needs, and teach it nothing: %s",
                len(long),
                len(fold.train),
                ", ".join(names),
            )

    def loss(self, positions, said, lengths):
        """Of what a model said of utterances (:class:`stages.models.cmgi.Said`) with so many frames: a scalar."""
        import torch

        from ..models.losses import ctc_loss

        emotion = torch.nn.functional.cross_entropy(said.emotion.float(), self.targets[positions])
        if not self.alpha:
            return emotion
        words = ctc_loss(said.letters, lengths, [self.labels[p] for p in positions], self.reduction)
        return self.alpha * words.to(emotion) + (1 - self.alpha) * emotion


def own_words(inputs: "TrainingInputs", fold) -> list[str]:
    """What was said in every utterance, as the corpus transcribes it.

    Raises
    ------
    UserError
        No training row of the fold has a word that CTC could spell.
    """
    from ..encoders.letters import written

    said = inputs.transcripts["reference"].tolist()
    if not any(written(said[p]) for p in fold.train):
        raise UserError(
            f"{inputs.paths['transcripts']}: fold {fold.number}: no training utterance has a word of its own (column"
            " reference), and CTC and the text encoder learn from these; fill the corpus' column text, or take rows"
            " without words"
        )
    return said


def fitted(
    settings: Economy,
    model,
    loss_of: Callable,
    validate: Callable | None,
    fold,
    lengths: np.ndarray,
    generator,
    unit,
    patience: int | None,
) -> dict:
    """Train ``model`` on ``settings.epochs`` epochs at most and return the history.

    AdamW, its rate rising over a tenth of the steps and falling linearly to zero; batches of similar ``lengths``
    [utterances] (ours: the paper names neither; random batches of planted speech are half padding).
    """
    import torch

    from ..training.batches import bucketed
    from ..training.loop import fit, warm_up

    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate)
    steps = settings.epochs * -(-len(fold.train) // settings.effective_batch)
    history = fit(
        model,
        optimiser,
        lambda _: bucketed(fold.train, lengths, settings.batch, generator),
        loss_of,
        validate,
        epochs=settings.epochs,
        patience=patience,
        economy=settings,
        schedule=warm_up(optimiser, steps, 0.1, decay=True),
        generator=generator,
        unit=unit,
    )
    return history.__dict__


def adapted(section, inputs: "TrainingInputs", fold, seed: int, unit):
    """Stage 1: the speech encoder (``encoder/...``) and its heads (``head/...``) after training, and notes.

    ``section`` is an entry of ``adapt`` whose task is ``ctc``. Without patience all epochs are trained: a stop on
    emotion would come before CTC has left the blank, and stage 2 would be tested without words.
    """
    from ..models import cmgi
    from ..training.loop import seeded
    from ..training.weights import as_arrays
    from .fine_tuning import predictor, sizes
    from .speech_input import SpeechInput

    examples, generator = inputs.examples, seeded(seed)
    encoder, alpha = inputs.speech_encoder(), 1 - section.emotion_weight
    speech = SpeechInput(inputs, encoder, "conv" if section.freeze_cnn else "")
    two = EmotionAndWords(inputs, fold, alpha, section.ctc_reduction, speech.lengths)
    form = cmgi.Form(width=encoder.width, heads=1, dropout=0.0)
    model = cmgi.CmGI(encoder, None, examples.outputs, form, bool(alpha)).to(inputs.device)

    def loss_of(positions):
        hidden, lengths = speech.hidden(positions)
        return two.loss(positions, model((hidden[-1], lengths), None), lengths)

    def emotion(positions):
        hidden, lengths = speech.hidden(positions)
        return model((hidden[-1], lengths), None).emotion

    outputs = predictor(speech, emotion, section.batch)
    score = (lambda: examples.score(fold.val, outputs(fold.val))) if section.patience else None
    history = fitted(section, model, loss_of, score, fold, speech.lengths, generator, unit, section.patience or None)
    heads = {name: value for name, value in model.state_dict().items() if not name.startswith("speech.")}
    notes = {"history": history, "seen": examples.names(fold.train), **two.notes, **sizes(model)}
    return as_arrays(encoder.state_dict(), "encoder/") | as_arrays(heads, "head/"), notes
