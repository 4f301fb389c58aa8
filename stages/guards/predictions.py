"""Checks of a prediction file against manifest and protocol, before anything is scored."""

from ..protocols.splits import leaks, named, undivided
from ..runtime.errors import UserError

DIMENSIONS = ("arousal", "valence", "dominance")


def check_predictions(predictions, manifest, protocol, where: str = "predictions") -> None:
    """Check a prediction file against manifest and protocol.

    Columns as in ``data/evaluate``: utterance, fold, seed, role, then ``true_emotion, pred_emotion, logit_<class>``
    and/or ``true_<dimension>, pred_<dimension>``. One row per (utterance, fold, seed); roles, labels and classes are
    those of the two files; every labelled test utterance is predicted for every seed; nothing is missing or NaN; the
    speakers of validation, test and the protocol's training part are disjoint.

    Raises
    ------
    UserError
        With ``where`` and the first offending utterances.
    """
    import pandas as pd

    bad = predictions[predictions.duplicated(["utterance", "fold", "seed"])]
    if len(bad):
        raise UserError(
            f"{where}: fold {bad['fold'].iloc[0]}, seed {bad['seed'].iloc[0]}: {named(bad)}: predicted twice; "
            "delete the file and train again"
        )
    dimensions = [name for name in DIMENSIONS if f"pred_{name}" in predictions]
    if "pred_emotion" not in predictions and not dimensions:
        raise UserError(f"{where}: neither pred_emotion nor pred_<dimension>; delete the file and train again")
    rows = predictions.merge(
        protocol[["utterance", "fold", "role", "emotion"]],
        on=["utterance", "fold"],
        how="left",
        suffixes=("", "_due"),
    )
    rows = rows.merge(manifest[["utterance", "speaker", *DIMENSIONS]], on="utterance", how="left")
    bad = rows[~rows["role"].isin(["val", "test"]) | (rows["role"] != rows["role_due"])]
    if len(bad):
        due = bad["role_due"].iloc[0]
        raise UserError(
            f"{where}: fold {bad['fold'].iloc[0]}: {named(bad)}: role {bad['role'].iloc[0]}, but the protocol says "
            f"{due if isinstance(due, str) else 'nothing of it'}; train again under this protocol"
        )
    _same_speakers_apart(rows, manifest, protocol, where)
    test = protocol[protocol["role"] == "test"]
    if "pred_emotion" in predictions:
        _emotion_rows(rows, protocol, where)
        _all_tested(rows, "pred_emotion", test[test["emotion"] != ""], where)
    if dimensions:
        labelled = manifest.loc[manifest[dimensions].notna().all(axis=1), "utterance"]
        for name in dimensions:
            due = rows["utterance"].isin(labelled)
            for column in (f"true_{name}", f"pred_{name}"):
                values = pd.to_numeric(rows[column], errors="coerce")
                _refuse_rows(rows[due & ~values.abs().lt(float("inf"))], where, f"{column} is not a finite number")
            truth = pd.to_numeric(rows[f"true_{name}"], errors="coerce")
            off = due & ((truth - rows[name]).abs() > 1e-4 * rows[name].abs().clip(lower=1))
            _refuse_rows(rows[off], where, f"true_{name} is not the manifest's")
        _all_tested(
            rows[rows["utterance"].isin(labelled)],
            f"pred_{dimensions[0]}",
            test[test["utterance"].isin(labelled)],
            where,
        )


def _same_speakers_apart(rows, manifest, protocol, where: str) -> None:
    if "speaker" in leaks(protocol):
        return
    training = protocol.loc[protocol["role"] == "train", ["utterance", "fold", "role"]]
    training = training.merge(manifest[["utterance", "speaker"]], on="utterance")
    import pandas as pd

    both = pd.concat([rows[["utterance", "fold", "role", "speaker"]].drop_duplicates(), training])
    undivided(
        both,
        "speaker",
        where,
        "a speaker's utterances belong in one role; train again under a sound protocol",
    )


def _emotion_rows(rows, protocol, where: str) -> None:
    import numpy as np
    import pandas as pd

    classes = sorted(set(protocol["emotion"]) - {""})
    logits = sorted(name for name in rows if str(name).startswith("logit_"))
    if logits and logits != sorted(f"logit_{name}" for name in classes):
        raise UserError(
            f"{where}: its logits are of {', '.join(n[6:] for n in logits)}, the protocol's classes are "
            f"{', '.join(classes)}; train again under this protocol"
        )
    true, predicted = rows["true_emotion"].fillna(""), rows["pred_emotion"].fillna("")
    _refuse_rows(rows[true != rows["emotion"]], where, "true_emotion is not the protocol's")
    due = true != ""
    _refuse_rows(rows[due & ~predicted.isin(classes)], where, "pred_emotion is none of the classes")
    if not logits:  # labels alone, made elsewhere
        return
    values = rows[logits].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    _refuse_rows(rows[due & ~np.isfinite(values).all(1)], where, "a logit is not a finite number")


def _all_tested(rows, column: str, due, where: str) -> None:
    done = rows[(rows["role"] == "test") & rows[column].notna() & (rows[column] != "")]
    for seed in sorted(rows["seed"].unique()):
        own = done.loc[done["seed"] == seed, ["utterance", "fold"]]
        missing = due[["utterance", "fold"]].merge(own, how="left", indicator=True)
        missing = missing[missing["_merge"] == "left_only"]
        _refuse_rows(missing.assign(seed=seed), where, f"{column} is missing for a test utterance")


def _refuse_rows(bad, where: str, what: str) -> None:
    if len(bad):
        raise UserError(
            f"{where}: fold {bad['fold'].iloc[0]}, seed {bad['seed'].iloc[0]}: {named(bad)}: {what}; "
            "train again with the current manifest and protocol"
        )
