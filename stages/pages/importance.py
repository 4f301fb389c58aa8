"""The weights that a system learnt for the layers of its encoder, as in Figure 2 of Pepino 2021."""

from dataclasses import dataclass

from .figures import place


@dataclass(frozen=True)
class Layers:
    """The weights of one model: means over the trainings (points), their 95 % intervals (bars: x, low, high)."""

    title: str
    path: str
    points: list[tuple[str, str]]
    bars: list[tuple[str, str, str]]
    ticks: list[tuple[str, str]]
    ends: list[tuple[str, str]]
    even: str
    units: int
    spoken: str


def section(report) -> list[Layers]:
    """A figure for each model that weighs layers. ``report``: see report_data.py."""
    found = []
    for entry in report.entries:
        training = (entry.evaluation or {}).get("training") or {}
        if training.get("layers"):
            found += figures(report.named(entry.name), training["layers"], training["units"])
    return found


def figures(name: str, rows: list[dict], units: int) -> list[Layers]:
    """A figure for each model of a training; ``rows`` as :mod:`stages.metrics.trainings` gives them.

    Points are means over the trainings, bars the 95 % interval of that mean, the dashed line equal weights; the
    axis spans what is shown.
    """
    ends = [row[end] for row in rows for end in ("weight", "low", "high") if row[end] is not None]
    even = len({row["of"] for row in rows}) / len(rows)
    low, high = min(even, *ends), max(even, *ends)
    return [
        _figure(f"{name}, {of}" if of else name, [row for row in rows if row["of"] == of], low, high, units)
        for of in dict.fromkeys(row["of"] for row in rows)
    ]


def _figure(title: str, rows: list[dict], low: float, high: float, units: int) -> Layers:
    def at(value: float) -> str:
        return place(125 - 110 * (value - low) / (high - low or 1))

    placed = [(place(30 + 110 * (i + 0.5) / len(rows)), row) for i, row in enumerate(rows)]
    points = [(x, at(row["weight"])) for x, row in placed]
    return Layers(
        title=title,
        path=" ".join(f"{x},{y}" for x, y in points),
        points=points,
        bars=[(x, at(row["low"]), at(row["high"])) for x, row in placed if row["low"] is not None],
        ticks=[(x, row["layer"]) for x, row in placed[:: -(-len(rows) // 7)]],
        ends=[(at(end), f"{end:.3f}") for end in (high, low)],
        even=at(1 / len(rows)),
        units=units,
        spoken="; ".join(map(_spoken, rows)),
    )


def _spoken(row: dict) -> str:
    bounds = f" ({row['low']:.3f} to {row['high']:.3f})" if row["low"] is not None else ""
    return f"layer {row['layer']} {row['weight']:.3f}{bounds}"
