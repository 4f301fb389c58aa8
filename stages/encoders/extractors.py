"""One interface for every kind of encoder, as the stage ``features`` needs it: known frames, batches in, layers out."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..runtime.errors import UserError
from ..runtime.reporting import log
from .specs import chosen, is_text

Layers = dict[str, np.ndarray]

CACHED = 25e6
"""Bytes of the CNN's widest output in a batch that a processor still takes at full rate: 60 s of the built-in encoder,
3.8 s of HuBERT's size. The memory of larger ones is mapped anew for each layer, for all
:func:`stages.runtime.process.keep_memory` does (``tests/bench/extraction.py``)."""


@dataclass
class Extractor:
    """What an opened encoder gives to the stage ``features``.

    Attributes
    ----------
    widths
        Channels of every asked layer, in the order asked.
    hop
        Seconds per frame, 0 for text.
    size
        What an item (samples of a waveform, or a text's tokens) costs in a batch, in samples or tokens.
    frames
        How many frames an item of so many samples or tokens has.
    prepare
        A batch of waveforms float32 [samples] or of texts, to what ``forward`` takes; another thread may do it.
    forward
        What was prepared, to what the device makes of it.
    fetch
        That, to every item's layers [frames, width] of an asked type, 'float16' or 'float32'; another thread may do it.
    weights
        SHA-256 of the weights, '' where there are none.
    most
        Samples beyond which a batch gains nothing here; no limit on a GPU.
    beside
        Whether other threads can work while this one computes: on a GPU, or where it leaves a core to them.
    forks
        Whether forked processes can compute batches side by side: of descriptors, which need one core each.
    """

    widths: dict[str, int]
    hop: float
    size: Callable[[int], int]
    frames: Callable[[int], int]
    prepare: Callable[[list], Any]
    forward: Callable[[Any], Any]
    fetch: Callable[[Any, str], list[Layers]]
    weights: str = ""
    notes: dict = field(default_factory=dict)
    lengths: Callable[[list[str]], list[int]] | None = None
    most: float = math.inf
    beside: bool = True
    forks: bool = False

    def run(self, items: list) -> list[Layers]:
        """Every item's layers float32 [frames, width], one step after the other."""
        return self.fetch(self.forward(self.prepare(items)), "float32")


def open_extractor(spec, pretrained, device, precision: str) -> Extractor:
    """The encoder of an entry of ``encoders:`` on ``device``.

    ``precision`` is fp32, bf16 or fp16: the type of matrix products (autocast); what comes out is float32.

    Raises
    ------
    UserError
        The encoder cannot be loaded, lacks a layer, or the device cannot compute with that precision.
    """
    if spec.kind in ("egemaps", "spectrogram", "mfcc"):
        return _plain(spec)
    if precision == "fp16" and device.type == "cpu":
        raise UserError(
            "params.yaml: features.precision: fp16 on a processor takes over ten times as long as fp32; choose fp32 (or"
            " bf16), or a GPU"
        )
    if precision == "bf16" and device.type == "cpu" and not _has_bf16():
        log.warning(
            "params.yaml: features.precision: torch finds no bf16 instructions in this processor, and without them bf16"
            " is slower than fp32"
        )
    cast = _autocast(device, precision)
    if is_text(spec):
        extractor = _text(spec, pretrained, device, cast)
    else:
        extractor = _whisper(spec, device, cast) if spec.kind == "whisper" else _speech(spec, pretrained, device, cast)
    extractor.beside = device.type == "cuda" or _leaves_a_core()
    return extractor


def _leaves_a_core() -> bool:
    """Whether torch's threads are fewer than the cores that this process may use."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return torch.get_num_threads() < cores


def _has_bf16() -> bool:
    import torch

    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _autocast(device, precision: str):
    import torch

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return lambda: torch.autocast(device.type, dtype, enabled=precision != "fp32")


def _plain(spec) -> Extractor:
    from . import acoustics

    hop = acoustics.HOP
    if spec.kind == "spectrogram":
        hop, cut = spec.hop, {"size": spec.window, "hop": spec.hop}
        work, frames = partial(acoustics.spectrogram, **cut), partial(acoustics.frames, **cut)
        width = spec.window // 2 + 1
    elif spec.kind == "egemaps":
        work, width, frames = acoustics.egemaps, 25, acoustics.egemaps_frames
    else:
        work, width, frames = acoustics.mfcc, 39, acoustics.frames
    seconds = hop / acoustics.RATE

    def fetch(found, dtype):
        with np.errstate(over="ignore"):
            return [{"0": values.astype(dtype)} for values in found]

    def forward(waves):
        return [work(wave) for wave in waves]

    return Extractor({"0": width}, seconds, int, frames, list, forward, fetch, forks=True)


def _speech(spec, pretrained, device, cast) -> Extractor:
    import torch

    from .batching import collate
    from .speech import load_speech
    from .transfer import Transfer

    if spec.kind == "transformers":
        from . import generic

        if generic.is_unseen(spec):
            return _unseen(generic.load_unseen(spec).to(device), spec, device, cast)
    encoder = load_speech(spec, pretrained).to(device)
    names = chosen(spec, encoder.depth, taps=True)
    widths = {name: encoder.conv_width if name == "conv" else encoder.width for name in names}

    transfer = Transfer(device)

    def prepare(waves):
        padded, lengths = collate(waves)
        return transfer.ready(padded), transfer.ready(lengths), [encoder.frames(len(wave)) for wave in waves]

    def forward(prepared):
        padded, lengths, counts = prepared
        with torch.inference_mode(), cast():
            conv, frames = encoder.frontend(transfer.enter(padded), transfer.enter(lengths))
            taps = {"conv": conv}
            if "local" in names:
                taps["local"] = encoder.local(conv)
            if any(name.isdigit() for name in names):
                taps |= {str(i): state for i, state in enumerate(encoder.context(conv, frames))}
        return transfer.computed([({name: taps[name] for name in names}, counts)])

    most = CACHED / (4 * encoder.widest) if device.type == "cpu" else math.inf
    steps = prepare, forward, transfer.host
    return Extractor(widths, encoder.hop, int, encoder.frames, *steps, encoder.weights, encoder.notes, most=most)


def _unseen(encoder, spec, device, cast) -> Extractor:
    import torch

    from .transfer import Transfer

    names = chosen(spec, encoder.depth, taps=False)
    transfer = Transfer(device)

    def forward(waves):
        with torch.inference_mode(), cast():
            found = [encoder(wave) for wave in waves]
        return transfer.computed([_alone(states, names) for states in found])

    widths = dict.fromkeys(names, encoder.width)
    return Extractor(widths, encoder.hop, int, encoder.frames, list, forward, transfer.host, encoder.weights)


def _whisper(spec, device, cast) -> Extractor:
    import torch

    from .transfer import Transfer
    from .whisper import load_whisper

    encoder = load_whisper(spec).to(device)
    names = chosen(spec, encoder.depth, taps=False)
    transfer = Transfer(device)

    def forward(waves):
        with torch.inference_mode(), cast():
            found = encoder(waves)
        return transfer.computed([_alone(states, names) for states in found])

    widths = dict.fromkeys(names, encoder.width)
    return Extractor(widths, encoder.hop, encoder.padded, encoder.frames, list, forward, transfer.host, encoder.weights)


def _text(spec, pretrained, device, cast) -> Extractor:
    import torch

    from .text import load_text
    from .transfer import Transfer

    encoder = load_text(spec, pretrained).to(device)
    names = chosen(spec, encoder.depth, taps=False)
    transfer = Transfer(device)

    def prepare(texts):
        ids, mask = encoder.tokenise(texts)
        return transfer.ready(ids), transfer.ready(mask), mask.sum(1).tolist()

    def forward(prepared):
        ids, mask, counts = prepared
        with torch.inference_mode(), cast():
            states = encoder(transfer.enter(ids), transfer.enter(mask))
        return transfer.computed([({n: states[int(n)] for n in names}, counts)])

    steps = prepare, forward, transfer.host
    widths = dict.fromkeys(names, encoder.width)
    return Extractor(widths, 0.0, int, int, *steps, encoder.weights, encoder.notes, encoder.lengths)


def _alone(states: list, names: list[str]) -> tuple[dict, list[int]]:
    """Hidden states [frames, width] of one item as a group of its own."""
    return {n: states[int(n)][None] for n in names}, [len(states[0])]
