"""Batches for recipes that fine-tune a speech encoder: outputs of its frozen layers, computed once, else waveforms."""

import os
import tempfile

import numpy as np
import torch

from ..encoders import batching, prefix
from ..runtime import disk
from ..runtime.errors import UserError
from ..runtime.reporting import log
from ..training.economy import in_fp32
from .recipe_inputs import RecipeInputs


class SpeechInput:
    """Gives the hidden states of ``encoder`` for utterances.

    ``frozen`` names the boundary below which the encoder is frozen (see stages/encoders/prefix.py; '': nothing is).
    What comes out there is that layer of the feature store, which extraction made once for the corpus; where weights
    below are no longer those of the store, it is :class:`Computed` once for this training.

    Raises
    ------
    UserError
        The store lacks the layer.
    """

    def __init__(self, inputs: RecipeInputs, encoder, frozen: str):
        self.encoder, self.frozen, self.device = encoder, frozen, inputs.device
        if frozen:
            prefix.freeze(encoder, frozen)
        self.stored = bool(frozen) and prefix.digests(encoder, frozen)[frozen] == encoder.untouched[frozen]
        self.store = inputs.speech if self.stored else inputs.audio
        self.rows = inputs.rows(self.store)
        lengths = np.diff(self.store.offsets)[self.rows]
        self.lengths = lengths if self.stored else np.array([encoder.frames(n) for n in lengths])
        """Frames of every utterance."""
        if self.stored:
            self.read = lambda position: self.store.read(frozen, self.rows[position])
        elif frozen:
            log.info("the layers below '%s' have been trained: their output is computed once", frozen)
            self.read = Computed(inputs, encoder, frozen, self.rows, self.lengths).read

    def entry(self, positions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """What comes out at the boundary, or of the CNN where nothing is frozen.

        [batch, frames, width], zero-padded, and lengths [batch] (on the CPU).
        """
        if self.frozen:
            states = [torch.from_numpy(self.read(p).astype(np.float32)) for p in positions]
            lengths = torch.tensor([len(each) for each in states])
            return torch.nn.utils.rnn.pad_sequence(states, batch_first=True).to(self.device), lengths
        waves, lengths = batching.collate([self.store.read(int(self.rows[p])) for p in positions])
        conv, frames = self.encoder.frontend(waves.to(self.device), lengths)
        return conv, frames.cpu()

    def hidden(self, positions: np.ndarray) -> tuple[list, torch.Tensor]:
        """All hidden states [batch, frames, width] from the boundary on, None below it, and lengths [batch]."""
        values, lengths = self.entry(positions)
        if self.frozen in ("", prefix.CONV):
            return self.encoder.context(values, lengths), lengths
        return prefix.onward(self.encoder, values, lengths, int(self.frozen)), lengths


class Computed:
    """What ``encoder`` puts out at a boundary, computed when an utterance is first read, then read from a file.

    One utterance at a time, for batches round otherwise in the last bit, and in the feature store's type. The file has
    no name: it goes when this object or the process does.

    Raises
    ------
    UserError
        The job was given no audio, or the disk cannot hold the file.
    """

    def __init__(self, inputs: RecipeInputs, encoder, boundary: str, rows: np.ndarray, lengths: np.ndarray):
        self.encoder, self.boundary, self.device = encoder, boundary, inputs.device
        self.audio, self.rows = inputs.audio, rows
        self.ends = np.cumsum(lengths)
        self.starts = self.ends - lengths
        width = encoder.conv_width if boundary == prefix.CONV else encoder.width
        shape, dtype = (int(lengths.sum()), width), np.dtype(inputs.speech.attributes["dtype"])
        folder = inputs.scratch or tempfile.gettempdir()
        os.makedirs(folder, exist_ok=True)
        disk.need_space(folder, shape[0] * shape[1] * dtype.itemsize)
        with tempfile.TemporaryFile(dir=folder) as file:
            self.values = np.memmap(file, dtype, "w+", shape=shape)
        self.known = np.zeros(len(rows), bool)

    def read(self, position: int) -> np.ndarray:
        """[frames, width] of one utterance."""
        place = self.values[self.starts[position] : self.ends[position]]
        if not self.known[position]:
            place[:] = self._compute(position)
            if not np.isfinite(place).all():
                raise UserError(
                    f"params.yaml: features.dtype: {place.dtype} cannot hold what the trained encoder puts out; set it"
                    " to float32"
                )
            self.known[position] = True
        return place

    def _compute(self, position: int) -> np.ndarray:
        waves, lengths = batching.collate([self.audio.read(int(self.rows[position]))])
        training = self.encoder.training
        self.encoder.eval()
        waves = waves.to(self.device)
        with torch.no_grad(), in_fp32(waves):  # as the feature store's layers are, whatever the step that asks first
            values, frames = self.encoder.frontend(waves, lengths)
            if self.boundary != prefix.CONV:
                values = self.encoder.context(values, frames)[int(self.boundary)]
        self.encoder.train(training)
        return values[0].cpu().numpy()


def in_batches(positions: np.ndarray, lengths: np.ndarray, size: int, work) -> list:
    """``work(batch)`` over ``positions`` sorted by length, its per-utterance results put back in the given order.

    ``work`` returns a sequence with one entry per utterance of its batch.
    """
    order = np.argsort(lengths[positions], kind="stable")
    results: list = [None] * len(positions)
    with torch.no_grad():
        for start in range(0, len(order), size):
            where = order[start : start + size]
            for i, result in zip(where, work(positions[where]), strict=True):
                results[i] = result
    return results
