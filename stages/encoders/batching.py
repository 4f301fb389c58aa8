"""Which utterances share a batch: the same code for every encoder, in extraction and in training."""

import numpy as np


def plan(lengths: np.ndarray, limit: float) -> list[np.ndarray]:
    """Batches of positions of similar length, the longest first, so that lack of memory shows at once.

    Parameters
    ----------
    lengths
        Length of every utterance [utterances], in any unit.
    limit
        Largest padded size of a batch, its number of rows times its longest length, in the same unit. An utterance
        that is longer alone makes a batch of its own.

    The result depends on nothing but the arguments: ties keep the given order.
    """
    lengths = np.asarray(lengths)
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        rows = max(1, int(limit // max(lengths[order[start]], 1e-9)))
        batches.append(order[start : start + rows])
        start += rows
    return batches


def collate(waves: list[np.ndarray]):
    """Zero-padded waveforms float32 [batch, samples] and their lengths int64 [batch], as torch tensors."""
    import torch

    lengths = torch.tensor([len(wave) for wave in waves])
    padded = torch.zeros(len(waves), int(lengths.max()))
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32))
    return padded, lengths
