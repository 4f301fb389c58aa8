"""Which layers a system came to weigh: Figure 2 of Pepino 2021, Figure 2 of de Oliveira 2023."""

from html import escape as text


def html(report) -> str:
    """The section of the page; empty where no system weighs layers. ``report``: see report_data.py."""
    drawn = ""
    for entry in report.entries:
        training = (entry.evaluation or {}).get("training") or {}
        if training.get("layers"):
            drawn += figures(report.named(entry.name), training["layers"], training["units"])
    if not drawn:
        return ""
    return (
        "<h2>Weights of the layers</h2><p>Means over the trainings (folds and seeds) with their 95 % interval; dashed: "
        f'all equal.</p><div class="grid small">{drawn}</div>'
    )


def figures(name: str, rows: list[dict], units: int) -> str:
    """A figure for each model that a training consists of; ``rows`` as :mod:`stages.metrics.trainings` gives them.

    Points are means over the trainings, bars the 95 % interval of that mean, the dashed line equal weights; the
    axis spans what is shown.
    """
    ends = [row[end] for row in rows for end in ("weight", "low", "high") if row[end] is not None]
    even = len({row["of"] for row in rows}) / len(rows)
    low, high = min(even, *ends), max(even, *ends)
    return "".join(
        _figure(f"{name}, {of}" if of else name, [row for row in rows if row["of"] == of], low, high, units)
        for of in dict.fromkeys(row["of"] for row in rows)
    )


def _figure(title: str, rows: list[dict], low: float, high: float, units: int) -> str:
    def at(value: float) -> str:
        return f"{125 - 110 * (value - low) / (high - low or 1):.1f}"

    places = [30 + 110 * (i + 0.5) / len(rows) for i in range(len(rows))]
    bars = "".join(
        f'<line class="curve" x1="{x:.1f}" x2="{x:.1f}" y1="{at(row["low"])}" y2="{at(row["high"])}"/>'
        for x, row in zip(places, rows, strict=True)
        if row["low"] is not None
    )
    dots = "".join(
        f'<circle class="at" cx="{x:.1f}" cy="{at(r["weight"])}" r="2"/>' for x, r in zip(places, rows, strict=True)
    )
    every = -(-len(rows) // 7)
    ticks = "".join(
        f'<text x="{x:.1f}" y="141" text-anchor="middle">{text(row["layer"])}</text>'
        for x, row in list(zip(places, rows, strict=True))[::every]
    )
    path = " ".join(f"{x:.1f},{at(row['weight'])}" for x, row in zip(places, rows, strict=True))
    spoken = "; ".join(
        f"layer {row['layer']} {row['weight']:.3f}"
        + (f" ({row['low']:.3f} to {row['high']:.3f})" if row["low"] is not None else "")
        for row in rows
    )
    even = at(1 / len(rows))
    return (
        f'<figure><h3>{text(title)}</h3><svg viewBox="0 0 150 154" role="img" aria-label="Weights of the layers, '
        f'{text(title)}: {text(spoken)}"><rect class="frame" x="30" y="10" width="110" height="120"/>'
        f'<line class="even" x1="30" x2="140" y1="{even}" y2="{even}"/><polyline class="curve" points="{path}"/>'
        f'{bars}{dots}{ticks}<text x="85" y="150" text-anchor="middle">layer</text>'
        f'<text x="27" y="{at(high)}" text-anchor="end">{high:.3f}</text>'
        f'<text x="27" y="{at(low)}" text-anchor="end">{low:.3f}</text></svg>'
        f"<figcaption>{units} training{'s' if units > 1 else ''}</figcaption></figure>"
    )
