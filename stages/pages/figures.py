"""The figures of the page as data, in the coordinates of ``templates/figures.html.j2``: strips, matrices, curves, bars.

Coordinates are texts with one decimal. ``spoken`` is the text alternative of a figure.
"""

from dataclasses import dataclass

from .number_format import TITLES, interval, shown


def place(value: float) -> str:
    """A coordinate as it is written into the page."""
    return f"{value:.1f}"


@dataclass(frozen=True)
class Strip:
    """One system: its figure as text, and where its marks are, in percent of the width; None where there is none."""

    name: str
    control: bool
    value: str
    bounds: str
    spoken: str
    dot: str
    low: str | None
    width: str | None
    ceiling: str | None


@dataclass(frozen=True)
class Strips:
    """One metric of all systems: a dot with its interval, and a tick at the ceiling."""

    title: str
    strips: list[Strip]
    ends: tuple[str, str]
    confidence: str
    has_ceilings: bool


def strips(metric: str, rows: list[dict], decimals: int, confidence: float) -> Strips:
    """``rows``: name, control, value, low, high, ceiling (None where unknown)."""
    ends = [v for row in rows for v in (row["value"], row["low"], row["high"], row["ceiling"]) if v is not None]
    left, right = _round_limits(ends)
    if right == left:
        right = left + 0.05

    def share(length: float) -> str:
        return f"{100 * length / (right - left):.2f}"

    found = []
    for row in rows:
        value, bounds = shown(metric, row["value"], decimals), interval(metric, row["low"], row["high"], decimals)
        spoken = f"{row['name']}: {TITLES[metric]} {value}, interval {bounds}"
        if row["ceiling"] is not None:
            spoken += f", ceiling {shown(metric, row['ceiling'], decimals)}"
        found.append(
            Strip(
                name=row["name"],
                control=row["control"],
                value=value,
                bounds=bounds,
                spoken=spoken,
                dot=share(row["value"] - left),
                low=None if row["low"] is None else share(row["low"] - left),
                width=None if row["low"] is None else share(row["high"] - row["low"]),
                ceiling=None if row["ceiling"] is None else share(row["ceiling"] - left),
            )
        )
    return Strips(
        title=TITLES[metric],
        strips=found,
        ends=(shown(metric, left, 0), shown(metric, right, 0)),
        confidence=f"{100 * confidence:g}",
        has_ceilings=any(row["ceiling"] is not None for row in rows),
    )


