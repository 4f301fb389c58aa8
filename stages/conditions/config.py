"""Entries of ``robustness:``, and which systems each can test."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from ..config import settings
from .noise import Noise
from .other_corpus import Elsewhere
from .other_words import Words

Trial = Annotated[Noise | Words | Elsewhere, Field(discriminator="kind")]
"""An entry of ``robustness:``, selected by its key ``kind``."""
_ADAPTER = TypeAdapter(Trial)


def load(name: str, params: str) -> Trial:
    """The validated entry ``robustness.{name}`` of the parameter file."""
    key = f"robustness.{name}"
    return checked(settings.read(params, key), name, params)


def checked(values: dict, name: str, params: str = "params.yaml") -> Trial:
    """``values`` as the entry ``robustness.{name}``."""
    return settings.adapt(_ADAPTER, values, f"robustness.{name}", params)


def untried(trial: Trial, row) -> str:
    """Why a trial cannot test a system; empty if it can. ``row`` is a :class:`stages.recipes.system_config.System`."""
    if row.recipe == "external":
        return "its predictions come from elsewhere, so there is no model to test"
    if row.modality == "none":
        return "a control that uses no audio"
    if trial.kind == "noise" and not {"speech", "audio", "beside"} & set(row.files()):
        return "reads only words, which noise does not change"
    if trial.kind == "transcripts" and not row.given_words().needs_text:
        return "reads no words"
    if trial.kind == "corpus" and row.needs_text and not trial.transcripts:
        return "reads words, and the trial names no transcripts"
    if trial.kind == "corpus" and row.task == "dimensions" and not trial.ratings:
        return "predicts ratings, and the trial has no ratings: [a, b] to convert the other corpus' ratings"
    return ""
