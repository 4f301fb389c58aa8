"""The figures of a system's predictions: pooled, fold mean, spread over seeds, interval, paired differences."""

from typing import NamedTuple

import numpy as np

from ..config.settings import Section, setting
from ..runtime.errors import UserError
from . import intervals, scores


class Evaluate(Section):
    """How test predictions are scored."""

    draws: int = setting("bootstrap draws of the test speakers", ge=1000)
    confidence: float = setting("confidence of the intervals", gt=0.5, lt=1)
    seed: int = setting("seed of the bootstrap", ge=0)
    baseline: str = setting("system or recipe that all others are compared with")
    few: int = setting("a fold with fewer test utterances of a class than this is flagged", ge=1)
    bins: int = setting("equal-width confidence bins of the calibration error (ECE)", ge=2)


class Scored(NamedTuple):
    """The rows of a table that one metric can score; all arrays have one entry per row."""

    utterance: np.ndarray
    fold: np.ndarray
    seed: np.ndarray
    speaker: np.ndarray
    true: np.ndarray
    pred: np.ndarray

    def take(self, rows: np.ndarray) -> "Scored":
        return Scored(*(column[rows] for column in self))


def scored(predictions, manifest, metric: str) -> Scored | None:
    """The test rows with a truth for ``metric``, sorted by seed, fold and utterance; None if there are none.

    Speakers and the references of the WER come from the manifest. An utterance of an unknown speaker is a
    cluster of its own, named by its id between slashes.

    Raises
    ------
    UserError
        A prediction is missing or not finite, an utterance is not in the manifest, one is predicted twice, or
        the seeds were tested on different utterances.
    """
    name = "emotion" if metric in scores.CLASS_METRICS else metric.removeprefix("ccc_")
    pred = "hypothesis" if metric == "wer" else f"pred_{name}"
    if pred not in predictions.columns:
        return None
    rows = predictions[predictions["role"] == "test"].sort_values(["seed", "fold", "utterance"], kind="stable")
    known = manifest.set_index("utterance")
    unknown = rows.loc[~rows["utterance"].isin(known.index), "utterance"]
    if len(unknown):
        raise UserError(f"predictions: utterance '{unknown.iloc[0]}' is not in the manifest; train again")
    if metric == "wer":
        from ..transcripts.numbers import said  # on both sides: what spells letters alone writes no digits
        from ..transcripts.text import words

        true = np.array([said(text) for text in known["text"].reindex(rows["utterance"]).fillna("")], str)
        usable = np.asarray([bool(words(text)) for text in true], bool)
    elif name == "emotion":
        true = rows["true_emotion"].fillna("").to_numpy(str)
        usable = true != ""
    else:
        true = rows[f"true_{name}"].to_numpy(np.float64)
        usable = np.isfinite(true)
    rows, true = rows[usable], true[usable]
    if not len(rows):
        return None
    if metric == "wer":
        values = np.array([said(text) for text in rows[pred].fillna("")], str)
        bad = np.zeros(len(rows), bool)  # an empty hypothesis is one: all its words are deleted
    elif name == "emotion":
        values = rows[pred].fillna("").to_numpy(str)
        bad = values == ""
    else:
        values = rows[pred].to_numpy(np.float64)
        bad = ~np.isfinite(values)
    if bad.any():
        first = rows["utterance"].iloc[int(np.argmax(bad))]
        raise UserError(f"predictions: {pred}: {bad.sum()} missing or not finite, first at '{first}'; train again")
    speaker = known["speaker"].reindex(rows["utterance"]).fillna("").to_numpy(str)
    names = rows["utterance"].to_numpy(str)
    speaker = np.where(speaker == "", np.char.add(np.char.add("/", names), "/"), speaker)
    table = Scored(names, rows["fold"].to_numpy(), rows["seed"].to_numpy(), speaker, true, values)
    _check(table, metric)
    return table


