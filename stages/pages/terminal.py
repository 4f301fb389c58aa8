"""The result table in the terminal, and whether this machine agrees with the committed figures.

Reads only metrics.json and table.csv, and imports nothing heavy.
"""

import csv
import json
import subprocess
from pathlib import Path

from ..runtime.errors import UserError
from .number_format import TITLES, shown
from .report_data import GROUPS, MARKS

DECIMALS = 1
EXACT = 5e-7
"""Figures that differ by less are the same: another order of sums."""


def _short(metric: str, low: str, high: str) -> str:
    if not low or not high:
        return ""
    return f" ({shown(metric, float(low), DECIMALS)} to {shown(metric, float(high), DECIMALS)})"


def _cell(row: dict, figure: dict) -> str:
    text = shown(row["metric"], figure["pooled"], DECIMALS) + _short(row["metric"], row["ci_low"], row["ci_high"])
    return f"{text} {MARKS.get(row['outcome'], ' ')}"


def print_table(metrics: dict, rows: list[dict], console=None) -> None:
    """One table per kind of metric: systems down, metrics across, ceilings below.

    ``metrics`` is metrics.json, ``rows`` the lines of table.csv.
    """
    from rich.console import Console
    from rich.table import Table

    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 132)
    scored = [row for row in rows if row["metric"]]
    marked = {name: f["watermark"] for name, found in metrics.items() for f in found.values() if "watermark" in f}
    for mark in sorted(set(marked.values())):
        console.print(f"{mark.upper()}: the figures are inflated\n", style="bold red")
    for title, names in GROUPS:
        shown_metrics = [m for m in names if any(row["metric"] == m for row in scored)]
        if not shown_metrics:
            continue
        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        table.add_column("system", overflow="fold")
        table.add_column("sees", no_wrap=True)
        for metric in shown_metrics:
            table.add_column(TITLES[metric], justify="right")
        ceilings: dict[str, dict[str, float]] = {}
        for system in dict.fromkeys(row["system"] for row in scored if row["metric"] in shown_metrics):
            own = {row["metric"]: row for row in scored if row["system"] == system}
            first = next(iter(own.values()))
            cells = [_cell(own[m], metrics[system][m]) if m in own else "" for m in shown_metrics]
            name = f"{system} (leaky)" if system in marked else system
            table.add_row(name, first["modality"], *cells, style="dim" if not first["paper"] else "")
            for metric in shown_metrics:
                if metric in own and own[metric]["ceiling"]:
                    ceilings.setdefault(first["modality"], {})[metric] = float(own[metric]["ceiling"])
        for i, (modality, values) in enumerate(sorted(ceilings.items())):
            if not i:
                table.add_section()
            cells = [shown(m, values.get(m), DECIMALS) + "  " for m in shown_metrics]
            table.add_row("ceiling", modality, *cells, style="italic")
        console.print(table)
        console.print()
    baselines = ", ".join(dict.fromkeys(row["baseline"] for row in scored if row["baseline"]))
    if baselines:
        console.print(
            "pooled test predictions, mean over seeds (interval from resampling speakers); "
            f"compared with {baselines}: ▲ better ▼ worse = tie",
            style="dim",
        )
    for row in rows:
        if row["missing"]:
            console.print(f"missing: {row['system']}: {row['missing']}", style="bold")


def agreement(metrics: dict, expected: list[dict]) -> tuple[int, list[str]]:
    """How many expected figures there are, and a line for each that this machine does not reproduce.

    ``expected``: lines ``study,system,metric,value,tolerance`` of this study.
    """
    off = []
    for row in expected:
        name, metric = row["system"], row["metric"]
        value, tolerance = float(row["value"]), float(row["tolerance"])
        ours = metrics.get(name, {}).get(metric)
        if ours is None:
            off.append(f"{name} {metric}: missing here, {value:.4f} expected")
        elif abs(ours["pooled"] - value) > tolerance:
            off.append(f"{name} {metric}: {ours['pooled']:.4f} here, {value:.4f} ± {tolerance:.4f} expected")
    return len(expected), off


def committed(path: Path) -> tuple[str, dict] | None:
    """The short name of the last commit and its version of ``path`` (metrics.json); None without git or such a file."""
    where = ["git", "-C", str(path.parent)]
    try:
        found = subprocess.run([*where, "show", f"HEAD:./{path.name}"], capture_output=True, text=True, check=True)
        name = subprocess.run([*where, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        return name.stdout.strip(), json.loads(found.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None


def changes(metrics: dict, before: tuple[str, dict] | None) -> list[str]:
    """What differs from the last commit's figures, a line per system; nothing where there are none to compare with."""
    if before is None:
        return []
    commit, then = before
    lines, same = [], 0
    for system in [*metrics, *(name for name in then if name not in metrics)]:
        now, was = metrics.get(system), then.get(system)
        if now is None or was is None:
            lines.append(f"  {system}: {'new' if was is None else 'gone'}")
            continue
        moved = [m for m in TITLES if m in now and m in was and abs(now[m]["pooled"] - was[m]["pooled"]) > EXACT]
        same += not moved
        moves = (
            f"{TITLES[m]} {shown(m, was[m]['pooled'], DECIMALS)} → {shown(m, now[m]['pooled'], DECIMALS)}"
            for m in moved
        )
        lines += [f"  {system}: {', '.join(moves)}"] if moved else []
    if not lines:
        return [f"Since commit {commit}: no figure has changed."]
    head = f"Since commit {commit} ({same} systems unchanged; `make compare REV=HEAD` says what is more than chance):"
    return [head, *lines]


def read_expected(path: Path, study: str) -> list[dict]:
    """The committed figures of one study; empty if there is no such file or it has none of this study.

    Raises
    ------
    UserError
        A value or a tolerance is not a number.
    """
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["study"] == study]
    for row in rows:
        try:
            float(row["value"]), float(row["tolerance"])
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path}: {row}: the columns are study,system,metric,value,tolerance; correct it") from None
    return rows


def show(folder: Path, expected: Path) -> None:
    """Print a finished report's table, its path, and whether this machine agrees with ``expected``.

    Raises
    ------
    UserError
        There is no finished report in ``folder``.
    """
    from rich.console import Console

    console = Console(highlight=False)
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        with open(folder / "table.csv", newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
    except FileNotFoundError as absent:
        raise UserError(f"{absent.filename}: no such file; run the study first: snakemake {folder.name}") from None
    except ValueError as fault:
        raise UserError(f"{folder}/metrics.json: not valid JSON ({fault}); delete it and run again") from None
    study = rows[0]["study"] if rows else folder.name
    console.print(f"\n[bold]Study {study}[/bold]\n")
    print_table(metrics, rows, console)
    for line in changes(metrics, committed(folder / "metrics.json")):
        console.print(line, soft_wrap=True)
    count, off = agreement(metrics, read_expected(expected, study))
    if not count:
        console.print(f"{expected} has no figures of this study to compare with.")
    elif off:
        console.print(f"This machine differs from {expected} in {len(off)} of {count} figures:", style="bold")
        for line in off:
            console.print(f"  {line}")
    else:
        console.print(f"This machine agrees with {expected}: all {count} figures are within their tolerance.")
    console.print(f"Report: {folder / 'index.html'}", soft_wrap=True)
