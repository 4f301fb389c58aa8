"""The part of a speech encoder below a boundary: frozen, told by its weights, and left out where its output is known.

A boundary is named as that layer of the feature store: ``conv``, the CNN's output, or the number n of a hidden state,
which is what block n (from 0) takes; N, the depth, is the whole encoder.
"""

import hashlib

import torch
from torch import nn

CONV = "conv"


def freeze(encoder, boundary: str) -> None:
    """Let nothing below ``boundary`` be trained, dropped out, or normalised by the batch.

    Below ``conv`` that is the CNN. Below a hidden state all is frozen but the blocks above it (Srinivasan 2022: the top
    six train), so a pre-norm model's final norm too.
    """
    encoder.freeze_cnn()
    if boundary == CONV:
        return
    encoder.requires_grad_(False)
    tuned = encoder.model.encoder.layers[int(boundary) :]
    tuned.requires_grad_(True)
    for module in set(encoder.model.modules()) - set(tuned.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):  # an attention's
            module.dropout = 0.0
        elif isinstance(module, nn.BatchNorm1d):  # of some positional convolutions
            module.register_forward_pre_hook(_stands_still)


def _stands_still(norm: nn.BatchNorm1d, _) -> None:
    norm.eval()


def digests(encoder, last: str = "") -> dict[str, str]:
    """SHA-256 of the weights below every boundary, or below those up to ``last``."""
    model, running, by_boundary = encoder.model, hashlib.sha256(), {}
    inner = model.encoder
    below = {CONV: [model.feature_extractor], "0": [model.feature_projection, inner.pos_conv_embed, inner.layer_norm]}
    for boundary, modules in (below | {str(i + 1): [block] for i, block in enumerate(inner.layers)}).items():
        for module in modules:
            for values in module.state_dict().values():
                running.update(values.cpu().contiguous().numpy())
        by_boundary[boundary] = running.hexdigest()
        if boundary == last:
            break
    return by_boundary


def onward(encoder, state: torch.Tensor, frames: torch.Tensor, block: int) -> list:
    """Hidden states ``block`` to N from that one [batch, frames, width], as the encoder's ``context`` has them.

    Nothing below is computed: None stands there.
    """
    below = [None] * block
    if block == encoder.depth:
        return [*below, state]
    inner = encoder.model.encoder
    layers, position = inner.layers, inner.pos_conv_embed

    def enter(_, inputs, options):
        if "position_bias" in options:  # WavLM: its first block makes it for all
            bias = layers[0].attention.compute_bias(state.shape[1], state.shape[1])
            options = options | {"position_bias": bias.repeat(len(state), 1, 1)}
        return (state, *inputs[1:]), options

    hook = layers[block].register_forward_pre_hook(enter, with_kwargs=True)
    inner.layers, inner.pos_conv_embed = layers[block:], nn.Identity()
    try:
        return [*below, *encoder.transformed(state, frames)]
    finally:
        inner.layers, inner.pos_conv_embed = layers, position
        hook.remove()
