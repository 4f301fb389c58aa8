"""What a system's models make of the utterances of a trial, by the way of ``predict``; no label comes here."""

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd

from ..stores.audio import RATE
from .clips import Clip, Request
from .predictor import Predictor
from .trained_system import Unit


def outputs(
    predictor: Predictor, names: list[str], speakers: pd.Series, texts: dict[str, str], read: Callable, of: list[Unit]
) -> np.ndarray:
    """The outputs [names, units, outputs] of the models ``of`` some units for the utterances ``names``.

    ``speakers`` are those of the whole corpus by utterance. Where features are normalised by speaker, everything that
    a speaker of ``names`` said is heard, as in training. ``read`` gives an utterance's samples, int16 at 16 kHz;
    ``texts`` what was said, where the system reads words.
    """
    whole = getattr(predictor.row, "normalise", "") == "speaker"
    asked = speakers[speakers.isin(set(speakers[names]))] if whole else speakers[names]
    pairs = sorted((speaker, name) for name, speaker in asked.items())

    def clip(speaker: str, name: str) -> Clip:
        samples = read(name)
        return Clip(Request(name, speaker, texts.get(name, "")), samples, 0.0, len(samples) / RATE)

    found: dict[str, np.ndarray] = {}
    for _, group in itertools.groupby(pairs, key=lambda pair: pair[0] if whole else ""):
        for clips in predictor.chunks(itertools.starmap(clip, group)):
            values = predictor.outputs(clips, of)
            found |= {one.request.file: values[:, i] for i, one in enumerate(clips)}
    return np.stack([found[name] for name in names])


def filled(rows: pd.DataFrame, values: np.ndarray, predictor: Predictor) -> pd.DataFrame:
    """``rows`` of a prediction file (utterance, fold, seed, role, true values) with ``values`` [rows, outputs]."""
    labels, keys = predictor.trained.labels, ["utterance", "fold", "seed", "role"]
    found = rows[keys].reset_index(drop=True)
    if predictor.row.task == "emotion":
        found["true_emotion"] = rows["true_emotion"].to_numpy()
        found["pred_emotion"] = np.array(labels)[values.argmax(1)]
        return found.assign(**{f"logit_{name}": values[:, i] for i, name in enumerate(labels)})
    for i, name in enumerate(labels):
        found[f"true_{name}"], found[f"pred_{name}"] = rows[f"true_{name}"].to_numpy(), values[:, i]
    return found
