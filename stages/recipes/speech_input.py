"""Batches for recipes that fine-tune a speech encoder: outputs of its frozen layers, computed once, else waveforms."""

import numpy as np
import torch

from ..encoders import batching, prefix
from ..runtime.errors import UserError
from ..runtime.reporting import log
from ..stores import scratch
from ..training.economy import in_fp32
from .recipe_inputs import RecipeInputs


class SpeechInput:
    """Gives the hidden states of ``encoder`` for utterances.

    ``frozen`` names the boundary below which the encoder is frozen (see stages/encoders/prefix.py; '': nothing is).
    What comes out there is that layer of the feature store, which extraction made once for the corpus; where the store
    has not all that is needed, or weights below are no longer those of the store, it is :class:`Computed` once for this
    training. An encoder that cannot be taken apart runs from the waveform each time.

    Raises
    ------
    UserError
        The store lacks the layer.
    """

    def __init__(self, inputs: RecipeInputs, encoder, frozen: str):
        self.inputs, self.encoder, self.frozen, self.device = inputs, encoder, frozen, inputs.device
        if frozen:
            prefix.freeze(encoder, frozen)
        if not encoder.apart and frozen != str(encoder.depth):
            self.frozen = ""
        self.stored = bool(self.frozen) and prefix.in_store(encoder, self.frozen)
        self.store = inputs.speech if self.stored else inputs.audio
        self.rows = inputs.rows(self.store)
        sizes = np.diff(self.store.offsets)[self.rows]
        self.lengths = sizes if self.stored else np.array([encoder.frames(n) for n in sizes])
        """Frames of every utterance."""
        if self.stored:
            self.read = lambda position: self.store.read(self.frozen, self.rows[position])
        elif self.frozen:
            log.info("what comes out below '%s' is not in the feature store: it is computed once", frozen)
            inside = np.array([encoder.inside(n) for n in sizes])
            self.read = Computed(inputs, encoder, self.frozen, self.rows, inside).read

    def waves(self, positions: np.ndarray) -> list[np.ndarray]:
        """Waveforms float32 [samples] of utterances."""
        rows = self.inputs.rows(self.inputs.audio)[positions] if self.stored else self.rows[positions]
        return [self.inputs.audio.read(int(row)) for row in rows]

    def entry(self, positions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """What comes out at the boundary, or of the CNN where nothing is frozen.

        [batch, frames, width], zero-padded, and lengths [batch] (on the CPU): of Whisper those inside its windows.
        """
        if self.frozen:
            states = [torch.from_numpy(self.read(p).astype(np.float32)) for p in positions]
            lengths = torch.tensor([len(each) for each in states])
            return torch.nn.utils.rnn.pad_sequence(states, batch_first=True).to(self.device), lengths
        waves, lengths = batching.collate(self.waves(positions))
        conv, frames = self.encoder.frontend(waves.to(self.device), lengths)
        return conv, frames.cpu()

    def hidden(self, positions: np.ndarray) -> tuple[list, torch.Tensor]:
        """All hidden states [batch, frames, width] from the boundary on, None below it, and lengths [batch]."""
        if not self.frozen and not self.encoder.apart:
            return self.from_waves(self.waves(positions))
        values, inside = self.entry(positions)
        if self.frozen in ("", prefix.CONV):
            states = self.encoder.context(values, inside)
        else:
            states = prefix.onward(self.encoder, values, inside, int(self.frozen))
        return self._own(states, self.lengths[positions])

    def from_waves(self, waves: list[np.ndarray], mask=None) -> tuple[list, torch.Tensor]:
        """All hidden states [batch, frames, width] of waveforms, whatever is stored, and lengths [batch].

        ``mask(lengths, size)`` says which frames of the CNN's output [batch, size] are hidden
        (``mask_time_indices`` of the encoder's ``context``).

        Raises
        ------
        UserError
            Frames are to be hidden in an encoder that cannot be taken apart.
        """
        encoder, lengths = self.encoder, np.array([self.encoder.frames(len(wave)) for wave in waves])
        if not encoder.apart:
            if mask:
                raise UserError("time masks: nothing is known of this encoder's CNN; set their share to 0")
            each = [encoder(wave) for wave in waves]
            padded = [torch.nn.utils.rnn.pad_sequence(states, batch_first=True) for states in zip(*each, strict=True)]
            return self._own(padded, lengths)
        padded, samples = batching.collate(waves)
        conv, inside = encoder.frontend(padded.to(self.device), samples)
        hidden = mask(torch.from_numpy(lengths), conv.shape[1]).to(self.device) if mask else None
        return self._own(encoder.context(conv, inside, mask_time_indices=hidden), lengths)

    @staticmethod
    def _own(states: list, lengths: np.ndarray) -> tuple[list, torch.Tensor]:
        """Without frames beyond the utterances' own."""
        longest = int(lengths.max())
        return [s if s is None else s[:, :longest] for s in states], torch.from_numpy(lengths)


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
        dtype = np.dtype(inputs.speech.attributes["dtype"])
        self.values = scratch.unnamed((int(lengths.sum()), width), dtype, inputs.scratch)
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
