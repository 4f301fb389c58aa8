"""The entries of ``encoders:`` in params.yaml, told apart by ``kind``."""

import re
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, field_validator, model_validator

from ..config import settings
from ..config.settings import Section, setting
from ..runtime.errors import UserError

LAYERS = (
    "layers to store: [needed], those that systems of active studies read; 0 to N (hidden_states[i]), or [all] of them;"
    " taps before: conv (CNN), local (that projected; always by name)"
)
TAPS = ("conv", "local")
"""What a wav2vec 2.0 has before its blocks: the CNN's output, and that projected, before the positional convolution."""
IF_THERE = "conv if there"
"""What a row that fine-tunes from the CNN on needs of a store: encoders of other families have no such layer."""
SOURCE = "Hugging Face hub id (owner/name), or a local folder where revision is ''"
REVISION = "commit of the hub repository (40 hexadecimal digits); '' for a local folder"
TRUNCATED = "keep only the first so many blocks (0: all)"
NORMALISE = "bring every waveform to zero mean and unit variance first"


NEEDED = "needed"
"""In an entry: the layers that the systems of the active studies read (:mod:`stages.workflow.stored_layers`)."""


class Features(Section):
    """How features are extracted, the same for all encoders."""

    batch_seconds: float = setting(
        "largest padded length of a batch of audio, seconds; less where a processor's cache is full", gt=0
    )
    batch_tokens: int = setting("largest padded length of a batch of texts, tokens", ge=1)
    dtype: Literal["float16", "float32"] = setting("type of the stored values")
    precision: Literal["fp32", "bf16", "fp16"] = setting(
        "type of matrix products; bf16 pays only on processors that have it, fp16 needs a GPU"
    )
    threads: int = setting("threads; another number rounds differently", ge=1)


class _Layered(Section):
    layers: list[str] = setting(LAYERS, min_length=1)

    @field_validator("layers")
    @classmethod
    def _named(cls, layers: list[str]) -> list[str]:
        for name in layers:
            if name not in ("all", NEEDED, *TAPS) and not re.fullmatch(r"0|[1-9]\d*", name):
                raise ValueError("a layer is conv, local, a number in quotes, all or needed")
        if len(set(layers)) != len(layers) or ("all" in layers and set(layers) - {"all", *TAPS}):
            raise ValueError("name every layer once; beside all only conv and local may stand")
        return layers


class _Sourced(_Layered):
    source: str = setting(SOURCE, min_length=1)
    revision: str = setting(REVISION)

    @model_validator(mode="after")
    def _pinned(self):
        if self.revision and not re.fullmatch(r"[0-9a-f]{40}", self.revision):
            raise ValueError("revision must be a full commit (40 hexadecimal digits), so that it cannot move")
        return self


class Transformers(_Sourced):
    """A speech encoder from the hub or a folder: of the wav2vec 2.0 family, or another."""

    kind: Literal["transformers"] = setting("a speech encoder, of the wav2vec 2.0 family or another")
    normalise: bool = setting(NORMALISE)
    truncate_layers: int = setting(TRUNCATED, ge=0)


class Whisper(_Sourced):
    """Whisper's encoder; its layers are 0 to N, the last one after the final norm."""

    kind: Literal["whisper"] = setting("Whisper's encoder")
    window: Literal["30s", "clip"] = setting("input: padded to 30 s, or the clip and 0.5 s (faster)")


class BuiltinSpeech(_Layered):
    """A speech encoder that the stage ``pretrain`` makes."""

    kind: Literal["builtin-speech"] = setting("a speech encoder made by pretrain")
    pretrain: str = setting("entry of pretrain: that makes it")
    normalise: bool = setting(NORMALISE + "; as in its pretraining")
    truncate_layers: int = setting(TRUNCATED, ge=0)


