"""Systems on what they were not made for: noise over their test utterances, and other corpora."""

from . import widgets
from .number_format import TITLES, interval, shown
from .report_data import Contents
from .widgets import Cell, number, text

METRICS = ("uar", "ccc_arousal", "ccc_valence", "ccc_dominance")
COLOURS = ("white", "pink", "babble")
OPEN = 12
"""Rows of a table that stand on the page at once."""


def html(report: Contents) -> str:
    """The section of the page; empty where the study asks for no trial."""
    if not (report.tried or report.untried):
        return ""
    header = ["System", "tried on", "metric", "own test part", "tried", "interval", "lost", "interval", "utterances"]
    rows = []
    for system in dict.fromkeys(one["system"] for one in report.tried):
        for metric in METRICS:
            own = [one for one in report.tried if one["system"] == system and metric in one["metrics"]]
            rows += [
                [report.named(system), one["words"], TITLES[metric], *_figures(report, one, metric)] for one in own
            ]
    notes = _together([(one["words"], one["system"], note) for one in report.tried for note in one["notes"]])
    listed = "".join(
        f'<li>{text(note)} <span class="soft">({text(_names(report, systems))}; {text("; ".join(trials))})</span></li>'
        for note, systems, trials in notes
    )
    out = (
        "<h2>Robustness</h2><p>The trained systems on what they were not made for; nothing is retrained. Noise is set "
        "against the mean power of each whole utterance, pauses too; every test utterance is predicted by the models "
        "of the fold that tests it, so what is <em>lost</em> (own minus tried) is paired, the same speakers drawn for "
        "both. Another corpus is predicted by all folds together and has other speakers, so that nothing is paired.</p>"
    )
    table = widgets.table(header, rows) if rows else ""
    if len(rows) > OPEN:
        table = f"<details><summary>All {len(rows)} figures</summary>{table}</details>"
    out += _curves(report) + table + (f"<ul>{listed}</ul>" if listed else "")
    if report.untried:
        every = {words for words, *_ in report.untried} | {one["words"] for one in report.tried}
        lines = [
            [
                Cell(text(_names(report, systems)), "wide"),
                Cell("every trial" if len(trials) == len(every) else text("; ".join(trials)), "wide"),
                Cell(text(why), "wide"),
            ]
            for why, systems, trials in _together(report.untried)
        ]
        kept = widgets.table(["Not tried", "on", "why"], lines)
        out += f"<details><summary>Not tried</summary>{kept}</details>"
    return out


def _names(report: Contents, systems: list[str]) -> str:
    return ", ".join(map(report.named, systems))


def _together(told: list[tuple[str, str, str]]) -> list[tuple[str, list[str], list[str]]]:
    """(trial, system, words) as (words, systems, trials), the systems of the same trials on one line."""
    trials: dict[tuple[str, str], list[str]] = {}
    for trial, system, words in told:
        trials.setdefault((words, system), []).append(trial)
    systems: dict[tuple[str, ...], list[str]] = {}
    for (words, system), own in trials.items():
        systems.setdefault((words, *own), []).append(system)
    return [(words, names, own) for (words, *own), names in systems.items()]


def _figures(report: Contents, one: dict, metric: str) -> list[Cell]:
    clean, tried, lost = one["clean"][metric], one["metrics"][metric], one["difference"].get(metric)
    cells = [shown(metric, clean["pooled"], report.decimals), shown(metric, tried["pooled"], report.decimals)]
    cells.append(interval(metric, tried["ci_low"], tried["ci_high"], report.decimals))
    if lost:
        cells.append(shown(metric, lost["difference"], report.decimals, True))
        cells.append(interval(metric, lost["ci_low"], lost["ci_high"], report.decimals, True))
    else:
        cells += ["–", "–"]
    return [number(cell) for cell in [*cells, f"{tried['n_utterances']:,}"]]


def _curves(report: Contents) -> str:
    """A figure per metric and system that was tried at two ratios or more of a colour."""
    out = ""
    for metric in METRICS:
        lines = {}
        for one in report.tried:
            if metric in one["metrics"] and one.get("snr_db") is not None:
                lines.setdefault(one["system"], {}).setdefault(one["colour"], []).append(one)
        lines = {name: own for name, own in lines.items() if any(len(level) > 1 for level in own.values())}
        figures = [f[metric] for own in lines.values() for level in own.values() for one in level for f in _both(one)]
        ends = [v for f in figures for v in (f["pooled"], f["ci_low"], f["ci_high"]) if v is not None]
        for name, own in lines.items():
            out += _figure(report, metric, name, own, min(ends), max(ends))
    return f'<div class="grid small">{out}</div>' if out else ""


def _both(one: dict) -> tuple[dict, dict]:
    return one["clean"], one["metrics"]


def _figure(report: Contents, metric: str, name: str, own: dict[str, list[dict]], low: float, high: float) -> str:
    levels = sorted({one["snr_db"] for ones in own.values() for one in ones})
    step = 120 / (len(levels) + 1)
    places = {level: 35 + step * (i + 0.5) for i, level in enumerate([*levels, None])}

    def at(value: float) -> str:
        return f"{125 - 110 * (value - low) / (high - low or 1):.1f}"

    drawn, spoken = "", []
    for colour in [one for one in COLOURS if one in own]:
        shift, kind = 1.5 * (COLOURS.index(colour) - 1), f"line{COLOURS.index(colour)}"
        ones = sorted(own[colour], key=lambda one: one["snr_db"])
        points = [(one["snr_db"], one["metrics"][metric]) for one in ones] + [(None, ones[0]["clean"][metric])]
        path = " ".join(f"{places[level] + shift:.1f},{at(figure['pooled'])}" for level, figure in points)
        drawn += f'<polyline class="line {kind}" points="{path}"/>'
        for level, figure in points:
            x = f"{places[level] + shift:.1f}"
            if figure["ci_low"] is not None:
                ends = f'y1="{at(figure["ci_low"])}" y2="{at(figure["ci_high"])}"'
                drawn += f'<line class="line {kind}" x1="{x}" x2="{x}" {ends}/>'
            drawn += f'<circle class="{kind}" cx="{x}" cy="{at(figure["pooled"])}" r="2"/>'
            where = "clean" if level is None else f"{colour} noise {level:g} dB"
            bounds = interval(metric, figure["ci_low"], figure["ci_high"], report.decimals)
            spoken.append(f"{where} {shown(metric, figure['pooled'], report.decimals)} {bounds}")
    ticks = "".join(
        f'<text x="{x:.1f}" y="141" text-anchor="middle">{"clean" if level is None else f"{level:g}"}</text>'
        for level, x in places.items()
    )
    ends = "".join(
        f'<text x="32" y="{at(end)}" text-anchor="end">{shown(metric, end, report.decimals)}</text>'
        for end in (low, high)
    )
    legend = " ".join(f'<i class="line{COLOURS.index(one)}"></i>{one}' for one in COLOURS if one in own)
    title = f"{report.named(name)}, {TITLES[metric]}"
    return (
        f'<figure><h3>{text(title)}</h3><svg viewBox="0 0 160 154" role="img" aria-label="{text(title)}: '
        f'{text("; ".join(dict.fromkeys(spoken)))}"><rect class="frame" x="35" y="10" width="120" height="120"/>'
        f'{drawn}{ticks}{ends}<text x="95" y="151" text-anchor="middle">signal to noise, dB</text></svg>'
        f'<figcaption class="legend">{legend}</figcaption></figure>'
    )