def _check(table: Scored, metric: str) -> None:
    first = None
    for seed in np.unique(table.seed):
        one = table.take(table.seed == seed)
        tested = list(zip(one.fold.tolist(), one.utterance.tolist(), strict=True))
        if len(set(tested)) != len(tested):
            raise UserError(f"predictions: {metric}: seed {seed} predicts an utterance twice in one fold; train again")
        first = tested if first is None else first
        if tested != first:
            raise UserError(f"predictions: {metric}: seed {seed} tests other utterances than the first; train again")


def value(table: Scored, metric: str) -> float:
    """The metric over all rows of ``table`` together."""
    plain = {"uar": scores.uar, "wa": scores.wa, "macro_f1": scores.macro_f1, "wer": scores.wer}
    return plain.get(metric, scores.ccc)(table.true, table.pred)


def sums(table: Scored, metric: str) -> intervals.Sums:
    """Per-speaker sums [seeds, speakers, ...] of the statistics that determine ``metric``; speakers sorted."""
    seeds, seed_at = np.unique(table.seed, return_inverse=True)
    speakers, speaker_at = np.unique(table.speaker, return_inverse=True)
    if metric in scores.CLASS_METRICS:
        classes, codes = np.unique(np.concatenate([table.true, table.pred]), return_inverse=True)
        rows = len(table.true)
        out = np.zeros((len(seeds), len(speakers), len(classes), len(classes)))
        np.add.at(out, (seed_at, speaker_at, codes[:rows], codes[rows:]), 1)
        return intervals.Sums(out, lambda counts: scores.of_confusion(metric, counts))
    if metric == "wer":
        each, score = scores.edits(table.true.tolist(), table.pred.tolist()), scores.wer_of
    else:
        centre = table.true.mean()
        each, score = scores.moments(table.true - centre, table.pred - centre), scores.ccc_of
    out = np.zeros((len(seeds), len(speakers), each.shape[-1]))
    np.add.at(out, (seed_at, speaker_at), each)
    return intervals.Sums(out, score)


def known_speakers(table: Scored) -> int:
    """How many speakers the rows have, without utterances of unknown speakers."""
    return len({name for name in table.speaker.tolist() if not name.startswith("/")})


def fold_values(table: Scored, metric: str) -> dict:
    """{fold: [value per seed]}, folds and seeds in ascending order."""
    return {
        fold: [value(table.take((table.fold == fold) & (table.seed == seed)), metric) for seed in np.unique(table.seed)]
        for fold in np.unique(table.fold).tolist()
    }


def _no_fold_mean(table: Scored, metric: str) -> str:
    """Why a mean over folds would mislead: the test part of a fold lacks a class. Empty if it would not."""
    if metric not in ("uar", "macro_f1"):
        return ""
    classes = set(table.true.tolist())
    for fold in np.unique(table.fold):
        missing = classes - set(table.true[table.fold == fold].tolist())
        if missing:
            return f"{metric}: no fold mean, for the test part of fold {fold} lacks {', '.join(sorted(missing))}"
    return ""


def _by_seed(table: Scored, metric: str) -> list[float]:
    return [value(table.take(table.seed == seed), metric) for seed in np.unique(table.seed)]


def _resampled(table: Scored, metric: str, options: Evaluate) -> np.ndarray:
    counts = intervals.speaker_draws(len(np.unique(table.speaker)), options.draws, options.seed)
    return intervals.resampled(sums(table, metric), counts)