class BuiltinText(_Layered):
    """A text encoder that the stage ``pretrain`` makes."""

    kind: Literal["builtin-text"] = setting("a text encoder made by pretrain")
    pretrain: str = setting("entry of pretrain: that makes it")
    max_tokens: int = setting("longer texts are cut there, [CLS] and [SEP] counted", ge=3)


class Text(_Sourced):
    """A BERT-like text encoder from the hub or a folder."""

    kind: Literal["text"] = setting("a BERT-like text encoder")
    lower: bool = setting("lower-case texts before the tokeniser")
    max_tokens: int = setting("longer texts are cut there, [CLS] and [SEP] counted", ge=3)


class _Plain(Section):
    layers: list[Literal["0"]] = setting("these features are one layer, 0", min_length=1, max_length=1)


class Egemaps(_Plain):
    """Low-level descriptors of eGeMAPSv02, 25 values every 10 ms."""

    kind: Literal["egemaps"] = setting("25 low-level descriptors of eGeMAPSv02 (openSMILE)")


class Spectrogram(_Plain):
    """Magnitude spectrogram of the 16 kHz signal."""

    kind: Literal["spectrogram"] = setting("magnitude spectrogram, Hann window")
    window: int = setting(
        "samples of a window; released code: 400 at the native rate, so 400 (IEMOCAP), 133 (RAVDESS, 48 kHz)", ge=2
    )
    hop: int = setting("samples between windows; released code: 320, so 320 (IEMOCAP), 107 (RAVDESS)", ge=1)


class Mfcc(_Plain):
    """13 MFCCs with first and second differences, 39 values every 10 ms."""

    kind: Literal["mfcc"] = setting("13 MFCCs with first and second differences, hop 10 ms")


Encoder = Annotated[
    Transformers | Whisper | BuiltinSpeech | BuiltinText | Text | Egemaps | Spectrogram | Mfcc,
    Field(discriminator="kind"),
]
"""One entry of ``encoders:``."""


def load(params: str, name: str):
    """The validated entry ``encoders.NAME`` of the parameter file."""
    key = f"encoders.{name}"
    return settings.adapt(TypeAdapter(Encoder), settings.read(params, key), key, params)


def is_text(spec) -> bool:
    """Whether an encoder, a model or the plain entry of params.yaml, reads transcripts; the others read audio."""
    return (spec.get("kind") if isinstance(spec, dict) else spec.kind) in ("text", "builtin-text")


def with_layers(spec, layers: list[str]):
    """The entry with ``layers`` in the place of ``needed``; what it names beside that stays.

    ``layers`` are as :meth:`stages.recipes.system_config.System.layers_read` has them: ``last-6`` is 6 before the last.
    """
    if NEEDED not in spec.layers:
        return spec
    named = [name for name in spec.layers if name != NEEDED]
    planned = [IF_THERE if name == "conv" else name for name in layers]
    return spec.model_copy(update={"layers": list(dict.fromkeys([*planned, *named]))})


def chosen(spec, depth: int, taps: bool) -> list[str]:
    """The layers that ``spec`` asks of an encoder with ``depth`` blocks, written out: numbers first, then taps.

    Raises
    ------
    UserError
        The encoder has no such layer.
    """
    blocks = [str(i) for i in range(depth + 1)]
    there = [*(TAPS if taps else ()), *blocks]
    asked = ["conv" if name == IF_THERE else name for name in spec.layers if taps or name != IF_THERE] or ["last"]
    names = {n for name in asked for n in (blocks if name == "all" else [from_end(name, depth)])}
    for name in sorted(names):
        if name not in there:
            raise UserError(f"params.yaml: layers: this {spec.kind} encoder has no layer '{name}'; choose from {there}")
    return [name for name in [*blocks, *TAPS] if name in names]


def from_end(name: str, depth: int) -> str:
    """The layer that ``last``, or ``last-N`` (not below 0), is in an encoder with ``depth`` blocks; others as named."""
    word, _, before = name.partition("-")
    return str(max(0, depth - int(before or 0))) if word == "last" else name
