"""CTC on the sentences that the unlabelled speech says: the analogue of HuBERT's and wav2vec 2.0's ``-960h`` encoders.

One linear layer over the last hidden states spells letters (Hsu et al. 2021, section IV-C). The trained layer stays in
the encoder's file, so that a recipe with a CTC head of its own (CmGI) can begin with it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import model_validator

from ..config.settings import setting
from ..runtime.reporting import log
from ..stores.scratch import Unit
from .codebooks import Audio
from .section import SpeechPretraining


class CtcTraining(SpeechPretraining):
    """A pretrained speech encoder, trained on to spell what is said."""

    recipe: Literal["ctc"] = setting("the recipe: stages/pretraining/ctc.py")
    phrases: float = setting("share of the utterances that say words in random order, no sentences", ge=0, le=1)
    held_out: float = setting("share of the voices, the last ones, kept for the word error rate", gt=0, lt=1)
    freeze_cnn: bool = setting("keep the CNN as it was pretrained")

    @model_validator(mode="after")
    def _fits(self):
        if not self.source:
            raise ValueError("source: name the pretrained encoder to start from")
        return self


@dataclass
class Spoken:
    """Unlabelled audio with its sentences [utterances] and voices [utterances]."""

    audio: Audio
    sentences: list[str]
    voices: list[str]


def train(section: CtcTraining, spoken: Spoken, device, unit: Unit):
    """The :class:`stages.encoders.speech.SpeechEncoder` in eval mode, with its head, and notes for its header.

    The notes have the word error rate (WER, greedy) of the voices held out.
    """
    import jiwer
    import torch

    from ..encoders.batching import collate, plan
    from ..encoders.letters import LABELS, greedy, spelled
    from ..encoders.speech import RATE
    from ..models.losses import ctc_loss
    from . import loop
    from .hubert import started

    torch.manual_seed(section.seed)
    encoder = started(section).to(device)
    head = torch.nn.Linear(encoder.width, LABELS).to(device)
    if encoder.letters:
        head.load_state_dict(encoder.letters)
    if section.freeze_cnn:
        encoder.freeze_cnn()
    model = torch.nn.ModuleDict({"encoder": encoder, "head": head})
    cast = sorted(set(spoken.voices))
    apart = set(cast[-max(1, round(section.held_out * len(cast))) :])
    heard = np.array([i for i, voice in enumerate(spoken.voices) if voice not in apart])
    tested = [i for i, voice in enumerate(spoken.voices) if voice in apart]
    batches = [heard[batch] for batch in plan(spoken.audio.lengths[heard], section.batch_seconds * RATE)]
    labels = [torch.tensor(spelled(text), dtype=torch.long) for text in spoken.sentences]

    def letters(batch):
        waves, lengths = collate([spoken.audio.read(int(i)) for i in batch])
        hidden, frames = encoder(waves.to(device), lengths.to(device))
        return head(hidden[-1]), frames.cpu()

    def loss_at(step, generator):
        batch = loop.batch_at(section.seed, batches, step)
        logits, frames = letters(batch)
        return ctc_loss(logits, frames, [labels[i] for i in batch])

    notes = loop.train(model, loss_at, section, section.seed, unit)
    hypotheses = []
    with torch.inference_mode():
        for i in tested:
            hypotheses += greedy(*letters([i]))
    wer = jiwer.wer([spoken.sentences[i] for i in tested], hypotheses)
    log.info("WER %.1f %% on %d utterances of %d voices held out", 100 * wer, len(tested), len(apart))
    encoder.letters = {name: value.detach().cpu().clone() for name, value in head.state_dict().items()}
    return encoder.eval(), {"training": notes, "wer": wer, "held_out": sorted(apart)}