def _round_limits(values: list[float]) -> tuple[float, float]:
    """Round limits of an axis that shows all values."""
    low, high = min(values), max(values)
    step = next(s for s in (0.05, 0.1, 0.2, 0.5, 1.0, 10.0) if (high - low) / s <= 12)
    return step * (low // step), step * -(-high // step) or step


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix: rows are the truth, columns the predictions; cells are (shade, percent of the row)."""

    name: str
    labels: list[str]
    rows: list[tuple[str, list[tuple[str, str]]]]


def confusion(name: str, labels: list[str], counts: list[list[int]]) -> Confusion:
    """``counts`` [labels, labels]; a class without test rows has en dashes."""
    rows = []
    for label, row in zip(labels, counts, strict=True):
        total = sum(row)
        shares = [count / total if total else 0.0 for count in row]
        rows.append((label, [(f"{0.06 + 0.6 * s:.2f}", f"{100 * s:.0f}" if total else "–") for s in shares]))
    return Confusion(name, labels, rows)


@dataclass(frozen=True)
class Reliability:
    """Accuracy against mean confidence, one point (x, y, radius) per bin."""

    name: str
    path: str
    points: list[tuple[str, str, str]]
    spoken: str
    ece: str
    brier: str


def reliability(name: str, quality: dict) -> Reliability:
    """``quality``: see :func:`stages.metrics.calibration.quality`."""
    bins = quality["bins"]
    largest = max(count for *_, count in bins)
    points = [
        (place(20 + 120 * confidence), place(130 - 120 * accuracy), place(1.5 + 3 * (count / largest) ** 0.5))
        for confidence, accuracy, count in bins
    ]
    return Reliability(
        name=name,
        path=" ".join(f"{x},{y}" for x, y, _ in points),
        points=points,
        spoken="; ".join(f"confidence {c:.2f}, accuracy {a:.2f}, {n} rows" for c, a, n in bins),
        ece=f"{quality['ece']:.3f}",
        brier=f"{quality['brier']:.3f}",
    )


@dataclass(frozen=True)
class Bar:
    """A rectangle; ``kind`` is the number of its colour."""

    x: str
    y: str
    width: str
    height: str
    kind: int = 0


@dataclass(frozen=True)
class Histogram:
    """How often which values occur."""

    title: str
    unit: str
    spoken: str
    bars: list[Bar]
    ends: tuple[str, str]
    count: str
    median: str
    highest: str


def histogram(title: str, values: list[float], unit: str, bins: int = 20) -> Histogram:
    """Bars of equal width from the lowest value to the highest."""
    import numpy as np

    low, high = min(values), max(values)
    counts, edges = np.histogram(values, bins=bins, range=(low, high if high > low else low + 1))
    top, first = counts.max(), int(counts.argmax())
    width = 280 / bins
    median = sorted(values)[len(values) // 2]
    spoken = f"{title}: {len(values):,} values from {low:.3g} to {high:.3g} {unit}, median {median:.3g}, mostly "
    return Histogram(
        title=title,
        unit=unit,
        spoken=spoken + f"{edges[first]:.3g} to {edges[first + 1]:.3g}",
        bars=[
            Bar(place(10 + i * width), place(100 - 90 * n / top), place(width - 1), place(90 * n / top))
            for i, n in enumerate(counts)
            if n
        ],
        ends=(f"{low:.3g}", f"{high:.3g}"),
        count=f"{len(values):,}",
        median=f"{median:.3g}",
        highest=f"{top:,}",
    )


@dataclass(frozen=True)
class Stack:
    """One row of :class:`Stacked`: its name, bars and sum; ``y`` is where its text is."""

    name: str
    y: str
    bars: list[Bar]
    end: str
    total: str


@dataclass(frozen=True)
class Stacked:
    """Counts of several kinds as one bar per row; ``legend`` has number and name of every kind that occurs."""

    title: str
    height: int
    stacks: list[Stack]
    legend: list[tuple[int, str]]
    spoken: str


def shares(title: str, rows: list[tuple[str, float, str]]) -> Stacked:
    """One bar per row, as long as its share of the largest; ``rows``: name, share, and what is written at its end."""
    longest = max(share for _, share, _ in rows) or 1.0
    stacks = []
    for line, (name, share, words) in enumerate(rows):
        y, width = 6 + 18 * line, 130 * share / longest
        bars = [Bar("84.0", str(y), place(width), "12")] if width else []
        stacks.append(Stack(name, str(y + 9), bars, place(88 + width), words))
    spoken = "; ".join(f"{name} {words}" for name, _, words in rows)
    return Stacked(title, 10 + 18 * len(rows), stacks, [], f"{title}: {spoken}")


def stacked(title: str, rows: list[tuple[str, list[int]]], kinds: list[str]) -> Stacked:
    """``rows``: name and a count per kind, of which there are three at most."""
    longest = max(sum(counts) for _, counts in rows)
    present = [i for i in range(len(kinds)) if any(counts[i] for _, counts in rows)]
    stacks, spoken = [], []
    for line, (name, counts) in enumerate(rows):
        x, y, bars = 84.0, 6 + 18 * line, []
        for i in present:
            width = 170 * counts[i] / longest
            if width:
                bars.append(Bar(place(x), str(y), place(width), "12", i))
            x += width
        stacks.append(Stack(name, str(y + 9), bars, place(x + 4), f"{sum(counts):,}"))
        spoken.append(f"{name} " + ", ".join(f"{counts[i]} {kinds[i]}" for i in present))
    legend = [(i, kinds[i]) for i in present]
    return Stacked(title, 10 + 18 * len(rows), stacks, legend, f"{title}: {'; '.join(spoken)}")
