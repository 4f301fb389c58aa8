"""Anyone's predictions, made elsewhere on a corpus and protocol of ours: guarded, scored and tabled like a system.

The file is a CSV, a row per test utterance:

- ``utterance``, as in the corpus' manifest;
- ``fold``, the protocol's, where it may be left out if every utterance is tested once. With it, validation utterances
  may be predicted too: calibration needs them;
- emotion: ``p_CLASS`` (probabilities) or ``logit_CLASS`` for every class, or ``pred_emotion`` alone;
- dimensions: ``pred_arousal`` … for every dimension that the corpus has, in its units.

The truth comes from manifest and protocol, never from the file. What such a system was trained and chosen on cannot be
proven here, and its results say so. One file is one run: enter several seeds as several systems.
"""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from ..config.settings import setting
from ..corpora import csv_file
from ..runtime.errors import UserError
from .system_config import TASK, System

if TYPE_CHECKING:
    from .recipe_inputs import TrainingInputs


class External(System):
    """Predictions that were made outside this pipeline."""

    recipe: Literal["external"] = setting("the recipe: stages/recipes/external.py")
    task: TASK = setting("what is predicted")
    file: str = setting("CSV with the predictions (its columns: stages/recipes/external.py)", min_length=1)
    inputs: ClassVar = ("elsewhere",)
    deterministic: ClassVar = True


def train(row: External, inputs: "TrainingInputs", fold, seed: int, unit):
    """What the file says of ``fold.scored`` [rows, outputs], no arrays; notes of what it leaves out."""
    path, examples = inputs.paths["elsewhere"], inputs.examples
    table = _read(path)
    if "fold" in table:
        table = table[table["fold"] == str(fold.number)]
    twice = table["utterance"].duplicated()
    if twice.any():
        name = table.loc[twice, "utterance"].iloc[0]
        raise UserError(f"{path}: utterance '{name}' is predicted twice; keep one row, or tell by a column 'fold'")
    unknown = table.loc[~table["utterance"].isin(examples.manifest["utterance"]), "utterance"]
    if len(unknown):
        raise UserError(f"{path}: utterance '{unknown.iloc[0]}' is not in the manifest; use its names")
    table = table.set_index("utterance")
    names = examples.manifest["utterance"].to_numpy()
    test = names[fold.test]
    missing = test[~np.isin(test, table.index)]
    if len(missing):
        raise UserError(
            f"{path}: fold {fold.number}: {len(missing)} of {len(test)} test utterances are not predicted, the first is"
            f" '{missing[0]}'; predict them all"
        )
    validated = "fold" in table and np.isin(names[fold.val], table.index).all()
    asked = names[fold.scored if validated else fold.test]
    values, whole = _outputs(path, table.loc[asked], examples)
    outputs = np.full((len(fold.scored), values.shape[1]), np.nan, np.float32)
    outputs[len(outputs) - len(values) :] = values
    notes = {"made elsewhere": Path(path).name, "tested alone": not validated, "labels alone": not whole}
    return outputs, {}, notes


def _read(path):
    import pandas as pd

    rows = [fields for _, fields, _ in csv_file.records(Path(path), ("utterance",), "use the manifest's names")]
    return pd.DataFrame(rows, columns=csv_file.header(Path(path)), dtype=str)


def _outputs(path, table, examples) -> tuple[np.ndarray, bool]:
    """Outputs of the rows in their order, and whether they say more than a label."""
    if examples.task == "dimensions":
        return _numbers(path, table, [f"pred_{name}" for name in examples.dimensions]), True
    for prefix in ("logit_", "p_"):
        if not any(name.startswith(prefix) for name in table.columns):
            continue
        values = _numbers(path, table, [f"{prefix}{name}" for name in examples.classes])
        if prefix == "p_":
            bad = (values < 0).any(1) | (np.abs(values.sum(1) - 1) > 0.01)
            if bad.any():
                raise UserError(f"{path}: utterance '{table.index[bad.argmax()]}': its p_CLASS do not add up to 1")
            values = np.log(np.maximum(values, 1e-12))
        if "pred_emotion" in table:
            other = table["pred_emotion"].to_numpy() != np.array(examples.classes)[values.argmax(1)]
            if other.any():
                raise UserError(
                    f"{path}: utterance '{table.index[other.argmax()]}': pred_emotion is not the class of the largest"
                    f" {prefix}CLASS; leave one of the two out"
                )
        return values, True
    if "pred_emotion" not in table:
        raise UserError(f"{path}: none of the columns p_CLASS, logit_CLASS, pred_emotion; give one kind")
    code = {name: i for i, name in enumerate(examples.classes)}
    bad = ~table["pred_emotion"].isin(code)
    if bad.any():
        raise UserError(
            f"{path}: utterance '{table.index[bad.argmax()]}': pred_emotion '{table['pred_emotion'][bad].iloc[0]}' is"
            f" none of the protocol's classes {', '.join(code)}"
        )
    return np.eye(len(code))[table["pred_emotion"].map(code).to_numpy(int)], False


def _numbers(path, table, columns: list[str]) -> np.ndarray:
    import pandas as pd

    for name in columns:
        if name not in table:
            raise UserError(f"{path}: no column '{name}'; needed are {', '.join(columns)}")
    values = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    bad = ~np.isfinite(values).all(1)
    if bad.any():
        column = columns[int((~np.isfinite(values[bad.argmax()])).argmax())]
        raise UserError(f"{path}: utterance '{table.index[bad.argmax()]}': {column} is not a finite number")
    return values
