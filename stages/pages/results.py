"""The first sections of the page: every system's figures, and how they differ."""

from . import cells, figures, trust
from .cells import Cell, Span, Table, number, wide
from .number_format import TITLES, ceiling, interval, shown
from .report_data import Contents, Entry


def results(report: Contents) -> dict:
    """Strips and the table of all figures per kind of metric, and the systems that are missing."""
    missing = [[entry.name, _where(entry), wide(entry.missing)] for entry in report.entries if entry.missing]
    return {
        "caption": report.caption,
        "coverage": trust.coverage(report),
        "groups": [
            {
                "title": title,
                "strips": [_strips(report, metric) for metric in metrics],
                "table": _table(report, metrics),
            }
            for title, metrics in report.groups
        ],
        "parts": _of_parts(report),
        "missing": cells.table(["System", "paper", "why"], missing) if missing else None,
    }


def _of_parts(report: Contents) -> Table | None:
    """Every system's figures in each test part that the protocol names, with their intervals; None without names."""
    metrics = [metric for _, own in report.groups for metric in own]
    rows = []
    for entry in report.entries:
        for part, found in entry.parts.items():
            row: list = [_name(report, entry), part]
            for metric in metrics:
                figure = found.get(metric) or {"pooled": None, "ci_low": None, "ci_high": None}
                row.append(number(shown(metric, figure["pooled"], report.decimals)))
                row.append(number(interval(metric, figure["ci_low"], figure["ci_high"], report.decimals)))
            rows.append(row)
    header = ["System", "test part", *(title for metric in metrics for title in (TITLES[metric], "interval"))]
    return cells.table(header, rows) if rows else None


def _scored(report: Contents, metrics: list[str]) -> list[Entry]:
    return [entry for entry in report.entries if set(metrics) & set(entry.metrics)]


def _name(report: Contents, entry: Entry) -> Cell:
    tags = [Span(entry.tag, "tag")] if entry.tag else []
    tags += [Span("leaky", "tag leak")] if report.named(entry.name) != entry.name else []
    return Cell(entry.name, spans=tuple(tags))


def _where(entry: Entry) -> str:
    row = entry.row
    cells = "; ".join(f"table {table}: {name}" for table, name in row.cells)
    return ", ".join(filter(None, (row.paper, cells))) or "–"


def _table(report: Contents, metrics: list[str]) -> Table:
    header = ["System", "sees", "paper"]
    for metric in metrics:
        header += [TITLES[metric], "interval", "sd over seeds", "fold mean", "ceiling", "vs baseline"]
    rows, kinds = [], []
    for entry in _scored(report, metrics):
        row = [_name(report, entry), entry.row.modality, _where(entry)]
        for metric in metrics:
            row += _figures(report, entry, metric)
        rows.append(row)
        kinds.append("control" if entry.tag == "control" else "")
    return cells.table(header, rows, kinds)


def _strips(report: Contents, metric: str) -> figures.Strips:
    rows = []
    for entry in _scored(report, [metric]):
        figure = entry.metrics[metric]
        mark = report.outcome(entry.name, metric)
        rows.append(
            {
                "name": f"{report.named(entry.name)}\u00a0{mark}" if mark else report.named(entry.name),
                "control": entry.tag == "control",
                "value": figure["pooled"],
                "low": figure["ci_low"],
                "high": figure["ci_high"],
                "ceiling": ceiling(report.ceilings, entry.row.modality, metric),
            }
        )
    return figures.strips(metric, rows, report.decimals, report.confidence)


def _figures(report: Contents, entry: Entry, metric: str) -> list[Cell]:
    figure = entry.metrics.get(metric)
    if figure is None:
        return [number("–")] * 6

    def one(value) -> Cell:
        return number(shown(metric, value, report.decimals))

    bounds = number(interval(metric, figure["ci_low"], figure["ci_high"], report.decimals))
    highest = ceiling(report.ceilings, entry.row.modality, metric)
    compared = report.against_baseline(entry.name, metric)
    against = _against(report, compared) if compared else number("–")
    return [one(figure["pooled"]), bounds, one(figure["seed_sd"]), one(figure["fold_mean"]), one(highest), against]


def _against(report: Contents, row: dict) -> Cell:
    if row["note"]:
        return wide(row["note"])
    value = shown(row["metric"], row["difference"], report.decimals, True)
    return Cell(value, "n", (Span(row["outcome"], row["outcome"]),))


def differences(report: Contents) -> dict | None:
    """Every paired comparison: those with the baseline, and the others; None where there is none."""
    if not report.comparisons:
        return None
    baseline, others = [], []
    for row in report.comparisons:
        with_baseline = report.baselines.get(row["metric"]) == row["other"]
        (baseline if with_baseline else others).append(_difference(report, row))
    share = f"{100 * report.confidence:g} %"
    header = ["System", "minus", "metric", "difference", f"{share} interval", "p", "detectable", "outcome"]
    return {
        "level": f"{1 - report.confidence:.2g}",
        "baseline": cells.table(header, baseline) if baseline else None,
        "others": cells.table(header, others) if others else None,
    }


def _difference(report: Contents, row: dict) -> list:
    metric = row["metric"]
    names = [report.named(row["system"]), report.named(row["other"]), TITLES[metric]]
    if row["note"]:
        return [*names, *[number("–")] * 4, wide(row["note"])]
    return [
        *names,
        number(shown(metric, row["difference"], report.decimals, True)),
        number(interval(metric, row["ci_low"], row["ci_high"], report.decimals, True)),
        number(f"{row['p_holm']:.3f}"),
        number(shown(metric, row["detectable"], report.decimals)),
        Cell("", spans=(Span(row["outcome"], row["outcome"]),)),
    ]
