"""Breakdowns of a system's figures: per fold, class, sex, speaker and length; confusions, calibration."""

import numpy as np

from . import calibration, scores, summary

LENGTH_METRICS = ("wa", "ccc_arousal", "ccc_valence", "ccc_dominance", "wer")
"""What is reported per tenth of the durations. Not UAR, for a tenth may lack a class."""


def details(predictions, manifest, options: summary.Evaluate) -> dict:
    """All of an evaluation except its metrics: means over seeds on the test rows.

    ``folds``: per fold its utterances and metrics; ``classes``: per class recall and support; ``confusion``: counts
    summed over seeds, rows the truth; ``gender`` and ``speakers``: metrics per sex, and the range over speakers of
    at least ``few`` utterances; ``lengths``: metrics per tenth of the utterances by duration; ``dimensions``: parts of
    each CCC; ``calibration``: see :mod:`calibration`.
    """
    tables = {m: summary.scored(predictions, manifest, m) for m in scores.METRICS}
    tables = {m: table for m, table in tables.items() if table is not None}
    found: dict = {"folds": _folds(tables)}
    if "uar" in tables:
        found |= _classes(tables["uar"])
    found["gender"] = _genders(tables, manifest)
    found["speakers"] = {m: _speakers(table, m, options.few) for m, table in tables.items() if m != "macro_f1"}
    found["lengths"] = {m: _lengths(t, m, manifest, options.few) for m, t in tables.items() if m in LENGTH_METRICS}
    found["dimensions"] = {
        metric.removeprefix("ccc_"): _mean([calibration.agreement(one.true, one.pred) for one in _seeds(table)])
        for metric, table in tables.items()
        if metric.startswith("ccc_")
    }
    found["calibration"] = calibration.calibrated(predictions, options.bins) if "uar" in tables else None
    return found


def _seeds(table: summary.Scored) -> list[summary.Scored]:
    return [table.take(table.seed == seed) for seed in np.unique(table.seed)]


def _mean(parts: list[dict]) -> dict:
    return {
        key: None if any(p[key] is None for p in parts) else float(np.mean([p[key] for p in parts])) for key in parts[0]
    }


def _folds(tables: dict) -> list[dict]:
    rows: dict = {}
    for metric, table in tables.items():
        for fold, values in summary.fold_values(table, metric).items():
            row = rows.setdefault(fold, {"fold": int(fold), "n_utterances": 0})
            row["n_utterances"] = max(row["n_utterances"], len(np.unique(table.utterance[table.fold == fold])))
            row[metric] = float(np.mean(values))
    return [rows[fold] for fold in sorted(rows)]


def _classes(table: summary.Scored) -> dict:
    classes = np.unique(np.concatenate([table.true, table.pred])).tolist()
    counts = scores.confusion(table.true.tolist(), table.pred.tolist(), classes)
    seeds = len(np.unique(table.seed))
    recalls = {
        name: {"recall": float(counts[i, i] / counts[i].sum()), "support": int(counts[i].sum()) // seeds}
        for i, name in enumerate(classes)
        if counts[i].sum()
    }
    return {"classes": recalls, "confusion": {"labels": classes, "counts": counts.tolist()}}


def _genders(tables: dict, manifest) -> dict:
    known = manifest.set_index("utterance")["gender"]
    found: dict = {}
    for metric, table in tables.items():
        gender = known.reindex(table.utterance).fillna("").to_numpy(str)
        for name in ("female", "male"):
            part = table.take(gender == name)
            if len(part.true):
                own = found.setdefault(name, {"n_utterances": 0})
                own["n_utterances"] = max(own["n_utterances"], len(np.unique(part.utterance)))
                own[metric] = float(np.mean([summary.value(one, metric) for one in _seeds(part)]))
    return found


def _speakers(table: summary.Scored, metric: str, few: int) -> dict | None:
    """The worst and the best value over speakers, and the name of the worst speaker; None if all have too few rows."""
    values = {}
    for name in np.unique(table.speaker).tolist():
        part = table.take(table.speaker == name)
        if len(np.unique(part.utterance)) >= few:
            values[name] = float(np.mean([summary.value(one, metric) for one in _seeds(part)]))
    if not values:
        return None
    ordered = sorted(values, key=lambda name: (values[name], name), reverse=scores.lower_is_better(metric))
    return {"worst": values[ordered[0]], "worst_speaker": ordered[0], "best": values[ordered[-1]], "n": len(values)}


def _lengths(table: summary.Scored, metric: str, manifest, few: int) -> list[dict] | None:
    """Per tenth of the test utterances, shortest first: longest seconds, count, value; None if there are too few."""
    seconds = manifest.set_index("utterance")["duration"].astype(float)
    names = np.unique(table.utterance)
    if len(names) < 10 * few:
        return None
    order = names[np.argsort(seconds[names].to_numpy(), kind="stable")]
    found = []
    for tenth in np.array_split(order, 10):
        part = table.take(np.isin(table.utterance, tenth))
        value = float(np.mean([summary.value(one, metric) for one in _seeds(part)]))
        found.append({"seconds": float(seconds[tenth].max()), "n_utterances": len(tenth), metric: value})
    return found
