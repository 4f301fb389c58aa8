"""How much of the planted cues can be heard in the eGeMAPS frames of voices never heard, whatever the system.

A listener is told in training what no system is told: the true cues of every utterance. It estimates those of new
voices from functionals of the frames, normalised by speaker, and names the emotion from its estimates.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, cross_val_predict

from stages.corpora.planted.couplings import CUES
from stages.metrics.scores import uar
from stages.recipes.labelled_set import Examples
from stages.stores.features import FeatureStore


@dataclass(frozen=True)
class Heard:
    """Pooled over the test folds: R^2 of every cue's estimate, UAR of the listener told the cues, and of logistic
    regression on the same functionals, which knows the labels alone."""

    cues: dict[str, float]
    told: float
    untold: float


def functionals(frames: np.ndarray) -> np.ndarray:
    """Means, deviations and percentiles over time of frames [frames, width]: [7 width]."""
    values = frames.astype(np.float64)
    return np.concatenate([values.mean(0), values.std(0), *np.percentile(values, [5, 20, 50, 80, 95], axis=0)])


def _by_speaker(values: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    normal = np.empty_like(values)
    for speaker in np.unique(speakers):
        mine = speakers == speaker
        normal[mine] = (values[mine] - values[mine].mean(0)) / (values[mine].std(0) + 1e-9)
    return normal


def listen(data: Path, protocol: str) -> Heard:
    """The listener on the planted corpus in the pipeline's folder ``data``."""
    folder = data / "ingest/planted"
    examples = Examples(folder / "manifest.csv", folder / f"protocols/{protocol}.csv", "emotion")
    store = FeatureStore(data / "features/planted/egemaps.h5")
    speakers = examples.manifest["speaker"].to_numpy(str)
    x = np.array([functionals(store.read("0", name)) for name in examples.manifest["utterance"]])
    x = _by_speaker(x, speakers)
    cues = examples.manifest[[f"cue_{name}" for name in CUES]].astype(float).to_numpy()
    estimates, named = np.zeros_like(cues), {"told": [], "untold": []}
    for number in examples.folds:
        fold = examples.fold(number)
        heard, new = (np.isin(speakers, speakers[part]) for part in (fold.train, fold.test))
        ridge, groups = Ridge(100.0), GroupKFold(6)
        view = np.zeros_like(cues)
        view[heard] = cross_val_predict(ridge, x[heard], cues[heard], groups=speakers[heard], cv=groups)
        view[new] = estimates[new] = ridge.fit(x[heard], cues[heard]).predict(x[new])
        for name, seen, strength in (("told", view, 0.1), ("untold", x, 1e-3)):
            model = LogisticRegression(C=strength, class_weight="balanced", max_iter=500)
            model.fit(seen[fold.train], examples.targets[fold.train])
            named[name].append(model.predict(seen[fold.test]))
    true = np.concatenate([examples.targets[examples.fold(number).test] for number in examples.folds])
    share = 1 - ((cues - estimates) ** 2).mean(0) / cues.var(0)
    scores = {name: uar(true, np.concatenate(found)) for name, found in named.items()}
    return Heard(dict(zip(CUES, share.tolist(), strict=True)), **scores)
