"""Adapt a speech encoder to emotion and another task: one encoder per fold and seed.

Stage 1 of Pan 2024 (section 3.1), whose other task is the speaker's gender (pseudo-labels come from the encoder), and
of Gao 2024 (section 3.2), whose other task is CTC.

Reads manifest, protocol, transcripts (for CTC), the encoder's cached CNN output (or the audio, where the CNN trains
too); params ``adapt.NAME``, ``studies.STUDY.seeds``. Writes the adapted encoders (``encoder/...``) with their heads
(``head/...``).
"""

from typing import Literal

import numpy as np

from .config.settings import setting
from .recipes import chain_job, emotion_and_words
from .runtime import process
from .training.economy import Economy


class Adapt(Economy):
    """Training of the encoder for emotion and gender or words, loss 0.9 CE(emotion) + 0.1 of the other (equation 1)."""

    speech: str = setting("speech encoder, a name in encoders; study: the study's own")
    task: Literal["gender", "emotion", "ctc"] = setting(
        "gender: beside emotion; emotion: alone; ctc: words beside it (Gao 2024)"
    )
    emotion_weight: float = setting(
        "alpha_e, of emotion beside another task; with ctc 1.0: emotion alone",
        ge=0,
        le=1,
    )
    ctc_reduction: Literal["mean", "sum"] = setting(
        "of the CTC loss: mean over letters, then utterances, or the sum", ours=True
    )
    lstm: int = setting("units per direction of the BiLSTM; ctc has none", ours=True, ge=1)
    hidden: int = setting("units of LinearP; ctc has a linear layer over the mean alone", ours=True, ge=1)
    freeze_cnn: bool = setting("keep the CNN as it was pretrained", ours=True)
    learning_rate: float = setting("of Adam, constant after 5 % of the steps; of ctc as the recipe cmgi has it", gt=0)
    batch: int = setting("utterances per forward pass", ge=1)
    epochs: int = setting("limit on epochs", ours=True, ge=1)
    patience: int = setting(
        "epochs without a better validation UAR before stopping; 0: never, last kept", ours=True, ge=0
    )
    threads: int = setting("threads of the job (another number rounds differently)", ge=1)


def main(args) -> None:
    chain_job.run("adapt", Adapt, adapted, **chain_job.asked(args))


def adapted(section: Adapt, inputs, fold, seed: int, unit):
    """Encoder (``encoder/...``) and heads (``head/...``) after training on the fold's training rows, and notes."""
    if section.task == "ctc":
        return emotion_and_words.adapted(section, inputs, fold, seed, unit)
    import torch

    from .models.gmp import Adapter
    from .recipes.speech_input import SpeechInput, in_batches
    from .training.batches import bucketed
    from .training.loop import fit, seeded, warm_up
    from .training.weights import as_arrays, on_cpu

    examples = inputs.examples
    generator = seeded(seed)
    encoder, both = inputs.speech_encoder(), section.task == "gender"
    speech = SpeechInput(inputs, encoder, "conv" if section.freeze_cnn else "")
    model = Adapter(encoder, section.lstm, section.hidden, examples.outputs, both).to(inputs.device)
    gender = np.array(examples.manifest["gender"].map({"female": 0, "male": 1}).fillna(-100), int)
    emotion, gender = (torch.from_numpy(found).to(inputs.device) for found in (examples.targets, gender))
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=section.learning_rate)
    steps = section.epochs * -(-len(fold.train) // section.effective_batch)

    def forward(positions):
        hidden, lengths = speech.hidden(positions)
        return model(hidden[-1], lengths)

    def loss_of(positions):
        by_emotion, by_gender = forward(positions)
        loss = torch.nn.functional.cross_entropy(by_emotion.float(), emotion[positions])
        if not both:
            return loss
        loss = section.emotion_weight * loss
        known = gender[positions]
        if (known >= 0).any():
            loss = loss + (1 - section.emotion_weight) * torch.nn.functional.cross_entropy(by_gender.float(), known)
        return loss

    def score():
        found = in_batches(fold.val, speech.lengths, section.batch, lambda b: on_cpu(forward(b)[0]))
        return examples.score(fold.val, np.stack(found))

    history = fit(
        model,
        optimiser,
        lambda _: bucketed(fold.train, speech.lengths, section.batch, generator),
        loss_of,
        score if section.patience else None,
        epochs=section.epochs,
        economy=section,
        patience=section.patience or None,
        schedule=warm_up(optimiser, steps, 0.05, decay=False),
        generator=generator,
        unit=unit,
    )
    notes = {"history": history.__dict__, "seen": examples.names(fold.train)}
    heads = {name: value for name, value in model.state_dict().items() if not name.startswith("speech.")}
    return as_arrays(encoder.state_dict(), "encoder/") | as_arrays(heads, "head/"), notes


if __name__ == "__main__":
    process.run(main, __doc__, chain_job.arguments)
