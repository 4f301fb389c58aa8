"""The files of a report: figures as JSON and CSV, tables to paste, the page."""

import csv
import json
from pathlib import Path

from ..metrics.comparison import COMPARISON
from ..runtime import disk
from . import latex, markdown, page, plots
from .number_format import ceiling
from .report_data import Contents

TABLE = (
    "study",
    "system",
    "paper",
    "table",
    "row",
    "modality",
    "metric",
    "pooled",
    "fold_mean",
    "seed_sd",
    "ci_low",
    "ci_high",
    "n_utterances",
    "n_speakers",
    "n_seeds",
    "ceiling",
    "baseline",
    "difference",
    "difference_low",
    "difference_high",
    "p_holm",
    "outcome",
    "missing",
    "watermark",
)


def write(contents: Contents, csvs: dict[str, Path], folder: Path) -> None:
    """All files of the report, into ``folder``; ``csvs`` are the predictions of every system."""
    metrics = {entry.name: entry.metrics for entry in contents.entries if entry.evaluation}
    with disk.writing(folder / "metrics.json") as temporary:
        temporary.write_text(json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    _write_csv(folder / "table.csv", TABLE, _table(contents))
    _write_csv(folder / "comparison.csv", COMPARISON, contents.papers)
    with disk.writing(folder / "results.md") as temporary:
        temporary.write_text(markdown.results(contents), encoding="utf-8")
    with disk.writing(folder / "results.tex") as temporary:
        temporary.write_text(latex.results(contents), encoding="utf-8")
    plots.write(contents, csvs, folder / "plots")
    with disk.writing(folder / "index.html") as temporary:
        temporary.write_text(page.html(contents), encoding="utf-8")


def _table(contents: Contents) -> list[dict]:
    rows = []
    for entry in contents.entries:
        row = entry.row
        base = {"study": contents.study, "system": entry.name, "paper": row.paper, "table": row.table, "row": row.row}
        base |= {"modality": row.modality, "missing": entry.missing}
        if not entry.evaluation:
            rows.append(base)
        for metric, figure in entry.metrics.items():
            found = contents.against_baseline(entry.name, metric) or {}
            baseline = contents.baselines.get(metric, "")
            rows.append(
                base
                | figure
                | {"metric": metric, "ceiling": ceiling(contents.ceilings, row.modality, metric)}
                | {"baseline": baseline if baseline != entry.name else "", "difference": found.get("difference")}
                | {"difference_low": found.get("ci_low"), "difference_high": found.get("ci_high")}
                | {"p_holm": found.get("p_holm"), "outcome": found.get("outcome", "")}
            )
    return rows


def _write_csv(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    def cell(value) -> str:
        return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)

    with disk.writing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
