"""Comparisons of systems with each other, and with the published figures."""

import csv
from pathlib import Path

from ..runtime.errors import UserError
from . import intervals, scores, summary

PUBLISHED = (
    *("paper", "table", "row", "corpus", "metric", "value", "sd", "protocol", "encoders", "part", "transcripts"),
    *("aggregate", "note"),
)
"""``aggregate``: pooled or fold mean, where the paper says so. ``note``: what a reader of the figure should know."""
COUNTS = ("utterances", "minutes")
QUOTED = (*scores.METRICS, *(f"rho_{name}" for name in scores.DIMENSIONS), *COUNTS)
"""Metrics of the papers' figures: ours, the correlations of Srinivasan 2022, Table 1, and the sizes of corpora."""
AGGREGATES = ("", "pooled", "fold mean")
COMPARISON = (
    "paper",
    "table",
    "row",
    "corpus",
    "metric",
    "published",
    "ours",
    "ci_low",
    "ci_high",
    "verdict",
    "deviations",
    "part",
)


def compare(drawn: dict, pairs: list[tuple[str, str]], confidence: float) -> list[dict]:
    """Paired differences of ``pairs`` (system, other) in every metric that both have.

    ``drawn`` is {system: {metric: :class:`summary.Drawn`}}. Within one metric and one ``other`` the p-values are
    corrected by Holm. ``outcome`` is ``better``, ``worse`` or ``tie``, from the corrected p-value; a comparison that
    is not possible has the reason in ``note`` and no figures.
    """
    rows = []
    for metric in scores.METRICS:
        for system, other in pairs:
            a, b = drawn[system].get(metric), drawn[other].get(metric)
            if a is None or b is None:
                continue
            row = {"system": system, "other": other, "metric": metric, "note": ""}
            try:
                row |= summary.difference(a, b, metric, confidence)
            except UserError as reason:
                row["note"] = str(reason)
            rows.append(row)
    families: dict = {}
    for row in rows:
        if not row["note"]:
            families.setdefault((row["other"], row["metric"]), []).append(row)
    for family in families.values():
        for row, p in zip(family, intervals.holm([row["p"] for row in family]), strict=True):
            row["p_holm"] = p
            gain = -row["difference"] if scores.lower_is_better(row["metric"]) else row["difference"]
            row["outcome"] = "tie" if p > 1 - confidence else "better" if gain > 0 else "worse"
    return rows


def read_published(path: Path | str) -> list[dict]:
    """The papers' figures: one dictionary per line, ``value`` and ``sd`` as floats (sd None if not published).

    Raises
    ------
    UserError
        A column is missing, a metric unknown, or a value is not a fraction.
    """
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; restore it with 'git checkout {path}'") from None
    for line, row in enumerate(rows, 2):
        for name in PUBLISHED:
            if row.get(name) is None:
                raise UserError(f"{path}: line {line}: no {name}; the columns are {','.join(PUBLISHED)}")
        if row["metric"] not in QUOTED:
            raise UserError(f"{path}: line {line}: metric '{row['metric']}' is none of {', '.join(QUOTED)}")
        try:
            row["value"], row["sd"] = float(row["value"]), float(row["sd"]) if row["sd"] else None
        except ValueError:
            raise UserError(f"{path}: line {line}: value and sd are numbers; correct them") from None
        if row["aggregate"] not in AGGREGATES:
            raise UserError(f"{path}: line {line}: aggregate '{row['aggregate']}' is none of pooled, fold mean")
        if row["metric"] not in COUNTS and not -1 <= row["value"] <= 1:
            raise UserError(f"{path}: line {line}: value {row['value']} is not a fraction; divide percentages by 100")
    return rows


def substitutions(published: dict, study: dict, encoders: dict[str, str], transcripts: str = "") -> list[str]:
    """What replaces the paper's corpus, protocol, encoders and transcripts; empty if all are the paper's.

    ``encoders`` is {kind: name} of those that the system uses in this study, ``transcripts`` what it reads. Where a
    published row names no transcripts, any will do.
    """
    found = []
    if published["corpus"] != study["corpus"]:
        found.append(f"corpus {study['corpus']} for {published['corpus']}")
    if published["protocol"] != study["protocol"]:
        found.append(
            " ".join(filter(None, (f"protocol {study['protocol']} for", published["protocol"], published["part"])))
        )
    wanted = set(filter(None, published["encoders"].split("+")))
    if not wanted:
        found.append("the paper quotes this row, its encoder is not at hand")
    elif wanted != set(encoders.values()):
        found.append(f"encoders {' + '.join(encoders.values()) or 'none'} for {' + '.join(sorted(wanted))}")
    if published["transcripts"] not in ("", transcripts):
        found.append(f"transcripts {transcripts or 'none'} for {published['transcripts']}")
    return found


