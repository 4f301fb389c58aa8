"""What the gates between speech and words did (Gao 2024, equations 5 and 6), by kind of utterance and by condition."""

from ..transcripts.numbers import said
from ..transcripts.text import error_rates
from .gates import groups


def accounts(predictions, manifest, columns: tuple[str, ...]) -> list[dict]:
    """Accuracy and mean gates of all test rows together and of every group of them.

    Parameters
    ----------
    predictions
        A system's, of every role; columns ``gate_...`` are its gates, ``hypothesis`` is what it recognised.
    columns
        Its gates; none where it has no gate.

    Returns
    -------
    list of dict
        ``group`` and ``value`` (see :func:`stages.metrics.gates.groups`; the error rates are those of what the system
        itself recognised), ``rows`` (of test utterances, folds and seeds), ``right``, the share of them, and ``gates``,
        {column: mean}.
    """
    rows = predictions[predictions["role"] == "test"]
    rows = rows.merge(manifest.drop(columns="emotion"), on="utterance", suffixes=("", "_due"))
    rows["emotion"] = rows["true_emotion"]
    rates = None
    if "hypothesis" in rows:
        references, heard = ([said(text) for text in rows[name].fillna("")] for name in ("text", "hypothesis"))
        rates = error_rates(references, heard)[0]
    right = (rows["pred_emotion"] == rows["true_emotion"]).to_numpy(float)
    return [
        {
            "group": group,
            "value": value,
            "rows": int(members.sum()),
            "right": float(right[members].mean()),
            "gates": {name: float(rows[name].to_numpy()[members].mean()) for name in columns},
        }
        for group, value, members in groups(rows, rates)
        if members.any()
    ]


def condition(frame, columns: tuple[str, ...]) -> dict[str, float]:
    """{column: mean over the test rows} of predictions under a trial, or of a study's own."""
    rows = frame[frame["role"] == "test"]
    return {name: float(rows[name].mean()) for name in columns}
