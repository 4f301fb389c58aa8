"""Speech encoders of the wav2vec 2.0 family: CNN, then transformer, the same alone and in a padded batch."""

import itertools
import math
import operator
from pathlib import Path

import torch
from torch import nn

from ..runtime.errors import UserError
from . import checkpoint, loading, rounding
from .padding import MaskedGroupNorm, within

RATE = 16_000
FAMILY = ("hubert", "wav2vec2", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat")
"""Values of ``model_type`` that are supported."""
LETTERS = "letters."
"""What the names of a CTC head's weights begin with in a file."""


class SpeechEncoder(nn.Module):
    """A transformers speech model taken apart into :meth:`frontend` (CNN) and :meth:`context` (transformer).

    Both take right-padded batches with their lengths; what they give for an utterance does not depend on the others.
    LayerDrop and SpecAugment are off, dropout follows ``train()`` and ``eval()``.

    Attributes
    ----------
    normalise : bool
        Every waveform is brought to zero mean and unit variance first.
    depth, width, conv_width : int
        Number of blocks, channels of hidden states, channels of the CNN's output.
    hop : float
        Seconds per frame.
    widest : float
        Values of the CNN's widest output per sample of a waveform.
    weights : str
        SHA-256 of the weights it was loaded from, '' for random ones.
    notes : dict
        What its maker wrote into the file's header.
    letters : dict
        Weight and bias of its CTC head (:mod:`stages.encoders.letters`), where its file has one.
    untouched : dict
        Digests of its pretrained weights below every boundary (stages/encoders/prefix.py), where a recipe opened it.
    """

    apart = whole = True

    def __init__(self, model: nn.Module, normalise: bool = False, weights: str = "", notes: dict | None = None):
        super().__init__()
        config = model.config
        if config.model_type not in FAMILY:
            raise UserError(f"speech encoder: model_type '{config.model_type}' is none of {', '.join(FAMILY)}")
        config.layerdrop, config.apply_spec_augment = 0.0, False
        self.model, self.normalise, self.weights, self.notes = model, normalise, weights, notes or {}
        self.untouched: dict[str, str] = {}
        self.letters: dict[str, torch.Tensor] = {}
        self._steps = list(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.width, self.conv_width = config.hidden_size, config.conv_dim[-1]
        self.hop = math.prod(stride for _, stride in self._steps) / RATE
        strides = itertools.accumulate(config.conv_stride, operator.mul)
        self.widest = max(width / stride for width, stride in zip(config.conv_dim, strides, strict=True))
        self.receptive = 1
        for kernel, stride in reversed(self._steps):
            self.receptive = (self.receptive - 1) * stride + kernel
        first = model.feature_extractor.conv_layers[0]
        if isinstance(getattr(first, "layer_norm", None), nn.GroupNorm):
            first.layer_norm = MaskedGroupNorm(first.layer_norm, getattr(config, "conv_norm_eps", None))
        self.with_mask_embedding()
        self._padding: torch.Tensor | None = None
        position = model.encoder.pos_conv_embed
        inner = [*getattr(position, "layers", [])[:-1], getattr(position, "batch_norm", None)]
        for module in inner:  # what follows these within the positional embedding must see zeros as padding
            if module is not None:
                module.register_forward_hook(self._clear_padding)
        rounding.keep_exact(position)

    @classmethod
    def build(cls, config: dict, normalise: bool = False) -> "SpeechEncoder":
        """A new encoder with random weights (torch's global generator) from a transformers configuration."""
        from transformers import AutoConfig, AutoModel

        values = dict(config)
        return cls(AutoModel.from_config(AutoConfig.for_model(values.pop("model_type"), **values)), normalise)

    @classmethod
    def load(cls, path: Path | str) -> "SpeechEncoder":
        """The encoder in a file that :meth:`save` made; a :class:`UserError` where it is not whole."""
        header = checkpoint.header(path)
        if header["class"] != "speech":
            raise UserError(f"{path}: holds a {header['class']} encoder where a speech encoder is needed")
        encoder = cls.build(header["config"], header["normalise"])
        weights = checkpoint.tensors(path)
        letters = {name: weights.pop(name) for name in list(weights) if name.startswith(LETTERS)}
        encoder.letters = {name.removeprefix(LETTERS): value.float() for name, value in letters.items()}
        checkpoint.fill(encoder.model, weights, path)
        encoder.notes, encoder.weights = header["notes"], loading.digest([Path(path)])
        return encoder.eval()

    def save(self, path: Path | str, notes: dict, half: bool = False) -> None:
        """Write weights, configuration and ``notes`` (JSON-able) as one safetensors file, in ``half`` precision too."""
        header = {"class": "speech", "config": checkpoint.config_json(self.model.config), "notes": notes}
        weights = self.model.state_dict() | {LETTERS + name: value for name, value in self.letters.items()}
        checkpoint.save(path, weights, header | {"normalise": self.normalise}, half)

    @property
    def blocks(self) -> nn.ModuleList:
        return self.model.encoder.layers

    @property
    def depth(self) -> int:
        return len(self.blocks)

    def parts(self) -> dict[str, list[nn.Module]]:
        """{boundary: the modules between the one before and it}; see stages/encoders/prefix.py."""
        model, inner = self.model, self.model.encoder
        below = {"conv": [model.feature_extractor]}
        below |= {"0": [model.feature_projection, inner.pos_conv_embed, inner.layer_norm]}
        return below | {str(i + 1): [block] for i, block in enumerate(inner.layers)}

    def frames(self, samples: int) -> int:
        """Frames for a waveform of so many samples; one shorter than the receptive field (400) counts as that."""
        length = max(int(samples), self.receptive)
        for kernel, stride in self._steps:
            length = (length - kernel) // stride + 1
        return length

    inside = frames
    """Frames that the blocks see; those of an utterance are all."""

    def truncate(self, blocks: int) -> None:
        """Keep the first ``blocks`` blocks (12 of 24 in de Oliveira 2023, section 3.2).

        The final norm of a pre-norm model stays, which the paper does not say.
        """
        if not 0 < blocks <= self.depth:
            raise UserError(f"encoders: truncate_layers: {blocks}, but the encoder has {self.depth} blocks")
        self.model.encoder.layers = self.model.encoder.layers[:blocks]
        self.model.config.num_hidden_layers = blocks

    def with_mask_embedding(self) -> None:
        """Make sure that there is an embedding for masked frames, a random one where the checkpoint brought none."""
        if not hasattr(self.model, "masked_spec_embed"):
            self.model.masked_spec_embed = nn.Parameter(torch.empty(self.width).uniform_())

    def freeze_cnn(self) -> None:
        """Let the CNN's parameters take no gradient; what follows it (projection, transformer) still trains."""
        for parameter in self.model.feature_extractor.parameters():
            parameter.requires_grad_(False)
        self.model.feature_extractor._requires_grad = False

    def frontend(self, waves: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The CNN's output.

        Parameters
        ----------
        waves
            Waveforms [batch, samples] at 16 kHz in [-1, 1), right-padded. One that is shorter than the receptive field
            (400 samples) is filled up with zeros, which then count as signal.
        lengths
            Samples of each [batch].

        Returns
        -------
        tuple
            [batch, frames, conv_width], values beyond an utterance's frames undefined, and frames [batch].
        """
        lengths = lengths.to(waves.device)
        keep = within(lengths, waves.shape[1])
        if self.normalise:
            count = lengths[:, None].to(waves.dtype)
            mean = waves.masked_fill(~keep, 0).sum(1, keepdim=True) / count
            centred = (waves - mean).masked_fill(~keep, 0)
            waves = centred / torch.sqrt(centred.square().sum(1, keepdim=True) / count + 1e-7)
        else:
            waves = waves.masked_fill(~keep, 0)
        waves = nn.functional.pad(waves, (0, max(0, self.receptive - waves.shape[1])))
        lengths = lengths.clamp(min=self.receptive)
        kernel, stride = self._steps[0]
        norm = getattr(self.model.feature_extractor.conv_layers[0], "layer_norm", None)
        if isinstance(norm, MaskedGroupNorm):
            norm.lengths = (lengths - kernel) // stride + 1 if (lengths < waves.shape[1]).any() else None
        for kernel, stride in self._steps:
            lengths = (lengths - kernel) // stride + 1
        return self.model.feature_extractor(waves).transpose(1, 2), lengths

    def local(self, conv: torch.Tensor) -> torch.Tensor:
        """The CNN's output, normalised and projected [batch, frames, width], before the positional convolution.

        Pepino 2021's f_0 (section 2.3, equation 1); ``hidden_states[0]`` comes after that convolution.
        """
        hidden = self.model.feature_projection(conv)
        return hidden[0] if isinstance(hidden, tuple) else hidden

    def context(
        self, conv: torch.Tensor, frames: torch.Tensor, mask_time_indices: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """All hidden states 0 to N [batch, frames, width] from the CNN's output.

        The last one is the model's output, so in a pre-norm model it stands after the final norm, as in transformers 4
        (transformers 5 lists it before that norm).

        Parameters
        ----------
        mask_time_indices
            Frames [batch, frames] replaced by the mask embedding after the projection, as in HuBERT's pretraining.
        """
        hidden = self.local(conv)
        if mask_time_indices is not None:
            embedding = self.model.masked_spec_embed.to(hidden.dtype)
            hidden = torch.where(mask_time_indices[..., None], embedding, hidden)
        return self.transformed(hidden, frames)

    def transformed(self, hidden: torch.Tensor, frames: torch.Tensor) -> list[torch.Tensor]:
        """Hidden states 0 to N from what the transformer takes, the projected CNN output."""
        valid = within(frames.to(hidden.device), hidden.shape[1])
        hidden = hidden.masked_fill(~valid[..., None], 0)
        padded = not bool(valid.all())
        states: list = [None] * (self.depth + 1)
        layers = self.model.encoder.layers

        def keeps(index):
            def hook(module, inputs, output):
                states[index] = output[0] if isinstance(output, tuple) else output

            return hook

        hooks = [layer.register_forward_hook(keeps(i + 1)) for i, layer in enumerate(layers)]
        hooks.append(layers[0].register_forward_pre_hook(lambda _, inputs: states.__setitem__(0, inputs[0])))
        self._padding = ~valid[:, None] if padded else None
        try:
            output = self.model.encoder(hidden, attention_mask=valid if padded else None)
        finally:
            self._padding = None
            for hook in hooks:
                hook.remove()
        states[-1] = output.last_hidden_state
        return states

    def onward(self, state: torch.Tensor, frames: torch.Tensor, block: int) -> list[torch.Tensor]:
        """Hidden states ``block`` to N from that one, as :meth:`context` has them."""
        inner = self.model.encoder
        layers, position = inner.layers, inner.pos_conv_embed

        def enter(_, inputs, options):
            if "position_bias" in options:  # WavLM: its first block makes it for all
                bias = layers[0].attention.compute_bias(state.shape[1], state.shape[1])
                options = options | {"position_bias": bias.repeat(len(state), 1, 1)}
            return (state, *inputs[1:]), options

        hook = layers[block].register_forward_pre_hook(enter, with_kwargs=True)
        inner.layers, inner.pos_conv_embed = layers[block:], nn.Identity()
        try:
            return self.transformed(state, frames)
        finally:
            inner.layers, inner.pos_conv_embed = layers, position
            hook.remove()

    def forward(self, waves: torch.Tensor, lengths: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Hidden states 0 to N and frames [batch]: :meth:`frontend`, then :meth:`context`."""
        conv, frames = self.frontend(waves, lengths)
        return self.context(conv, frames), frames

    def _clear_padding(self, module, inputs, output):
        return output if self._padding is None else output.masked_fill(self._padding, 0)


def load_speech(spec, pretrained: Path | str | None = None) -> SpeechEncoder:
    """The encoder of an entry of ``encoders:`` (kinds ``transformers`` and ``builtin-speech``), in eval mode.

    ``pretrained`` is the built-in encoder's file, data/pretrain/NAME.safetensors.

    Raises
    ------
    UserError
        Weights cannot be had or do not fit exactly, or the kind cannot be fine-tuned.
    """
    if spec.kind == "builtin-speech":
        if pretrained is None:
            raise UserError(f"encoder pretrain '{spec.pretrain}': its file is not given; pass data/pretrain/…")
        encoder = SpeechEncoder.load(pretrained)
        if encoder.normalise != spec.normalise:
            raise UserError(
                f"params.yaml: normalise: {spec.normalise}, but {pretrained} was pretrained with {encoder.normalise}; "
                "give both entries the same value"
            )
    elif spec.kind != "transformers":
        raise UserError(
            f"an encoder of kind '{spec.kind}' is none of the wav2vec 2.0 family; choose transformers or builtin-speech"
        )
    else:
        from transformers import AutoConfig, AutoModel

        folder = loading.folder_of(spec.source, spec.revision)
        model = loading.load(AutoModel, folder, AutoConfig.from_pretrained(folder), f"encoder from '{spec.source}'")
        encoder = SpeechEncoder(model, spec.normalise, loading.digest(loading.weights_of(folder)))
    if spec.truncate_layers:
        encoder.truncate(spec.truncate_layers)
    return encoder.eval()