def aggregated(ours: dict | None, aggregate: str) -> tuple[dict | None, str]:
    """Our figure as a paper aggregates its own, with ``value`` and interval, and what is different about it.

    The interval of a fold mean is that of the pooled figure, moved along: speakers are drawn for the pooled one alone.
    """
    if ours is None:
        return None, ""
    shift, different = 0.0, ""
    if aggregate == "fold mean":
        mean = ours.get("fold_mean")
        different = "pooled over folds for the fold mean, for a fold lacks a class" if mean is None else ""
        shift = 0.0 if mean is None else mean - ours["pooled"]
    ends = {end: ours[end] if ours[end] is None else ours[end] + shift for end in ("ci_low", "ci_high")}
    return {"value": ours["pooled"] + shift, **ends}, different


def verdict(published: dict, ours: dict | None, substituted: list[str], within: float) -> str:
    """``reproduced``, ``within noise`` or ``not reproduced``; ``substitute`` or ``missing`` if none is possible.

    Not reproduced: the paper's figure lies outside our interval, widened by two of the paper's standard deviations.
    Reproduced: it lies inside, and no further than ``within`` from our figure. Within noise: all else.
    """
    if ours is None:
        return "missing"
    if substituted:
        return "substitute"
    margin = 2 * (published["sd"] or 0.0)
    if ours["ci_low"] is None:
        return "within noise" if abs(ours["value"] - published["value"]) <= margin else "not reproduced"
    if not ours["ci_low"] - margin <= published["value"] <= ours["ci_high"] + margin:
        return "not reproduced"
    return "reproduced" if abs(ours["value"] - published["value"]) <= within else "within noise"


def against_papers(entries, published: list[dict], study: dict, within: float) -> list[dict]:
    """The rows of comparison.csv: every published figure of the systems in ``entries``, with ours.

    If a paper has a row for several corpora or protocols, those of the study are taken; else those of a variant of its
    corpus (ravdess for ravdess-song), which count as substitutes; else all of them. A figure of a test part is held
    against ours of that part, where the protocol is the study's. ``entries``: see
    :class:`stages.pages.report_data.Entry`.
    """
    rows = []
    for entry in entries:
        for cell in entry.row.cells:
            rows += _of_cell(entry, cell, published, study, within)
    return rows + _not_run(entries, published, study)


def _of_cell(entry, cell: tuple[str, str], published: list[dict], study: dict, within: float) -> list[dict]:
    """The figures of one row of a paper, each with ours."""
    key, rows = (entry.row.paper, *cell), []
    known = [p for p in published if (p["paper"], p["table"], p["row"]) == key]
    own = [p for p in known if p["corpus"] == study["corpus"]]
    own = own or [p for p in known if _kin(p["corpus"], study["corpus"])]
    own = [p for p in own if p["protocol"] == study["protocol"]] or own
    for figure in own or known:
        metrics, missing = _of_part(entry, figure, study)
        ours, otherwise = aggregated(metrics.get(figure["metric"]), figure["aggregate"])
        if ours is None and entry.metrics and figure["metric"] == "wer":
            continue  # the paper's WER describes its transcripts, not this system's output
        marks = [entry.watermark] if entry.watermark else []
        replaced = substitutions(figure, study, entry.encoders, entry.transcripts)
        replaced += [otherwise] if otherwise else []
        words = "; ".join([*marks, *replaced, *entry.deviations] or ["none declared"])
        rows.append(
            _placed(figure)
            | {"ours": ours and ours["value"], "ci_low": ours and ours["ci_low"], "ci_high": ours and ours["ci_high"]}
            | {"verdict": verdict(figure, ours, replaced, within), "deviations": words if ours else missing}
        )
    return rows


def _placed(figure: dict) -> dict:
    """Where a published figure stands, and what it is."""
    where = {key: figure[key] for key in ("paper", "table", "row", "corpus", "part", "metric")}
    return where | {"published": figure["value"]}


def _not_run(entries, published: list[dict], study: dict) -> list[dict]:
    """The figures of rows that a study names as not run, each with why.

    Raises
    ------
    UserError
        The tables that the study's systems are of have no such row.
    """
    tables, rows = {(entry.row.paper, table) for entry in entries for table, _ in entry.row.cells}, []
    for name, why in study.get("not_run", {}).items():
        found = [p for p in published if p["row"] == name and (p["paper"], p["table"]) in tables]
        if not found:
            raise UserError(f"not_run: '{name}' is no row of the tables of the study's systems in data/published.csv")
        rows += [
            _placed(figure) | dict.fromkeys(("ours", "ci_low", "ci_high")) | {"verdict": "not run", "deviations": why}
            for figure in found
        ]
    return rows


def _of_part(entry, figure: dict, study: dict) -> tuple[dict, str]:
    """Our figures that a published one is held against, those of its test part, and why there are none."""
    if not figure["part"] or figure["protocol"] != study["protocol"] or not entry.evaluation:
        return entry.metrics, entry.missing
    return entry.parts.get(figure["part"], {}), f"the study's protocol tests no part '{figure['part']}'"


def _kin(one: str, other: str) -> bool:
    """Whether one entry of ``corpora:`` is named as a variant of the other."""
    return one.startswith(f"{other}-") or other.startswith(f"{one}-")
