"""Feature normalisation by speaker or over the training data, with the record of what it saw."""

from typing import TYPE_CHECKING

import numpy as np

from stages.stores.features import FeatureStore

if TYPE_CHECKING:
    import torch

EPSILON = 1e-6


class Moments:
    """Sums of a layer per utterance, from which the statistics of any set of utterances follow without another read.

    Sums are taken about the layer's mean over a first chunk of frames, in float64, so that they stay accurate.
    """

    def __init__(self, store: FeatureStore, layer: str, chunk: int = 1 << 16):
        data, offsets = store.map(layer), store.offsets
        self.counts = np.diff(offsets).astype(np.float64)
        self.shift = data[:chunk].astype(np.float64).mean(0)
        self.sums = np.zeros((len(store), data.shape[1]))
        self.squares = np.zeros_like(self.sums)
        start = 0
        while start < len(store):
            end = max(start + 1, int(np.searchsorted(offsets, offsets[start] + chunk, "right")) - 1)
            block = data[offsets[start] : offsets[end]].astype(np.float64) - self.shift
            bounds = offsets[start:end] - offsets[start]
            filled = np.flatnonzero(np.diff(np.append(bounds, len(block))))
            if len(filled):
                self.sums[start + filled] = np.add.reduceat(block, bounds[filled])
                self.squares[start + filled] = np.add.reduceat(block * block, bounds[filled])
            start = end

    def statistics(self, utterances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation [width] over all frames of ``utterances`` (positions)."""
        count = max(self.counts[utterances].sum(), 1)
        mean = self.sums[utterances].sum(0) / count
        variance = self.squares[utterances].sum(0) / count - mean**2
        return mean + self.shift, np.sqrt(np.maximum(variance, 0)) + EPSILON

    def means(self) -> np.ndarray:
        """The mean frame of every utterance [utterances, width]."""
        return self.sums / np.maximum(self.counts, 1)[:, None] + self.shift


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
        width = len(moments[0].shift)
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
            found = [[m.statistics(rows) for m in moments] for rows in members]
            self.mean = np.array([[mean for mean, _ in layers] for layers in found])
            self.scale = np.array([[scale for _, scale in layers] for layers in found])

    def apply(self, frames: "torch.Tensor", layer: int, utterance: int) -> None:
        """Normalise the frames float32 [frames, width] of one layer of an utterance where they lie."""
        import torch

        group = self.group[utterance]
        mean, scale = (torch.from_numpy(v[group, layer].astype(np.float32)) for v in (self.mean, self.scale))
        frames.sub_(mean).div_(scale)

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """What new utterances need: mean and scale of ``global``; nothing of a kind that takes none from training."""
        return {f"{prefix}mean": self.mean, f"{prefix}scale": self.scale} if self.kind == "global" else {}
