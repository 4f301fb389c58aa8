"""The batches of an epoch: arrays of positions, drawn from a generator."""

import numpy as np
import torch


def shuffled(
    positions: np.ndarray, size: int, generator: torch.Generator, drop_last=False, wrap=False
) -> list[np.ndarray]:
    """``positions`` in random order, in batches of ``size``.

    ``drop_last`` leaves an incomplete last batch out, ``wrap`` fills it up with the first positions. A whole epoch is
    never dropped: fewer positions than ``size`` make one batch.
    """
    order = positions[torch.randperm(len(positions), generator=generator).numpy()]
    if wrap and len(order) > size:
        order = np.concatenate([order, order[: -len(order) % size]])
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    if drop_last and len(batches) > 1 and len(batches[-1]) < size:
        batches.pop()
    return batches


def bucketed(positions: np.ndarray, lengths: np.ndarray, size: int, generator: torch.Generator) -> list[np.ndarray]:
    """Random batches of similar length: shuffled, sorted by length within eight batches' worth, batches shuffled.

    ``lengths`` [utterances] are those of all utterances. All batches are whole, for a correlation over few rows is
    noise: what is over is left out by chance, before anything is sorted, so that every utterance is left out equally
    often (de Oliveira 2023 buckets by length; a batch's correlation of length and label is the price). A whole epoch is
    never dropped: fewer positions than ``size`` make one batch.
    """
    order = positions[torch.randperm(len(positions), generator=generator).numpy()]
    if len(order) > size:
        order = order[: len(order) // size * size]
    chunks = [order[i : i + 8 * size] for i in range(0, len(order), 8 * size)]
    order = np.concatenate([chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks])
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
