"""Teachers and students of Srinivasan 2022: how well the teacher fits its training rows, and what the gate closed."""

from . import cells, figures
from .cells import Cell, Span, Table, number, wide
from .report_data import Contents

OVER = 0.2
"""A teacher whose CCC on training rows exceeds that on validation rows by more has learnt them by heart."""
TABLE_1 = ("srinivasan2022", "1")
WARNING = "over-fitted: its residuals say little, so the gate has little meaning"


def section(report: Contents) -> dict | None:
    """``fit``: Table 1 of every teacher; ``gates``: a table; ``bars``: figures; None where there is neither."""
    fits = [
        (report.named(entry.name), entry.evaluation["training"]["fit"])
        for entry in report.entries
        if ((entry.evaluation or {}).get("training") or {}).get("fit")
    ]
    if not (fits or report.gates):
        return None
    return {
        "fit": _fit(report, fits) if fits else None,
        "gates": _gates(report) if report.gates else None,
        "bars": [_bars(report.named(name), rows) for name, rows in report.gates.items()],
    }


def _fit(report: Contents, fits: list) -> Table:
    dimensions = list(dict.fromkeys(name for _, fit in fits for name in fit["train"]))
    rows = []
    for name, fit in fits:
        over = [d for d, found in fit["train"].items() if found["ccc"] - fit["val"][d]["ccc"] > OVER]
        for part, words in (("train", "training"), ("val", "validation")):
            values = [_pair(fit[part].get(d)) for d in dimensions]
            flag = (
                Cell("", "wide", (Span(f"{', '.join(over)}: {WARNING}", "worse"),)) if over and part == "train" else ""
            )
            rows.append([name, words, *values, flag])
    published = {row["metric"]: row["value"] for row in report.fit_published}
    if published:
        values = [_pair({"ccc": published.get(f"ccc_{d}"), "rho": published.get(f"rho_{d}")}) for d in dimensions]
        rows.append(["published (Table 1)", "training", *values, ""])
    return cells.table(["Teacher", "rows", *(f"CCC {d} (ρ)" for d in dimensions), "flag"], rows)


def _pair(found: dict | None) -> Cell:
    if not found or found["ccc"] is None:
        return number("–")
    return number(f"{found['ccc']:.3f} ({found['rho']:.3f})".replace("-", "−"))


def _gates(report: Contents) -> Table:
    dimensions = list(dict.fromkeys(d for rows in report.gates.values() for row in rows for d in row["dimensions"]))
    lines = []
    for name, rows in report.gates.items():
        for row in rows:
            shares = [row["closed"], *(row["dimensions"].get(d) for d in dimensions)]
            lines.append(
                [
                    report.named(name),
                    wide(_named(row)),
                    number(f"{row['utterances']:,}"),
                    *(number("–" if share is None else f"{100 * share:.1f}") for share in shares),
                ]
            )
    return cells.table(["System", "utterances", "count", "closed %", *(f"by {d} %" for d in dimensions)], lines)


def _named(row: dict) -> str:
    return f"{row['group']}: {row['value']}" if row["value"] else "all"


def _bars(name: str, rows: list[dict]) -> figures.Stacked:
    found = [
        (row["value"] or "all", row["closed"], f"{100 * row['closed']:.1f} % of {row['utterances']:,}") for row in rows
    ]
    return figures.shares(f"{name}: closed", found)
