"""Pieces of the page: tables, interval strips, confusion matrices, reliability curves; all text is escaped here."""

from html import escape as text

from .number_format import TITLES, interval, shown


class Cell(str):
    """Markup that is already safe, with the class of its table cell."""

    kind: str = ""

    def __new__(cls, markup: str, kind: str = ""):
        cell = super().__new__(cls, markup)
        cell.kind = kind
        return cell


def number(value: str) -> Cell:
    """A right-aligned table cell."""
    return Cell(text(value), "n")


def table(header: list[str], rows: list[list], kinds: list[str] | None = None) -> str:
    """A table that scrolls sideways where it is too wide. Plain strings are escaped; the first column heads its row.

    ``kinds`` holds a class per row.
    """

    def cell(value, tag: str = "td") -> str:
        if isinstance(value, Cell):
            return f'<{tag} class="{value.kind}">{value}</{tag}>' if value.kind else f"<{tag}>{value}</{tag}>"
        return f"<{tag}>{text(str(value))}</{tag}>"

    numeric = [bool(rows) and all(getattr(row[i], "kind", "") == "n" for row in rows) for i in range(len(header))]
    head = "".join(
        f'<th scope="col"{" class=n" if right else ""}>{text(name)}</th>'
        for name, right in zip(header, numeric, strict=True)
    )
    lines = []
    for row, kind in zip(rows, kinds or [""] * len(rows), strict=True):
        first = cell(row[0], "th").replace("<th", '<th scope="row"', 1)
        lines.append(f'<tr class="{kind}">{first}{"".join(map(cell, row[1:]))}</tr>')
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def facts(pairs: list[tuple[str, str]]) -> str:
    """Terms and what they are."""
    inner = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in pairs)
    return f'<dl class="facts">{inner}</dl>'


def _span(values: list[float]) -> tuple[float, float]:
    """Round limits of an axis that holds all values."""
    low, high = min(values), max(values)
    step = next(s for s in (0.05, 0.1, 0.2, 0.5, 1.0, 10.0) if (high - low) / s <= 12)
    return step * (low // step), step * -(-high // step) or step


def strips(metric: str, rows: list[dict], decimals: int, confidence: float) -> str:
    """One metric of all systems: a dot with its interval, and a tick at the ceiling.

    ``rows``: name, control, value, low, high, ceiling (None where unknown). The figures stand beside each strip as
    text, and each strip has a text alternative too.
    """
    ends = [v for row in rows for v in (row["value"], row["low"], row["high"], row["ceiling"]) if v is not None]
    left, right = _span(ends)
    if right == left:
        right = left + 0.05

    def at(value: float) -> str:
        return f"{100 * (value - left) / (right - left):.2f}%"

    lines = []
    for row in rows:
        bounds = interval(metric, row["low"], row["high"], decimals)
        label = f"{TITLES[metric]} {shown(metric, row['value'], decimals)}, interval {bounds}"
        marks = ""
        if row["low"] is not None:
            width = f"{100 * (row['high'] - row['low']) / (right - left):.2f}%"
            marks += f'<i class="ci" style="left:{at(row["low"])};width:{width}"></i>'
        if row["ceiling"] is not None:
            label += f", ceiling {shown(metric, row['ceiling'], decimals)}"
            marks += f'<i class="top" style="left:{at(row["ceiling"])}"></i>'
        marks += f'<i class="dot" style="left:{at(row["value"])}"></i>'
        value = f'{shown(metric, row["value"], decimals)} <span class="soft">{bounds}</span>'
        lines.append(
            f'<div class="row{" control" if row["control"] else ""}"><div class="head">'
            f'<span class="name">{text(row["name"])}</span><span class="value">{value}</span></div>'
            f'<div class="bar" role="img" aria-label="{text(row["name"])}: {text(label)}">{marks}</div></div>'
        )
    scale = f'<div class="axis"><span>{shown(metric, left, 0)}</span><span>{shown(metric, right, 0)}</span></div>'
    ticks = "; the upright tick is the ceiling of what it sees" if any(r["ceiling"] is not None for r in rows) else ""
    caption = f"<figcaption>Bar: {100 * confidence:g} % interval{ticks}.</figcaption>"
    return f"<figure><h3>{text(TITLES[metric])}</h3>{''.join(lines)}{scale}{caption}</figure>"


def confusion(name: str, labels: list[str], counts: list[list[int]]) -> str:
    """A confusion matrix as a table: rows the truth, columns the predictions, shares of each row in percent."""
    body = ""
    for label, row in zip(labels, counts, strict=True):
        total = sum(row)
        cells = ""
        for count in row:
            share = count / total if total else 0.0
            value = f"{100 * share:.0f}" if total else "–"
            cells += f'<td style="background:rgba(var(--cell),{0.06 + 0.6 * share:.2f})">{value}</td>'
        body += f'<tr><th scope="row">{text(label)}</th>{cells}</tr>'
    head = "".join(f'<th scope="col" title="{text(label)}">{text(label)}</th>' for label in labels)
    spoken = f"Confusion matrix of {text(name)}, percent of the truth"
    return (
        f'<figure><h3>{text(name)}</h3><table class="cells" aria-label="{spoken}">'
        f'<thead><tr><th style="width:4.5rem"></th>{head}</tr></thead><tbody>{body}</tbody></table></figure>'
    )


def reliability(name: str, quality: dict) -> str:
    """Accuracy against mean confidence, one point per bin, as a small SVG with a text alternative."""
    points = [(20 + 120 * c, 130 - 120 * a, n, c, a) for c, a, n in quality["bins"]]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, *_ in points)
    largest = max(n for *_, n, _, _ in points)
    dots = "".join(
        f'<circle class="at" cx="{x:.1f}" cy="{y:.1f}" r="{1.5 + 3 * (n / largest) ** 0.5:.1f}"/>'
        for x, y, n, *_ in points
    )
    spoken = "; ".join(f"confidence {c:.2f}, accuracy {a:.2f}, {n} rows" for *_, n, c, a in points)
    return (
        f'<figure><h3>{text(name)}</h3><svg viewBox="0 0 150 150" role="img" aria-label="Reliability of {text(name)}: '
        f'{spoken}"><rect class="frame" x="20" y="10" width="120" height="120"/>'
        f'<line class="even" x1="20" y1="130" x2="140" y2="10"/><polyline class="curve" points="{path}"/>{dots}'
        '<text x="20" y="142">0</text><text x="134" y="142">1</text><text x="60" y="142">confidence</text>'
        '<text x="10" y="132">0</text><text x="10" y="17">1</text></svg>'
        f"<figcaption>ECE {quality['ece']:.3f}, Brier {quality['brier']:.3f}</figcaption></figure>"
    )


