"""The result tables of a report as text, for LaTeX and Markdown alike."""

from collections.abc import Iterator
from typing import NamedTuple

from .number_format import ceiling, interval, shown


class Line(NamedTuple):
    """One system. Its cells are (value, interval, mark against the baseline) per metric, None where it has no value."""

    name: str
    tag: str
    modality: str
    cells: list[tuple[str, str, str] | None]


class Table(NamedTuple):
    """The metrics of one kind; ``ceilings`` are (modality, a value per metric), where known."""

    title: str
    metrics: list[str]
    lines: list[Line]
    ceilings: list[tuple[str, list[str]]]


def tables(report) -> Iterator[Table]:
    """One table per kind of metric. ``report`` is a :class:`stages.pages.report_data.Contents`."""

    def cell(entry, metric: str) -> tuple[str, str, str] | None:
        figure = entry.metrics.get(metric)
        if figure is None:
            return None
        bounds = interval(metric, figure["ci_low"], figure["ci_high"], report.decimals)
        return shown(metric, figure["pooled"], report.decimals), bounds, report.outcome(entry.name, metric)

    for title, metrics in report.groups:
        lines = [
            Line(report.named(entry.name), entry.tag, entry.row.modality, [cell(entry, m) for m in metrics])
            for entry in report.entries
            if set(metrics) & set(entry.metrics)
        ]
        ceilings = []
        for modality in ("audio", "text", "audio+text"):
            known = [ceiling(report.ceilings, modality, m) for m in metrics]
            if any(value is not None for value in known):
                values = [shown(m, v, report.decimals) for m, v in zip(metrics, known, strict=True)]
                ceilings.append((modality, values))
        yield Table(title, metrics, lines, ceilings)
