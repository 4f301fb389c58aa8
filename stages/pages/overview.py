"""One page over all existing reports: their main figures, each with its interval, and links to them.

Reads only metrics.json and table.csv, and imports nothing heavy.
"""

import csv
import json
from pathlib import Path

from ..runtime import disk
from . import cells
from .cells import Cell, Span, number
from .number_format import TITLES, interval, shown
from .render import render
from .report_data import GROUPS, MARKS

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
    """The whole page; it links to the reports and to nothing else."""
    return render("overview.html.j2", marks=list(MARKS.items()), studies=[_study(one) for one in studies])


def _study(one: dict) -> dict:
    scored = [row for row in one["rows"] if row["metric"]]
    present = [m for _, names in GROUPS for m in names if m in SHOWN and any(row["metric"] == m for row in scored)]
    rows, kinds = [], []
    for system in dict.fromkeys(row["system"] for row in scored):
        own = {row["metric"]: row for row in scored if row["system"] == system}
        figures = [_figure(m, own.get(m), one["metrics"][system].get(m)) for m in present]
        if any(cell.text for cell in figures):
            rows.append([system, next(iter(own.values()))["modality"], *figures])
            kinds.append("" if next(iter(own.values()))["paper"] else "control")
    return {
        "study": one["study"],
        "watermarks": sorted({row["watermark"] for row in scored if row["watermark"]}),
        "table": cells.table(["System", "sees", *(TITLES[m] for m in present)], rows, kinds),
        "missing": [row["system"] for row in one["rows"] if row["missing"]],
    }


def _figure(metric: str, row: dict | None, figure: dict | None) -> Cell:
    if row is None or figure is None:
        return number("")
    bounds = interval(metric, figure["ci_low"], figure["ci_high"], DECIMALS)
    mark = MARKS.get(row["outcome"], "")
    spans = (Span(bounds, "soft"), *([Span(mark)] if mark else []))
    return Cell(shown(metric, figure["pooled"], DECIMALS), "n", spans)
