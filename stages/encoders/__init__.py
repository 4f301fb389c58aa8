"""Encoders: what turns audio or text into frames of features; their entries in params.yaml, loading, batching."""

from .specs import Encoder, is_text

__all__ = ["Encoder", "is_text", "load_speech", "load_text"]


def load_speech(spec, pretrained=None):
    """A :class:`stages.encoders.speech.SpeechEncoder` for an entry of ``encoders:``; see there."""
    from . import speech

    return speech.load_speech(spec, pretrained)


def load_text(spec, pretrained=None):
    """A :class:`stages.encoders.text.TextEncoder` for an entry of ``encoders:``; see there."""
    from . import text

    return text.load_text(spec, pretrained)
