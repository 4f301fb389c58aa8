"""Normalised frame sequences of a feature store, in minibatches."""

from typing import TYPE_CHECKING

import numpy as np

from stages.recipes.normaliser import Moments, Normaliser
from stages.stores.features import FeatureStore

if TYPE_CHECKING:
    import torch


class Frames:
    """Minibatches of layers of a store, normalised, cut at ``max_seconds``; kept in memory while they fit.

    Parameters
    ----------
    rows
        Position in the store of every utterance.
    memory
        Bytes of normalised float32 frames to keep; beyond that they are read again each time. Results are the same.
    """

    def __init__(self, store: FeatureStore, rows: np.ndarray, layers: list[str], max_seconds: float, memory: float):
        self.store, self.rows, self.layers = store, rows, layers
        self.hop = float(store.attributes["hop"])
        self.limit = round(max_seconds / self.hop) if self.hop and max_seconds else None
        self.moments = [Moments(store, layer) for layer in layers]
        self.memory = memory
        self.width = store.width(layers[0])
        self.normaliser: Normaliser | None = None
        self.fitted_on: list[str] = []

    def normalise(self, kind: str, speakers: np.ndarray, train: np.ndarray, stored=None) -> None:
        """Set the normalisation (see :class:`Normaliser`); ``train`` are positions of utterances."""
        by_row = np.empty(len(self.store), speakers.dtype)
        by_row[self.rows] = speakers
        self.normaliser = Normaliser(kind, self.moments, by_row, self.rows[train], stored)
        self.kept: dict[int, torch.Tensor] = {}
        self.free = self.memory

    def one(self, position: int) -> "torch.Tensor":
        """Frames float32 [layers, frames, width] of one utterance."""
        import torch

        if position in self.kept:
            return self.kept[position]
        row = self.rows[position]
        stacked = np.stack([self.store.read(layer, row)[: self.limit] for layer in self.layers])
        frames = torch.from_numpy(self.normaliser.apply(stacked.astype(np.float32), row))
        size = frames.numel() * 4
        if size <= self.free:
            self.kept[position], self.free = frames, self.free - size
        return frames

    def batch(self, positions: np.ndarray) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Frames laid end to end [layers, sum of lengths, width] and lengths [batch]."""
        import torch

        found = [self.one(int(p)) for p in positions]
        return torch.cat(found, 1), torch.tensor([f.shape[1] for f in found])

    def padded(self, positions: np.ndarray) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Frames of a single layer [batch, longest, width], zero-padded, and lengths [batch]."""
        import torch

        found = [self.one(int(p))[0] for p in positions]
        lengths = torch.tensor([len(f) for f in found])
        return torch.nn.utils.rnn.pad_sequence(found, batch_first=True), lengths

    def means(self) -> np.ndarray:
        """Normalised mean frame of every utterance [utterances, layers, width], uncut."""
        pooled = np.stack([m.means for m in self.moments], 1)
        group = self.normaliser.group
        return ((pooled - self.normaliser.mean[group]) / self.normaliser.scale[group])[self.rows]
