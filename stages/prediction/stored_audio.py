"""Outputs of a system's models for a trial's utterances, computed as in prediction; this module sees no labels."""

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
    """The outputs [names, units, outputs] of the models of the units ``of`` for the utterances ``names``.

    ``speakers`` has the speaker of every utterance of the corpus. If features are normalised by speaker, the models get
    all utterances of the speakers of ``names``, as in training. ``read`` gives the samples of an utterance, int16 at
    16 kHz; ``texts`` has its words, if the system reads words.
    """
    whole = getattr(predictor.row, "normalise", "") == "speaker"
    asked = speakers[speakers.isin(set(speakers[names]))] if whole else speakers[names]
    pairs = sorted((speaker, name) for name, speaker in asked.items())

    def clip(speaker: str, name: str) -> Clip:
        samples = read(name)
        return Clip(Request(name, speaker, texts.get(name, "")), samples, 0.0, len(samples) / RATE)

    by_name: dict[str, np.ndarray] = {}
    for _, group in itertools.groupby(pairs, key=lambda pair: pair[0] if whole else ""):
        for clips in predictor.chunks(itertools.starmap(clip, group)):
            values = predictor.outputs(clips, of)
            by_name |= {each.request.file: values[:, i] for i, each in enumerate(clips)}
    return np.stack([by_name[name] for name in names])


def filled(rows: pd.DataFrame, values: np.ndarray, predictor: Predictor) -> pd.DataFrame:
    """``rows`` of a prediction file (utterance, fold, seed, role, true values) with ``values``.

    ``values`` are [rows, outputs], or with the system's further columns after them.
    """
    labels, keys = predictor.trained.labels, ["utterance", "fold", "seed", "role"]
    filled_rows = rows[keys].reset_index(drop=True)
    values, more = np.split(values, [len(labels)], axis=1)
    beside = {name: more[:, i] for i, name in enumerate(predictor.row.columns[: more.shape[1]])}
    if predictor.row.task == "emotion":
        filled_rows["true_emotion"] = rows["true_emotion"].to_numpy()
        filled_rows["pred_emotion"] = np.array(labels)[values.argmax(1)]
        return filled_rows.assign(**{f"logit_{name}": values[:, i] for i, name in enumerate(labels)}, **beside)
    for i, name in enumerate(labels):
        filled_rows[f"true_{name}"], filled_rows[f"pred_{name}"] = rows[f"true_{name}"].to_numpy(), values[:, i]
    return filled_rows.assign(**beside)
