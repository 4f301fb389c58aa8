"""Retrain a speech encoder by masked prediction of pseudo-labels, one head per scale: stage 2 of Pan 2024.

Reads manifest, protocol, the encoder's cached CNN output (or the audio), the pseudo-labels; params ``retrain.NAME``,
``studies.STUDY.seeds``. Training utterances only. Writes the retrained encoders (safetensors), and in their notes how
often the masked units of validation utterances were found.
"""

import numpy as np

from .config.settings import setting
from .recipes import chain_job, codebooks
from .recipes.chain import START
from .runtime import process
from .runtime.errors import UserError
from .training.economy import Economy


class Retrain(Economy):
    """Masked prediction as in HuBERT, cross-entropy on masked frames alone (section 3.2)."""

    speech: str = setting("speech encoder, a name in encoders; study: the study's own")
    start: str = setting(START)
    cluster: str = setting("an entry of cluster: the pseudo-labels")
    layer: int = setting("one of its layers: whose pseudo-labels, at all scales", le=-1)
    shuffle: bool = setting("give every training frame the label of another: a control of the same frequencies")
    least_perplexity: float = setting(
        "a codebook whose labels' perplexity is below this share of its centroids has collapsed and is refused",
        ours=True,
        ge=0,
        lt=1,
    )
    mask_prob: float = setting(
        "fairseq's mask_prob: share of frames that spans would cover without overlap", gt=0, lt=1
    )
    mask_length: int = setting("frames per masked span", ge=1)
    min_masks: int = setting("masked spans per utterance at least", ge=1)
    hidden: int = setting("units of LinearP", ours=True, ge=1)
    freeze_cnn: bool = setting("keep the CNN as it was pretrained", ours=True)
    learning_rate: float = setting("of Adam, constant after warm-up over 5 % of the steps", gt=0)
    batch: int = setting("utterances per forward pass", ge=1)
    epochs: int = setting("epochs, all of them", ours=True, ge=1)
    threads: int = setting("threads of the job (another number rounds differently)", ge=1)


def main(args) -> None:
    chain_job.run("retrain", Retrain, retrained, **chain_job.asked(args))


class PseudoLabels:
    """The pseudo-labels of one layer that ``cluster`` wrote, by utterance; ``scales``, in ascending order.

    ``arrays``: of a unit of ``cluster``; ``lengths``: frames that the encoder gives of every utterance [utterances].

    Raises
    ------
    UserError
        The layer was not clustered, the labels are not one per frame, or a codebook has collapsed.
    """

    def __init__(self, arrays: dict[str, np.ndarray], section: Retrain, fold, lengths: np.ndarray, seed: int):
        path, prefix = f"cluster {section.cluster}", f"labels/{section.layer}/"
        rows, counts = arrays["labels/rows"], arrays["labels/counts"]
        self._labels = {int(name.removeprefix(prefix)): a for name, a in arrays.items() if name.startswith(prefix)}
        self.scales = sorted(self._labels)
        if not self.scales:
            raise UserError(f"{path}: has no pseudo-labels of layer {section.layer}; add it to its layers")
        ends = np.cumsum(counts)
        self._where = {int(row): (int(e - c), int(e)) for row, c, e in zip(rows, counts, ends, strict=True)}
        for position in (*fold.train, *fold.val):
            start, end = self._where.get(int(position), (0, 0))
            if end - start != lengths[position]:
                raise UserError(
                    f"{path}: {end - start} labels for the {lengths[position]} frames of an utterance; both stages need"
                    " the same encoder; delete its output and run again"
                )
        train = np.concatenate([np.arange(*self._where[int(position)]) for position in fold.train])
        for scale, labels in self._labels.items():
            if len(labels) != ends[-1]:
                raise UserError(f"{path}: {len(labels)} labels for {ends[-1]} frames; delete its output and run again")
            codebooks.refuse_collapsed(labels[train], scale, section.least_perplexity, f"{path}, layer {section.layer}")
            if section.shuffle:
                self._labels[scale] = labels.copy()
                self._labels[scale][train] = codebooks.shuffled(labels[train], seed)

    def of(self, scale: int, position: int) -> np.ndarray:
        """The labels uint [frames] of one utterance."""
        start, end = self._where[position]
        return self._labels[scale][start:end]

    def commonest(self, scale: int, fold) -> float:
        """Of the frames of validation rows, the share whose unit is the one that is commonest in training."""
        train, val = (np.concatenate([self.of(scale, int(p)) for p in rows]) for rows in (fold.train, fold.val))
        return float((val == np.bincount(train).argmax()).mean())


def retrained(section: Retrain, inputs, fold, seed: int, unit):
    """The encoder's arrays (``encoder/...``) after masked prediction on the training rows, and notes.

    Raises
    ------
    UserError
        The pseudo-labels are not of these frames, or a codebook has collapsed.
    """
    import torch

    from .models.gmp import PseudoLabeller
    from .pretraining.span_mask import span_mask
    from .recipes.fine_tuning import begun
    from .recipes.speech_input import SpeechInput
    from .training.batches import bucketed
    from .training.loop import fit, seeded, warm_up
    from .training.weights import as_arrays

    examples, arrays = inputs.examples, inputs.labels(fold, seed)
    generator = seeded(seed)
    encoder = begun(inputs, section.start, fold, seed)
    speech = SpeechInput(inputs, encoder, "conv" if section.freeze_cnn else "")
    units = PseudoLabels(arrays, section, fold, speech.lengths, seed)
    model = PseudoLabeller(encoder, section.hidden, units.scales).to(inputs.device)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=section.learning_rate)
    steps = section.epochs * -(-len(fold.train) // section.effective_batch)

    def masked(positions):
        """Per scale, logits [masked frames, scale] and labels [masked frames]."""
        conv, lengths = speech.entry(positions)
        own = torch.from_numpy(speech.lengths[positions])
        mask = span_mask(own, conv.shape[1], section.mask_prob, section.mask_length, generator, section.min_masks)
        hidden = mask.to(inputs.device)
        states = encoder.context(conv, lengths, mask_time_indices=hidden)[-1][hidden]
        for scale, logits in zip(units.scales, model(states), strict=True):
            whole = torch.zeros(mask.shape, dtype=torch.long)
            for i, position in enumerate(positions):
                found = units.of(scale, int(position))
                whole[i, : len(found)] = torch.from_numpy(found.astype(np.int64))
            yield logits.float(), whole[mask].to(inputs.device)

    def loss_of(positions):
        losses = [torch.nn.functional.cross_entropy(*pair) for pair in masked(positions)]
        return torch.stack(losses).mean()

    def right(positions):
        """Per scale, masked frames whose unit was found, and all."""
        with torch.no_grad():
            return [(int((x.argmax(1) == y).sum()), len(y)) for x, y in masked(positions)]

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
    counts = np.sum([right(fold.val[i : i + section.batch]) for i in range(0, len(fold.val), section.batch)], 0)
    notes = {"history": history.__dict__, "seen": examples.names(fold.train)}
    notes["masked accuracy on validation rows"] = {
        str(scale): {"accuracy": found / every, "commonest unit": units.commonest(scale, fold)}
        for scale, (found, every) in zip(units.scales, counts.tolist(), strict=True)
    }
    return as_arrays(encoder.state_dict(), "encoder/"), notes


if __name__ == "__main__":
    process.run(main, __doc__, chain_job.arguments)