def summarise(predictions, manifest, options: Evaluate) -> tuple[dict, list[str]]:
    """Every metric that the predictions allow, over their test rows.

    Returns
    -------
    metrics : {metric: {pooled, fold_mean, seed_sd, ci_low, ci_high, n_utterances, n_speakers, n_seeds}}
        ``pooled``: over all test predictions of one seed, averaged over seeds. ``fold_mean``: averaged over folds,
        then seeds; None where a fold lacks a class (UAR, macro F1). ``seed_sd``: sample standard deviation of
        ``pooled`` over seeds, None for a single one. ``ci_*``: the interval of ``pooled``, speakers resampled, the
        same draws for every seed; None for a single speaker.
    notes : what a reader of these figures should know.
    """
    metrics, notes = {}, []
    for metric in scores.METRICS:
        table = scored(predictions, manifest, metric)
        if table is None:
            continue
        by_seed = _by_seed(table, metric)
        refusal = _no_fold_mean(table, metric)
        folds = np.asarray(list(fold_values(table, metric).values()))
        clusters = len(np.unique(table.speaker))
        low = high = None
        if clusters > 1:
            low, high = intervals.interval(_resampled(table, metric, options), options.confidence, clusters)
        metrics[metric] = {
            "pooled": float(np.mean(by_seed)),
            "fold_mean": None if refusal else float(folds.mean(0).mean()),
            "seed_sd": float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None,
            "ci_low": low,
            "ci_high": high,
            "n_utterances": len(np.unique(table.utterance)),
            "n_speakers": known_speakers(table),
            "n_seeds": len(by_seed),
        }
        notes += [refusal] if refusal else []
        notes += _cautions(table, metric, clusters, options.few)
    return metrics, list(dict.fromkeys(notes))


def _cautions(table: Scored, metric: str, clusters: int, few: int) -> list[str]:
    notes = []
    if clusters < 5:
        plural = "s" if clusters != 1 else ""
        notes.append(f"{clusters} test speaker{plural}: an interval over so few says little about other speakers")
    unknown = len({name for name in table.speaker.tolist() if name.startswith("/")})
    if unknown:
        notes.append(f"{unknown} test utterances of unknown speaker: each its own cluster in the interval")
    if metric == "uar":
        one = table.take(table.seed == table.seed[0])
        for fold in np.unique(one.fold):
            names, counts = np.unique(one.true[one.fold == fold], return_counts=True)
            rare = [f"{n} {name}" for name, n in zip(names.tolist(), counts.tolist(), strict=True) if n < few]
            if rare:
                notes.append(f"fold {fold}: only {', '.join(rare)} in the test part; its fold value is unsteady")
    return notes


class Drawn(NamedTuple):
    """One system and metric, ready for comparison: what was tested, the pooled value, its value in every draw."""

    tested: list
    pooled: float
    values: np.ndarray
    speakers: int


def drawn(predictions, manifest, metric: str, options: Evaluate) -> Drawn | None:
    """The bootstrap of one system and metric; None if it does not predict it or there is only one speaker."""
    table = scored(predictions, manifest, metric)
    speakers = 0 if table is None else len(np.unique(table.speaker))
    if speakers < 2:
        return None
    tested = sorted(set(zip(table.fold.tolist(), table.utterance.tolist(), strict=True)))
    return Drawn(tested, float(np.mean(_by_seed(table, metric))), _resampled(table, metric, options), speakers)


def difference(a: Drawn, b: Drawn, metric: str, confidence: float) -> dict:
    """a minus b, the same speakers drawn for both: see :func:`paired`."""
    if a.tested != b.tested:
        raise UserError(
            f"{metric}: not compared; the two systems were tested on different utterances "
            f"({len(a.tested)} and {len(b.tested)}); compare within one protocol"
        )
    differences = a.values - b.values
    low, high = intervals.interval(differences, confidence, a.speakers)
    return {
        "difference": a.pooled - b.pooled,
        "ci_low": low,
        "ci_high": high,
        "p": intervals.p_value(a.pooled - b.pooled, differences, a.speakers),
        "detectable": intervals.detectable(differences, confidence, a.speakers),
    }


def paired(predictions_a, predictions_b, manifest, metric: str, options: Evaluate) -> dict:
    """System a minus system b on identical test utterances, the same speakers drawn for both.

    Returns ``{difference, ci_low, ci_high, p, detectable}``: the difference of the pooled values, its interval,
    the two-sided p-value of no difference (uncorrected, see :func:`intervals.holm`) and the smallest
    difference that this comparison would find with 80 % power.

    Raises
    ------
    UserError
        One of them lacks the metric or a second test speaker, or they were tested on different utterances.
    """
    a, b = (drawn(p, manifest, metric, options) for p in (predictions_a, predictions_b))
    if a is None or b is None:
        raise UserError(f"{metric}: not compared; a system does not predict it, or there is one test speaker only")
    return difference(a, b, metric, options.confidence)
