"""What recipes may use of their inputs: the contract of a corpus in training and of new audio in prediction.

:class:`stages.recipes.training_inputs.Inputs` keeps both protocols, :class:`stages.recipes.new_audio.NewAudio` the
first. A *position* is one into ``utterances``.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd
    import torch

    from ..encoders.speech import SpeechEncoder
    from ..encoders.text import TextEncoder
    from ..stores.audio import AudioStore
    from ..stores.features import FeatureStore
    from .frames import Frames
    from .labelled_set import Examples, Fold


class RecipeInputs(Protocol):
    """What the functions ``train`` and ``restored`` of a recipe are given.

    Attributes
    ----------
    utterances : list of str
        Names of the utterances.
    speakers : numpy.ndarray
        Names of their speakers, str [utterances].
    texts : list of str
        What models read of their transcripts, plain words; empty where the system reads none.
    outputs : int
        How many numbers a model puts out per utterance.
    device : torch.device or str
        Where encoders and models compute; lengths of sequences stay on the CPU.
    scratch : Path or None
        Folder for what is computed once and dropped with the job; None: the system's for temporary files.
    speech : FeatureStore
        Features of the speech encoder.
    audio : AudioStore
        Waveforms; opening it raises a UserError where the system was given none.
    """

    utterances: "list[str]"
    speakers: "np.ndarray"
    texts: "list[str]"
    outputs: int
    device: "torch.device | str"
    scratch: "Path | None"
    speech: "FeatureStore"
    audio: "AudioStore"

    def rows(self, store: "FeatureStore | AudioStore") -> "np.ndarray":
        """For every utterance, its row in ``store``, int [utterances]."""

    def frames(
        self,
        layers: list[str],
        max_seconds: float,
        normalise: str,
        fit: "Fold | dict[str, np.ndarray]",
        kind: str = "speech",
        by: str = "speaker",
    ) -> "Frames":
        """Minibatches of a frozen encoder's layers, normalised.

        Parameters
        ----------
        layers
            Numbers, or ``["all"]``, every numbered layer of the store, or ``["last"]``.
        max_seconds
            Longer utterances keep their first seconds; 0: all.
        normalise
            ``global``, ``speaker`` or ``none``, see :class:`stages.recipes.normaliser.Normaliser`.
        fit
            In training the fold whose training rows give the statistics; in prediction the arrays of a trained unit,
            which keep them.
        kind
            The store: ``speech``, ``text`` or ``beside``.
        by
            ``speaker``, or ``prefix``: the name before its first _ stands for the speaker (in training alone).
        """

    def speech_encoder(self) -> "SpeechEncoder":
        """The speech encoder with its pretrained weights, for one unit alone."""

    def text_encoder(self) -> "TextEncoder":
        """The text encoder with its pretrained weights, for one unit alone."""


class TrainingInputs(RecipeInputs, Protocol):
    """What ``train`` is given besides.

    Attributes
    ----------
    examples : Examples
        Labels, folds and the validation score.
    transcripts : pandas.DataFrame
        Columns ``text`` (as its source has it) and ``reference`` (what was said), one row per utterance.
    paths : dict
        {name of an input: its file or None}.
    """

    examples: "Examples"
    transcripts: "pd.DataFrame"
    paths: "dict[str, Path | None]"

    def start(self, fold: "Fold", seed: int) -> "dict[str, np.ndarray]":
        """The arrays that an earlier stage made for this fold and seed; a UserError where they cannot be used."""

    def labels(self, fold: "Fold", seed: int) -> "dict[str, np.ndarray]":
        """Likewise the pseudo-labels that ``cluster`` made."""

    def before(self, name: str, fold: "Fold", seed: int) -> "dict[str, np.ndarray]":
        """Likewise of a system of the same study: ``start``, its models, or ``teacher``, its views."""

    def note_seen(self, component: str, utterances: "list[str]") -> None:
        """Keep that ``component``, which was fitted for the unit in hand, has seen these utterances."""
