"""The part of a speech encoder below a boundary: frozen, told by its weights, and left out where its output is known.

A boundary is named as that layer of the feature store: ``conv``, the CNN's output, or the number n of a hidden state,
which is what block n (from 0) takes; N, the depth, is the whole encoder.

What all encoders offer for it, of the wav2vec 2.0 family (stages/encoders/speech.py), Whisper (whisper.py) and any
other (generic.py): ``depth``, ``width``, ``blocks``, ``parts`` (the modules up to every boundary), ``frames`` and
``inside`` (an utterance's own frames, and those that the blocks see), ``freeze_cnn``, ``apart`` (it can be run in
parts: ``frontend``, ``context``, ``onward``) and ``whole`` (nothing but an utterance's own frames enters a block, so
the feature store has all that goes on from a boundary).
"""

import hashlib

import torch
from torch import nn

from .dropout import drop_out

CONV = "conv"


def freeze(encoder, boundary: str) -> None:
    """Let nothing below ``boundary`` be trained, dropped out, or normalised by the batch.

    Below ``conv`` that is the CNN. Below a hidden state all is frozen but the blocks above it (Srinivasan 2022: the top
    six train), so a pre-norm model's final norm too.
    """
    if boundary == CONV or encoder.apart:
        encoder.freeze_cnn()
    if boundary == CONV:
        return
    encoder.requires_grad_(False)
    tuned = encoder.blocks[int(boundary) :] if int(boundary) < encoder.depth else nn.ModuleList()
    tuned.requires_grad_(True)
    still = set(encoder.model.modules()) - set(tuned.modules())
    drop_out(still, 0.0)
    for module in still:
        if isinstance(module, nn.BatchNorm1d):  # of some positional convolutions
            module.register_forward_pre_hook(stands_still)


def stands_still(norm: nn.BatchNorm1d, _) -> None:
    """Before a pass through ``norm``: take its stored statistics, in training too."""
    norm.eval()


def digests(encoder, last: str = "") -> dict[str, str]:
    """SHA-256 of the weights below every boundary, or below those up to ``last``."""
    running, by_boundary = hashlib.sha256(), {}
    for boundary, modules in encoder.parts().items():
        for module in modules:
            for values in module.state_dict().values():
                running.update(values.cpu().contiguous().numpy())
        by_boundary[boundary] = running.hexdigest()
        if boundary == last:
            break
    return by_boundary


def in_store(encoder, boundary: str) -> bool:
    """Whether what goes on from ``boundary`` is the feature store's layer of that name.

    The weights below must be the store's, and its frames all that the blocks above need.
    """
    if not encoder.whole and boundary != str(encoder.depth):
        return False
    return digests(encoder, boundary)[boundary] == encoder.untouched[boundary]


def onward(encoder, state: torch.Tensor, frames: torch.Tensor, block: int) -> list:
    """Hidden states ``block`` to N from that one [batch, frames, width], as the encoder's ``context`` has them.

    Nothing below is computed: None stands there.
    """
    below = [None] * block
    return [*below, state] if block == encoder.depth else [*below, *encoder.onward(state, frames, block)]
