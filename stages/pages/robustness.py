"""Trained systems under noise and on other corpora."""

from . import cells
from .cells import Cell, Table, number, wide
from .lines import Lines, lines
from .number_format import TITLES, interval, shown
from .report_data import Contents

METRICS = ("uar", "ccc_arousal", "ccc_valence", "ccc_dominance")
COLOURS = ("white", "pink", "babble")
NOISE, CLEAN = "signal to noise, dB", "clean"
OPEN = 12
"""A table with more rows than this is folded."""


def section(report: Contents) -> dict | None:
    """Curves, the table of all figures, notes, and what was not tried; None if the study asks for no trial."""
    if not (report.tried or report.untried):
        return None
    header = ["System", "tried on", "metric", "own test part", "tried", "interval", "lost", "interval", "utterances"]
    rows = []
    for system in dict.fromkeys(one["system"] for one in report.tried):
        for metric in METRICS:
            own = [one for one in report.tried if one["system"] == system and metric in one["metrics"]]
            rows += [
                [report.named(system), one["words"], TITLES[metric], *_figures(report, one, metric)] for one in own
            ]
    notes = _together([(one["words"], one["system"], note) for one in report.tried for note in one["notes"]])
    return {
        "curves": _curves(report),
        "count": len(rows),
        "folded": len(rows) > OPEN,
        "table": cells.table(header, rows) if rows else None,
        "notes": [(note, _names(report, systems), "; ".join(trials)) for note, systems, trials in notes],
        "untried": _untried(report) if report.untried else None,
    }


def _untried(report: Contents) -> Table:
    every = {words for words, *_ in report.untried} | {one["words"] for one in report.tried}
    rows = [
        [
            wide(_names(report, systems)),
            wide("every trial" if len(trials) == len(every) else "; ".join(trials)),
            wide(why),
        ]
        for why, systems, trials in _together(report.untried)
    ]
    return cells.table(["Not tried", "on", "why"], rows)


def _names(report: Contents, systems: list[str]) -> str:
    return ", ".join(map(report.named, systems))


def _together(lines: list[tuple[str, str, str]]) -> list[tuple[str, list[str], list[str]]]:
    """Lines (trial, system, words) as (words, systems, trials): systems with the same words and trials share a line."""
    trials: dict[tuple[str, str], list[str]] = {}
    for trial, system, words in lines:
        trials.setdefault((words, system), []).append(trial)
    systems: dict[tuple[str, ...], list[str]] = {}
    for (words, system), own in trials.items():
        systems.setdefault((words, *own), []).append(system)
    return [(words, names, own) for (words, *own), names in systems.items()]


def _figures(report: Contents, one: dict, metric: str) -> list[Cell]:
    clean, tried, lost = one["clean"][metric], one["metrics"][metric], one["difference"].get(metric)
    found = [shown(metric, clean["pooled"], report.decimals), shown(metric, tried["pooled"], report.decimals)]
    found.append(interval(metric, tried["ci_low"], tried["ci_high"], report.decimals))
    if lost:
        found.append(shown(metric, lost["difference"], report.decimals, True))
        found.append(interval(metric, lost["ci_low"], lost["ci_high"], report.decimals, True))
    else:
        found += ["–", "–"]
    return [number(text) for text in [*found, f"{tried['n_utterances']:,}"]]


def _curves(report: Contents) -> list[Lines]:
    """A figure per metric and system that was tried at two ratios or more of a colour."""
    found = []
    for metric in METRICS:
        drawn = {}
        for one in report.tried:
            if metric in one["metrics"] and one.get("snr_db") is not None:
                drawn.setdefault(one["system"], {}).setdefault(one["colour"], []).append(one)
        drawn = {name: own for name, own in drawn.items() if any(len(level) > 1 for level in own.values())}
        figures = [f[metric] for own in drawn.values() for level in own.values() for one in level for f in _both(one)]
        ends = [v for f in figures for v in (f["pooled"], f["ci_low"], f["ci_high"]) if v is not None]
        found += [_figure(report, metric, name, own, min(ends), max(ends)) for name, own in drawn.items()]
    return found


def _both(one: dict) -> tuple[dict, dict]:
    return one["clean"], one["metrics"]


def _figure(report: Contents, metric: str, name: str, own: dict[str, list[dict]], low: float, high: float) -> Lines:
    levels = sorted({one["snr_db"] for ones in own.values() for one in ones})

    def point(tick: int, figure: dict) -> tuple:
        return tick, figure["pooled"], figure["ci_low"], figure["ci_high"]

    def words(value: float) -> str:
        return shown(metric, value, report.decimals)

    def phrase(colour: str, tick: str, value: float, *ends) -> str:
        where = tick if tick == CLEAN else f"{colour} noise {tick} dB"
        return f"{where} {words(value)} {interval(metric, *ends, report.decimals)}"

    curves = {}
    for colour in COLOURS:
        ones = sorted(own.get(colour, []), key=lambda one: one["snr_db"])
        curves[colour] = [point(levels.index(one["snr_db"]), one["metrics"][metric]) for one in ones]
        curves[colour] += [point(len(levels), ones[0]["clean"][metric])] if ones else []
    ticks = [*(f"{level:g}" for level in levels), CLEAN]
    return lines(f"{report.named(name)}, {TITLES[metric]}", NOISE, ticks, curves, (low, high), words, phrase)