def histogram(title: str, values: list[float], unit: str, bins: int = 20) -> str:
    """How often which values occur, as an SVG of bars with a text alternative."""
    import numpy as np

    low, high = min(values), max(values)
    counts, edges = np.histogram(values, bins=bins, range=(low, high if high > low else low + 1))
    top = counts.max()
    width = 280 / bins
    bars = "".join(
        f'<rect class="fill" x="{10 + i * width:.1f}" y="{100 - 90 * n / top:.1f}" width="{width - 1:.1f}" '
        f'height="{90 * n / top:.1f}"/>'
        for i, n in enumerate(counts)
        if n
    )
    ordered = sorted(values)
    median = ordered[len(ordered) // 2]
    spoken = f"{title}: {len(values):,} values from {low:.3g} to {high:.3g} {unit}, median {median:.3g}, mostly "
    first = int(counts.argmax())
    spoken += f"{edges[first]:.3g} to {edges[first + 1]:.3g}".rstrip()
    ends = f'<text x="10" y="114">{low:.3g}</text><text x="290" y="114" text-anchor="end">{high:.3g}</text>'
    return (
        f'<figure><h3>{text(title)}</h3><svg class="broad" viewBox="0 0 300 120" role="img" '
        f'aria-label="{text(spoken)}"><line class="base" x1="10" y1="100.5" x2="290" y2="100.5"/>{bars}{ends}'
        f'<text x="150" y="114" text-anchor="middle">{text(unit)}</text></svg>'
        f"<figcaption>{len(values):,} values, median {median:.3g}; the highest bar is {top:,}.</figcaption></figure>"
    )


def stacked(title: str, rows: list[tuple[str, list[int]]], kinds: list[str]) -> str:
    """Counts of several kinds (three at most) as one bar per row, an SVG with a text alternative."""
    longest = max(sum(counts) for _, counts in rows)
    present = [i for i in range(len(kinds)) if any(counts[i] for _, counts in rows)]
    body, spoken = "", []
    for line, (name, counts) in enumerate(rows):
        x, y = 84.0, 6 + 18 * line
        body += f'<text x="80" y="{y + 9}" text-anchor="end">{text(name)}</text>'
        for i in present:
            width = 170 * counts[i] / longest
            body += f'<rect class="kind{i}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="12"/>' if width else ""
            x += width
        body += f'<text x="{x + 4:.1f}" y="{y + 9}">{sum(counts):,}</text>'
        spoken.append(f"{name} " + ", ".join(f"{counts[i]} {kinds[i]}" for i in present))
    legend = " ".join(f'<i class="kind{i}"></i>{text(kinds[i])}' for i in present)
    return (
        f'<figure><h3>{text(title)}</h3><svg class="broad" viewBox="0 0 300 {10 + 18 * len(rows)}" role="img" '
        f'aria-label="{text(title)}: {text("; ".join(spoken))}">{body}</svg>'
        f'<figcaption class="legend">{legend}</figcaption></figure>'
    )
