"""Encoders: what turns audio or text into frames of features; their entries in params.yaml, loading, batching."""

from .specs import Encoder, is_text

__all__ = ["Encoder", "is_text", "load_speech", "load_text"]


def load_speech(spec, pretrained=None):
    """The speech encoder of an entry of ``encoders:``, in eval mode, to be fine-tuned.

    ``pretrained`` is the built-in encoder's file, data/pretrain/NAME.safetensors. What all of them offer:
    :mod:`stages.encoders.prefix`.

    Raises
    ------
    UserError
        Weights cannot be had or do not fit exactly, or the entry is of descriptors.
    """
    if spec.kind == "whisper":
        from . import whisper

        return whisper.load_whisper(spec)
    from . import generic, speech

    if spec.kind == "transformers" and generic.is_unseen(spec):
        return generic.load_unseen(spec)
    return speech.load_speech(spec, pretrained)


def load_text(spec, pretrained=None):
    """A :class:`stages.encoders.text.TextEncoder` for an entry of ``encoders:``; see there."""
    from . import text

    return text.load_text(spec, pretrained)
