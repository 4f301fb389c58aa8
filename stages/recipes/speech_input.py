"""Batches for recipes that fine-tune a speech encoder: cached CNN outputs where the CNN is frozen, else waveforms."""

import numpy as np
import torch

from stages.recipes.sources import Sources


class SpeechInput:
    """Gives the hidden states of ``encoder`` for utterances.

    With ``freeze_cnn`` the CNN's parameters take no gradient and its output comes from the feature store's ``conv``
    layer, which extraction made once.
    """

    def __init__(self, inputs: Sources, encoder, freeze_cnn: bool):
        self.encoder, self.frozen, self.device = encoder, freeze_cnn, inputs.device
        self.store = inputs.speech if freeze_cnn else inputs.audio
        self.rows = inputs.rows(self.store)
        self.lengths = np.diff(self.store.offsets)[self.rows]
        """Length of every utterance, in frames or samples."""
        if freeze_cnn:
            encoder.freeze_cnn()

    def cnn(self, positions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """CNN output [batch, frames, width], zero-padded, and its lengths [batch] (on the CPU)."""
        if self.frozen:
            found = [torch.from_numpy(self.store.read("conv", self.rows[p]).astype(np.float32)) for p in positions]
            lengths = torch.tensor([len(f) for f in found])
            return torch.nn.utils.rnn.pad_sequence(found, batch_first=True).to(self.device), lengths
        waves = [torch.from_numpy(self.store.read(int(self.rows[p]))) for p in positions]
        lengths = torch.tensor([len(w) for w in waves])
        padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True).to(self.device)
        conv, frames = self.encoder.frontend(padded, lengths)
        return conv, frames.cpu()

    def hidden(self, positions: np.ndarray, **options) -> tuple[list[torch.Tensor], torch.Tensor]:
        """All hidden states [batch, frames, width] and lengths [batch]."""
        conv, lengths = self.cnn(positions)
        return self.encoder.context(conv, lengths, **options), lengths


def freeze_below(encoder, blocks: int) -> None:
    """Leave only the top ``blocks`` transformer blocks trainable (Srinivasan 2022: the top six), no dropout below."""
    encoder.requires_grad_(False)
    encoder.freeze_cnn()
    layers = encoder.model.encoder.layers
    tuned = layers[max(0, len(layers) - blocks) :]
    tuned.requires_grad_(True)
    for module in set(encoder.model.modules()) - set(tuned.modules()):
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):  # an attention's
            module.dropout = 0.0


def in_batches(positions: np.ndarray, lengths: np.ndarray, size: int, work) -> list:
    """``work(batch)`` over ``positions`` sorted by length, its per-utterance results put back in the given order.

    ``work`` returns a sequence with one entry per utterance of its batch.
    """
    order = np.argsort(lengths[positions], kind="stable")
    found: list = [None] * len(positions)
    with torch.no_grad():
        for start in range(0, len(order), size):
            where = order[start : start + size]
            for i, result in zip(where, work(positions[where]), strict=True):
                found[i] = result
    return found
