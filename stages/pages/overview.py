"""One page over all reports that exist: their best figures, each with its interval, and the way to them.

Reads metrics.json and table.csv alone and imports nothing heavy.
"""

import csv
import json
from pathlib import Path

from ..runtime import disk
from . import widgets
from .number_format import TITLES, interval, shown
from .report_data import GROUPS, MARKS
from .style import CSS
from .widgets import Cell, number, text

DECIMALS = 1
SHOWN = ("uar", "ccc_arousal", "ccc_valence", "ccc_dominance")


def write(folder: Path) -> Path:
    """``folder``/index.html over every ``folder``/STUDY that holds a finished report; its path."""
    found = [
        _read(path.parent) for path in sorted(folder.glob("*/metrics.json")) if (path.parent / "table.csv").exists()
    ]
    out = folder / "index.html"
    with disk.writing(out) as temporary:
        temporary.write_text(html(found), encoding="utf-8")
    return out


def _read(folder: Path) -> dict:
    with open(folder / "table.csv", newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return {"study": folder.name, "rows": rows, "metrics": metrics}


def html(studies: list[dict]) -> str:
    """The whole page; its only links lead to the reports beside it."""
    body = "".join(_study(one) for one in studies) or "<p>No report is there yet: run <code>make</code>.</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>All studies · Serpentine</title><style>{CSS}</style></head><body><main><h1>All studies</h1>"
        '<p class="soft">Pooled test predictions with the interval over speakers; against each study\'s baseline '
        f"{' '.join(f'{mark} {word}' for word, mark in MARKS.items())}.</p>{body}</main></body></html>\n"
    )


def _study(one: dict) -> str:
    scored = [row for row in one["rows"] if row["metric"]]
    missing = [row["system"] for row in one["rows"] if row["missing"]]
    present = [m for _, names in GROUPS for m in names if m in SHOWN and any(row["metric"] == m for row in scored)]
    rows, kinds = [], []
    for system in dict.fromkeys(row["system"] for row in scored):
        own = {row["metric"]: row for row in scored if row["system"] == system}
        cells = [_figure(m, own.get(m), one["metrics"][system].get(m)) for m in present]
        if any(cells):
            rows.append([system, next(iter(own.values()))["modality"], *cells])
            kinds.append("" if next(iter(own.values()))["paper"] else "control")
    marks = sorted({row["watermark"] for row in scored if row["watermark"]})
    banner = "".join(f'<p class="banner">{text(mark.capitalize())}.</p>' for mark in marks)
    absent = f'<p class="soft">Missing: {text(", ".join(missing))}.</p>' if missing else ""
    link = f'<a href="{text(one["study"])}/index.html">{text(one["study"])}</a>'
    table = widgets.table(["System", "sees", *(TITLES[m] for m in present)], rows, kinds)
    return f"<h2>{link}</h2>{banner}{table}{absent}"


def _figure(metric: str, row: dict | None, figure: dict | None) -> Cell:
    if row is None or figure is None:
        return number("")
    bounds = interval(metric, figure["ci_low"], figure["ci_high"], DECIMALS)
    words = f'{text(shown(metric, figure["pooled"], DECIMALS))} <span class="soft">{text(bounds)}</span>'
    return Cell(f"{words} {MARKS.get(row['outcome'], '')}", "n")
