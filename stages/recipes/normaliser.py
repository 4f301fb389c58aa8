"""Feature normalisation by speaker or over the training data, with the record of what it has seen."""

from typing import TYPE_CHECKING

import numpy as np

from ..stores.features import FeatureStore

if TYPE_CHECKING:
    import torch

EPSILON = 1e-6


class Moments:
    """Mean and squared deviations of a layer per utterance, from one read; those of any set of utterances are merged.

    Each utterance's deviations are about its own mean, in float64, and sets are merged after Chan, Golub and LeVeque
    1983, so nothing large cancels, and neither order nor ``chunk`` (frames in memory) changes a utterance's figures.

    Attributes
    ----------
    counts, means, deviations
        Frames of every utterance [utterances], their mean and the sum of squared deviations from it
        [utterances, width]; 0 where there are no frames.
    """

    def __init__(self, store: FeatureStore, layer: str, chunk: int = 1 << 16):
        offsets, width = store.offsets, store.width(layer)
        self.counts = np.diff(offsets).astype(np.float64)
        self.means, self.deviations = np.zeros((2, len(store), width))
        start = 0
        while start < len(store):
            end = max(start + 1, int(np.searchsorted(offsets, offsets[start] + chunk, "right")) - 1)
            block, lengths = store.span(layer, start, end).astype(np.float64), np.diff(offsets[start : end + 1])
            filled = np.flatnonzero(lengths)
            if len(filled):
                bounds, rows = (offsets[start:end] - offsets[start])[filled], start + filled
                self.means[rows] = np.add.reduceat(block, bounds) / lengths[filled][:, None]
                block -= np.repeat(self.means[rows], lengths[filled], 0)
                self.deviations[rows] = np.add.reduceat(np.square(block, out=block), bounds)
            start = end

    def spreads(self) -> np.ndarray:
        """Standard deviation over the frames of every utterance [utterances, width]."""
        return np.sqrt(self.deviations / np.maximum(self.counts, 1)[:, None])

    def statistics(self, utterances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation [width] over all frames of ``utterances`` (positions)."""
        counts, means = self.counts[utterances][:, None], self.means[utterances]
        count = max(counts.sum(), 1)
        mean = (counts * means).sum(0) / count
        between = (counts * np.square(means - mean)).sum(0)
        return mean, np.sqrt((self.deviations[utterances].sum(0) + between) / count) + EPSILON


class Normaliser:
    """Mean and scale [groups, layers, width] per group of utterances, for several layers.

    ``speaker``: statistics of all of that speaker's utterances, test ones too (Pepino 2021: transductive, and said so
    in the report). ``global``: statistics of the training utterances alone (inductive), or ``stored`` ones, which an
    earlier normaliser's :meth:`arrays` kept. ``none``: left as it is.

    Attributes
    ----------
    seen : list of int
        Positions of the utterances that the statistics of *other* utterances came from, for the fit-scope guard;
        empty for ``speaker``, whose statistics stay with the speaker.
    """

    def __init__(self, kind: str, moments: list[Moments], speakers: np.ndarray, train: np.ndarray, stored=None):
        self.kind, self.seen = kind, [int(i) for i in train] if kind == "global" else []
        width = moments[0].means.shape[1]
        self.group = np.zeros(len(speakers), int)
        if kind == "speaker":
            names, self.group = np.unique(speakers, return_inverse=True)
            members = [np.flatnonzero(self.group == i) for i in range(len(names))]
        else:
            members = [train]
        if kind == "none":
            self.mean, self.scale = np.zeros((1, len(moments), width)), np.ones((1, len(moments), width))
        elif kind == "global" and stored:
            self.mean, self.scale = stored
        else:
            statistics = [[m.statistics(rows) for m in moments] for rows in members]
            self.mean = np.array([[mean for mean, _ in layers] for layers in statistics])
            self.scale = np.array([[scale for _, scale in layers] for layers in statistics])

    def apply(self, frames: "torch.Tensor", layer: int, utterance: int) -> None:
        """Normalise the frames float32 [frames, width] of one layer of an utterance where they lie."""
        import torch

        group = self.group[utterance]
        mean, scale = (torch.from_numpy(v[group, layer].astype(np.float32)) for v in (self.mean, self.scale))
        frames.sub_(mean).div_(scale)

    @staticmethod
    def stored(kind: str, arrays: dict[str, np.ndarray], prefix: str) -> list[np.ndarray] | None:
        """Mean and scale that :meth:`arrays` kept under ``prefix``; None for a kind that keeps none."""
        return [arrays[f"{prefix}{name}"] for name in ("mean", "scale")] if kind == "global" else None

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """What new utterances need: mean and scale of ``global``; nothing of a kind that takes none from training."""
        return {f"{prefix}mean": self.mean, f"{prefix}scale": self.scale} if self.kind == "global" else {}
