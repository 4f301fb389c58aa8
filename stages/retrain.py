"""Retrain a speech encoder by masked prediction of pseudo-labels, one head per scale: stage 2 of Pan 2024.

Reads manifest, protocol, the encoder's cached CNN output (or the audio), the pseudo-labels; params ``retrain.NAME``,
``studies.STUDY.seeds``. Training utterances only. Writes the retrained encoders (safetensors).
"""

import numpy as np

from .config.settings import setting
from .recipes import pan_stages
from .recipes.chain import START
from .runtime import process
from .training.economy import Economy


class Retrain(Economy):
    """Masked prediction as in HuBERT, cross-entropy on masked frames alone (section 3.2)."""

    speech: str = setting("speech encoder, a name in encoders; study: the study's own")
    start: str = setting(START)
    cluster: str = setting("an entry of cluster: the pseudo-labels")
    mask_prob: float = setting(
        "fairseq's mask_prob: share of frames that spans would cover without overlap", gt=0, lt=1
    )
    mask_length: int = setting("frames per masked span", ge=1)
    hidden: int = setting("units of LinearP", ge=1)
    freeze_cnn: bool = setting("keep the CNN as it was pretrained (the paper is silent: a deviation)")
    learning_rate: float = setting("of Adam, constant after warm-up over 5 % of the steps", gt=0)
    batch: int = setting("utterances per forward pass", ge=1)
    epochs: int = setting("epochs, all of them", ge=1)
    threads: int = setting("threads of the job (another number rounds differently)", ge=1)


def main(args) -> None:
    pan_stages.run("retrain", Retrain, retrained, **pan_stages.asked(args))


def retrained(section: Retrain, inputs, fold, seed: int, unit):
    """The encoder's arrays (``encoder/...``) after masked prediction on the training rows, and notes."""
    import torch

    from .models.gmp import PseudoLabeller
    from .pretraining.span_mask import span_mask
    from .recipes.fine_tuning import begun
    from .recipes.speech_input import SpeechInput
    from .training.batches import bucketed
    from .training.loop import fit, seeded, warm_up
    from .training.weights import as_arrays

    examples = inputs.examples
    labels = {name.removeprefix("labels/"): found for name, found in inputs.labels(fold, seed).items()}
    scales = sorted(int(name) for name in labels if name.isdigit())
    ends = np.cumsum(labels["counts"])
    where = {int(row): (int(e - c), int(e)) for row, c, e in zip(labels["rows"], labels["counts"], ends, strict=True)}
    generator = seeded(seed)
    encoder = begun(inputs, section.start, fold, seed)
    speech = SpeechInput(inputs, encoder, "conv" if section.freeze_cnn else "")
    model = PseudoLabeller(encoder, section.hidden, scales).to(inputs.device)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=section.learning_rate)
    steps = section.epochs * -(-len(fold.train) // section.effective_batch)

    def masked(positions, chance):
        """Per scale, logits [masked frames, scale] and labels [masked frames]."""
        conv, lengths = speech.entry(positions)
        own = torch.from_numpy(speech.lengths[positions])
        mask = span_mask(own, conv.shape[1], section.mask_prob, section.mask_length, chance)
        hidden = mask.to(inputs.device)
        states = encoder.context(conv, lengths, mask_time_indices=hidden)[-1][hidden]
        for scale, logits in zip(scales, model(states), strict=True):
            whole = torch.zeros(mask.shape, dtype=torch.long)
            for i, position in enumerate(positions):
                start, end = where[int(position)]
                whole[i, : end - start] = torch.from_numpy(labels[str(scale)][start:end].astype(np.int64))
            yield logits.float(), whole[mask].to(inputs.device)

    def loss_of(positions):
        losses = [torch.nn.functional.cross_entropy(*pair) for pair in masked(positions, generator)]
        return torch.stack(losses).mean()

    def accuracy(positions):
        with torch.no_grad():
            return [float((x.argmax(1) == y).float().mean()) for x, y in masked(positions, generator)]

    history = fit(
        model,
        optimiser,
        lambda _: bucketed(fold.train, speech.lengths, section.batch, generator),
        loss_of,
        None,
        epochs=section.epochs,
        economy=section,
        schedule=warm_up(optimiser, steps, 0.05, decay=False),
        generator=generator,
        unit=unit,
    )
    right = [accuracy(fold.val[i : i + section.batch]) for i in range(0, len(fold.val), section.batch)]
    notes = {"history": history.__dict__, "seen": examples.names(fold.train)}
    notes["masked accuracy on validation rows"] = dict(zip(map(str, scales), np.mean(right, 0).tolist(), strict=True))
    return as_arrays(encoder.state_dict(), "encoder/"), notes


if __name__ == "__main__":
    process.run(main, __doc__, pan_stages.arguments)
