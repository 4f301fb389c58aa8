"""Breakdowns of the figures: per fold, sex, speaker and length, soft labels, and calibration."""

from . import cells, figures
from .cells import Table, number
from .number_format import TITLES, shown
from .report_data import Contents

METRICS = ("uar", "ccc_arousal", "ccc_valence", "ccc_dominance", "wer")


def section(report: Contents) -> dict:
    """``tables``: title and table of every breakdown that at least one system has; ``calibration``: see below."""
    systems = [(report.named(e.name), e.metrics, e.evaluation) for e in report.entries if e.evaluation]
    per_fold, per_sex, per_speaker = [], [], []
    for name, metrics, found in systems:
        for metric in [metric for metric in METRICS if metric in metrics]:
            values = [shown(metric, row.get(metric), report.decimals) for row in found["folds"]]
            per_fold.append([name, TITLES[metric], "  ".join(values)])
            both = [found["gender"].get(sex, {}).get(metric) for sex in ("female", "male")]
            per_sex.append([name, TITLES[metric], *(number(shown(metric, v, report.decimals)) for v in both)])
            spread = found["speakers"].get(metric)
            if spread:
                worst, best = (shown(metric, spread[end], report.decimals) for end in ("worst", "best"))
                per_speaker.append([name, TITLES[metric], f"{worst} ({spread['worst_speaker']})", best, spread["n"]])
    tables = (
        ("Per fold", ["System", "metric", "folds in order"], per_fold),
        ("Per sex", ["System", "metric", "female", "male"], per_sex),
        ("Per speaker", ["System", "metric", "worst", "best", "speakers"], per_speaker),
        (
            "Per length",
            ["System", "metric", "per tenth, shortest first", "utterances in each", "longest, s"],
            _lengths(report, systems),
        ),
        (
            "Parts of the CCC (rho times C_b)",
            ["System", "dimension", "rho", "C_b", "bias", "slope"],
            _dimensions(systems),
        ),
        (
            "Soft labels: divergence from the raters' votes (Jensen-Shannon; 0: identical)",
            ["System", "predicted probabilities", "predicted class alone", "test utterances"],
            _soft(systems),
        ),
    )
    return {
        "tables": [(title, cells.table(header, rows)) for title, header, rows in tables if rows],
        "calibration": _calibration(systems),
    }


def _lengths(report: Contents, systems: list) -> list[list]:
    rows = []
    for name, _, found in systems:
        for metric, tenths in found["lengths"].items():
            if tenths:
                values = "  ".join(shown(metric, one[metric], report.decimals) for one in tenths)
                seconds = "  ".join(f"{one['seconds']:.1f}" for one in tenths)
                rows.append([name, TITLES[metric], values, tenths[0]["n_utterances"], seconds])
    return rows


def _dimensions(systems: list) -> list[list]:
    rows = []
    for name, _, found in systems:
        for dimension, own in found["dimensions"].items():
            values = [own["rho"], own["c_b"], own["bias"], own["slope"]]
            rows.append([name, dimension, *(number("–" if v is None else f"{v:.3f}") for v in values)])
    return rows


def _soft(systems: list) -> list[list]:
    rows = []
    for name, _, found in systems:
        if own := found.get("soft"):
            divergences = [number(f"{own[kind]:.3f}") for kind in ("predicted", "chosen")]
            rows.append([name, *divergences, number(f"{own['n_utterances']:,}")])
    return rows


def _calibration(systems: list) -> dict | None:
    """A table of all systems with probabilities and a curve of each; None where there is none."""
    found = [(name, one["calibration"]) for name, _, one in systems if one["calibration"]]
    if not found:
        return None
    return {"table": _calibrated(found), "curves": [figures.reliability(name, own["plain"]) for name, own in found]}


def _calibrated(found: list[tuple[str, dict]]) -> Table:
    rows = [
        [
            name,
            *(number(f"{own[kind][what]:.3f}") for what in ("ece", "brier") for kind in ("plain", "scaled")),
            number(" to ".join(f"{t:.2f}" for t in own["temperature"])),
        ]
        for name, own in found
    ]
    return cells.table(["System", "ECE", "ECE, scaled", "Brier", "Brier, scaled", "temperature"], rows)
