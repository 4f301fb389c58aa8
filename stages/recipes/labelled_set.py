"""Labelled utterances of a corpus under a protocol, for one task."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..metrics.scores import ccc, ccc_parts, uar
from ..metrics.soft import shares
from ..protocols.table import load_split
from ..runtime.errors import UserError

DIMENSIONS = ("arousal", "valence", "dominance")


@dataclass(frozen=True)
class Fold:
    """Positions into the manifest of the labelled utterances of one fold."""

    number: int
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray

    @property
    def scored(self) -> np.ndarray:
        """Validation positions, then test ones: the rows of a prediction file."""
        return np.concatenate([self.val, self.test])


class Examples:
    """Targets and folds.

    Attributes
    ----------
    manifest : pandas.DataFrame
        Every utterance of the corpus, in the manifest's order.
    classes : list of str
        Of the emotion task, sorted.
    dimensions : list of str
        Of the dimensional task: those that the corpus has.
    targets : numpy.ndarray
        int64 [utterances], -1 where there is no label; or float32 [utterances, dimensions] in the corpus' units. Those
        of the test rows of the fold last asked for are hidden (-1, NaN), so no recipe reads them.
    truth : numpy.ndarray
        The same of all rows, for the prediction files.

    Raises
    ------
    UserError
        The files violate a guard, or the corpus has no labels for the task.
    """

    def __init__(self, manifest: str, protocol: str, task: str):
        self.task = task
        self.manifest, self.protocol = load_split(manifest, protocol)
        names = self.manifest["utterance"]
        self.position = pd.Series(np.arange(len(names)), index=names)
        first = self.protocol[self.protocol["fold"] == self.protocol["fold"].min()].set_index("utterance")
        emotion = first["emotion"].reindex(names).fillna("").to_numpy(str)
        self.classes = sorted(set(emotion) - {""})
        self.dimensions = [d for d in DIMENSIONS if pd.to_numeric(self.manifest[d]).notna().any()]
        if task == "emotion":
            code = {name: i for i, name in enumerate(self.classes)}
            self.truth = np.array([code.get(e, -1) for e in emotion])
            self.labelled = self.truth >= 0
        else:
            values = self.manifest[self.dimensions].apply(pd.to_numeric).to_numpy(np.float32)
            self.truth, self.labelled = values, np.isfinite(values).all(1) & bool(self.dimensions)
        if not self.labelled.any():
            raise UserError(
                f"{manifest}: no labels for the task '{task}'; take systems of the other task in this study"
            )
        self.targets = self.truth.copy()
        self.folds = sorted(int(f) for f in self.protocol["fold"].unique())

    @property
    def outputs(self) -> int:
        """How many numbers a model puts out per utterance."""
        return len(self.classes) if self.task == "emotion" else len(self.dimensions)

    def fold(self, number: int) -> Fold:
        """The positions of a fold; from now on ``targets`` hides the labels of its test rows."""
        rows = self.protocol[self.protocol["fold"] == number]
        positions = {}
        for role in ("train", "val", "test"):
            where = np.sort(self.position[rows.loc[rows["role"] == role, "utterance"]].to_numpy())
            positions[role] = where[self.labelled[where]]
        self.targets = self.truth.copy()
        self.targets[positions["test"]] = -1 if self.task == "emotion" else np.nan
        return Fold(number, **positions)

    def names(self, positions: np.ndarray) -> list[str]:
        """Names of the utterances at ``positions``."""
        return self.manifest["utterance"].to_numpy()[positions].tolist()

    def digest(self, number: int) -> str:
        """Of all in manifest and protocol that the training of this fold depends on; not which rows are tested."""
        rows = self.protocol[(self.protocol["fold"] == number) & self.protocol["role"].isin(["train", "val"])]
        known = self.manifest[["utterance", "speaker", "gender", "text", "sha256"]]
        labels = self.manifest.loc[self.manifest["utterance"].isin(rows["utterance"]), [*DIMENSIONS]]
        tables = (rows[["utterance", "role", "emotion"]], known, labels)
        return hashlib.sha256("".join(table.to_csv(index=False) for table in tables).encode()).hexdigest()

    def score(self, positions: np.ndarray, outputs: np.ndarray) -> float:
        """UAR, or the mean CCC over dimensions, of ``outputs`` [len(positions), outputs]; for validation."""
        true = self.targets[positions]
        if self.task == "emotion":
            return uar(true, outputs.argmax(1))
        return float(np.mean([ccc(true[:, d], outputs[:, d]) for d in range(true.shape[1])]))

    def agreement(self, positions: np.ndarray, outputs: np.ndarray) -> dict[str, dict[str, float]]:
        """{dimension: its ``ccc`` and Pearson's ``rho``} of ``outputs`` [len(positions), outputs]."""
        true = self.targets[positions]
        found = {}
        for d, name in enumerate(self.dimensions):
            rho, bias = ccc_parts(true[:, d], outputs[:, d])
            found[name] = {"ccc": rho * bias, "rho": rho}
        return found

    def scaling(self, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lowest value and range of each dimension over the training rows, for targets in [0, 1]."""
        low = self.targets[train].min(0)
        return low, np.maximum(self.targets[train].max(0) - low, 1e-6)

    def soft(self, train: np.ndarray) -> np.ndarray | None:
        """Soft labels float32 [utterances, classes] of the rows ``train``, NaN elsewhere; None where nobody voted.

        They are the shares of the raters' votes; a row without a vote for any class has its one label.
        """
        votes = shares(self.manifest, self.protocol, self.classes)
        if votes is None:
            return None
        given, whole = votes[train], np.full(votes.shape, np.nan, np.float32)
        total, labels = given.sum(1, keepdims=True), np.eye(self.outputs)[self.targets[train]]
        whole[train] = np.where(total > 0, given / np.maximum(total, 1e-9), labels)
        return whole

    def predictions(
        self, fold: Fold, seed: int, outputs: np.ndarray, hypotheses: list[str] | None = None
    ) -> pd.DataFrame:
        """The rows of a prediction file for one unit: ``outputs`` [len(fold.scored), outputs] in the corpus' units."""
        rows = fold.scored
        table = pd.DataFrame(
            {"utterance": self.manifest["utterance"].to_numpy()[rows], "fold": fold.number, "seed": seed}
        )
        table["role"] = np.repeat(["val", "test"], [len(fold.val), len(fold.test)])
        if self.task == "emotion":
            names = np.array(self.classes)
            table["true_emotion"], table["pred_emotion"] = names[self.truth[rows]], names[outputs.argmax(1)]
            for i, name in enumerate(self.classes):
                table[f"logit_{name}"] = outputs[:, i]
        else:
            for i, name in enumerate(self.dimensions):
                table[f"true_{name}"], table[f"pred_{name}"] = self.truth[rows, i], outputs[:, i]
        if hypotheses is not None:
            table["hypothesis"] = hypotheses
        return table
