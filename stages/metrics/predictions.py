"""Prediction files: reading them, merging the parts of a system, and rounding the figures computed from them."""

import re
from pathlib import Path

from ..runtime.errors import UserError

FIRST = ("utterance", "fold", "seed", "role")
_DIMENSION = re.compile(r"(true|pred)_(arousal|valence|dominance)")


def read_predictions(path: Path | str):
    """A prediction file as a data frame: text as text, fold and seed int64, values float64 (NaN where empty).

    Raises
    ------
    UserError
        The file is missing or empty, lacks a key column, or has a value that is not a number; with its line.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the stage that makes it") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as fault:
        raise UserError(
            f"{path}: not a readable CSV ({' '.join(str(fault).split())}); delete it and run again"
        ) from None
    for name in FIRST:
        if name not in frame.columns:
            raise UserError(f"{path}: line 1: no column '{name}'; delete it and run again")
    for name in frame.columns:
        whole = name in ("fold", "seed")
        if whole or name.startswith(("logit_", "gate_")) or _DIMENSION.fullmatch(name):
            numbers = pd.to_numeric(frame[name].where(frame[name] != ""), errors="coerce").astype("float64")
            bad = (frame[name] != "") & numbers.isna()
            if whole:
                bad |= numbers.isna() | (numbers % 1 != 0)
            if bad.any():
                line = int(bad.to_numpy().argmax()) + 2
                raise UserError(f"{path}: line {line}: {name}: not a number; delete it and run again")
            frame[name] = numbers.astype("int64") if whole else numbers
    return frame


def merged(paths: list[Path]):
    """The predictions of all parts in one frame, sorted by fold, seed, role and utterance, its columns in order.

    Raises
    ------
    UserError
        The parts have different columns, or none has a row.
    """
    import pandas as pd

    frames = [read_predictions(path) for path in paths]
    for path, frame in zip(paths, frames, strict=True):
        if set(frame.columns) != set(frames[0].columns):
            differing = sorted(set(frame.columns) ^ set(frames[0].columns))
            raise UserError(f"{path}: column '{differing[0]}' is not in all parts; delete the parts and train again")
    whole = pd.concat(frames, ignore_index=True)
    if whole.empty:
        raise UserError(f"{paths[0]}: no rows; delete it and train again")
    order = [*FIRST, "true_emotion", "pred_emotion", *sorted(n for n in whole.columns if n.startswith("logit_"))]
    order += [f"{side}_{name}" for name in ("arousal", "valence", "dominance") for side in ("true", "pred")]
    order = [name for name in [*order, "hypothesis"] if name in whole.columns]
    order += [name for name in whole.columns if name not in order]
    return whole[order].sort_values(["fold", "seed", "role", "utterance"], kind="stable").reset_index(drop=True)


def rounded(value):
    """Figures rounded to ten decimals, so that sums in another order give the same file."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return round(value, 10) + 0.0 if isinstance(value, float) else value
