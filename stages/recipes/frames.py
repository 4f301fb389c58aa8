"""Normalised frame sequences of a feature store, in minibatches."""

from typing import TYPE_CHECKING

import numpy as np

from ..stores.features import FeatureStore
from .normaliser import Moments, Normaliser

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
        self.moments = [self._moments(layer) for layer in layers]
        self.memory = memory
        self.width = store.width(layers[0])
        self.normaliser: Normaliser | None = None
        self.seen: list[str] = []
        """Names of the utterances that the normalisation of others came from; whoever sets it fills this in."""
        self.room: torch.Tensor | None = None

    def _moments(self, layer: str) -> Moments:
        """Those of a layer, whose map is let go, so that one layer's pages are in memory at a time."""
        moments = Moments(self.store, layer)
        self.store.release(layer)
        return moments

    def normalise(self, kind: str, speakers: np.ndarray, train: np.ndarray, stored=None) -> None:
        """Set the normalisation (see :class:`Normaliser`); ``train`` are positions of utterances."""
        by_row = np.empty(len(self.store), speakers.dtype)
        by_row[self.rows] = speakers
        self.normaliser = Normaliser(kind, self.moments, by_row, self.rows[train], stored)
        self.kept: dict[int, torch.Tensor] = {}
        self.free = self.memory

    def utterance(self, position: int) -> "torch.Tensor":
        """Frames float32 [layers, frames, width] of one utterance."""
        import torch

        if position in self.kept:
            return self.kept[position]
        frames = torch.empty(len(self.layers), self.length(position), self.width)
        self._read(position, frames)
        size = frames.numel() * 4
        if size <= self.free:
            self.kept[position], self.free = frames, self.free - size
        return frames

    def length(self, position: int) -> int:
        """Frames of one utterance."""
        row = self.rows[position]
        count = int(self.store.offsets[row + 1] - self.store.offsets[row])
        return count if self.limit is None else min(count, self.limit)

    def _read(self, position: int, place: "torch.Tensor") -> None:
        """Put one utterance's frames into ``place`` [layers, frames, width], layer by layer, while they are in cache.

        Torch widens float16 ten times as fast as numpy.
        """
        for i in range(len(self.layers)):
            self._read_layer(i, position, place[i])

    def _read_layer(self, layer: int, position: int, place: "torch.Tensor") -> None:
        import torch

        row = self.rows[position]
        stored = np.array(self.store.read(self.layers[layer], row)[: self.limit])
        self.normaliser.apply(place.copy_(torch.from_numpy(stored)), layer, row)

    def of_layer(self, layer: int, position: int) -> "torch.Tensor":
        """Frames float32 [frames, width] of one utterance in the layer with this number among ``layers``; not kept."""
        import torch

        frames = torch.empty(self.length(position), self.width)
        self._read_layer(layer, position, frames)
        return frames

    def batch(self, positions: np.ndarray) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Frames laid end to end [layers, sum of lengths, width] and lengths [batch].

        The frames are only valid until the next call, which overwrites them: every batch is read into the same
        memory, for fresh memory costs more than it takes to fill it. Clone what is to be kept.
        """
        import torch

        lengths = torch.tensor([self.length(int(p)) for p in positions])
        shape = len(self.layers), int(lengths.sum()), self.width
        if self.room is None or self.room.numel() < np.prod(shape):
            self.room = torch.empty(int(1.2 * np.prod(shape)))
        frames, start = self.room[: np.prod(shape)].view(shape), 0
        for position, length in zip(positions, lengths.tolist(), strict=True):
            place, start = frames[:, start : start + length], start + length
            position = int(position)
            if position in self.kept or self.free >= place.numel() * 4:
                place.copy_(self.utterance(position))
            else:
                self._read(position, place)
        return frames, lengths

    def padded(self, positions: np.ndarray) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Frames of a single layer [batch, longest, width], zero-padded, and lengths [batch]."""
        import torch

        frames = [self.utterance(int(p))[0] for p in positions]
        lengths = torch.tensor([len(each) for each in frames])
        return torch.nn.utils.rnn.pad_sequence(frames, batch_first=True), lengths

    def pooled(self, pooling: str) -> np.ndarray:
        """Normalised frames of every utterance, uncut, pooled [utterances, layers, columns].

        ``mean``: the mean frame, ``width`` columns; ``mean+std``: beside it the standard deviation over frames, 0 where
        there is but one. Both come from the moments, without another pass over the frames.
        """
        group = self.normaliser.group
        centre, scale = self.normaliser.mean[group], self.normaliser.scale[group]
        parts = [(np.stack([m.means for m in self.moments], 1) - centre) / scale]
        if pooling == "mean+std":
            parts.append(np.stack([m.spreads() for m in self.moments], 1) / scale)
        return np.concatenate(parts, 2)[self.rows]
