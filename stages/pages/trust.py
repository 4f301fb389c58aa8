"""How far the figures can be trusted: guards, contamination, scorings, coverage of the intervals, cost."""

from ..metrics import intervals
from . import cells, costs
from .cells import Cell, Table, number, wide
from .report_data import Contents

KINDS = {"flagged": "worse", "passed": "better", "by test": "tie"}


def guards(report: Contents) -> dict | None:
    """All guards with their verdicts, and what each part of the systems has seen."""
    if not report.guards:
        return None
    return {
        "verdicts": [
            {"number": number, "title": title, "verdict": verdict, "kind": KINDS[verdict], "words": words}
            for number, title, verdict, words in report.guards
        ],
        "flagged": sum(guard.verdict == "flagged" for guard in report.guards),
        "contamination": _contamination(report),
        "scorings": _scorings(report),
        "total": sum(report.scorings.values()),
    }


def _contamination(report: Contents) -> Table | None:
    seen: dict[tuple[str, str], list[str]] = {}
    for entry in report.entries:
        for part in entry.evaluation["seen"] if entry.evaluation else ():
            seen.setdefault((part["what"], part["seen"]), []).append(report.named(entry.name))
    rows = [[what, Cell(words, "wrapped"), wide(", ".join(systems))] for (what, words), systems in seen.items()]
    return cells.table(["Part", "has seen", "systems"], rows) if rows else None


def _scorings(report: Contents) -> Table | None:
    rows = [[study, system, number(str(count))] for (study, system), count in sorted(report.scorings.items())]
    return cells.table(["Study", "system", "scored"], rows) if rows else None


def coverage(report: Contents) -> list[str]:
    """How often such intervals contain the true value, if few speakers are tested; empty otherwise."""
    if report.confidence != 0.95:
        return []
    figures = {metric: figure for entry in report.entries for metric, figure in entry.metrics.items()}
    words = []
    for metric, kind in (("uar", "UAR"), ("ccc_arousal", "CCC")):
        speakers = figures.get(metric, {}).get("n_speakers", 0)
        row = intervals.covered(report.coverage, kind.lower(), speakers) if 1 < speakers < intervals.FEW else None
        if row:
            share = f"{100 * row['coverage']:.1f} %"
            words.append(f"{share} of the time for {kind} ({speakers} speakers here, {row['speakers']} simulated)")
    return words


def sizes(report: Contents) -> Table | None:
    """The parameters of every fine-tuned model, encoders counted, and how many of them are trained."""
    found = {entry.name: ((entry.evaluation or {}).get("training") or {}).get("parameters") for entry in report.entries}
    rows = [
        [report.named(name), *(number(f"{counts[which]:,}") for which in ("all", "trained"))]
        for name, counts in found.items()
        if counts
    ]
    return cells.table(["System", "parameters", "trained"], rows) if rows else None


def spent(report: Contents) -> dict | None:
    """Time and memory per stage and per job; None if nothing was measured."""
    whole = costs.total(report.costs)
    if not whole:
        return None

    def row(name: str, found: dict) -> list:
        hours = [number(f"{found['seconds'] / 3600:.2f}")]
        hours += [number(f"{found[kind]:.2f}") for kind in ("cpu_hours", "gpu_hours")]
        measured = f"{found['jobs'] - found['unmeasured']} of {found['jobs']}"
        return [name, number(measured), *hours, number(f"{found['memory_mb']:,.0f}")]

    stages = [row(stage, found) for stage, found in costs.by_stage(report.costs).items()]
    columns = {"seconds": "{:.1f}", "cpu_seconds": "{:.1f}", "memory_mb": "{:,.0f}"}
    jobs = [
        [f"{cost['stage']} {cost['job']}", *(number(_or_dash(cost[key], form)) for key, form in columns.items())]
        for cost in report.costs
    ]
    header = ["Stage", "jobs measured", "hours", "CPU hours", "GPU hours", "peak MB"]
    return {
        "stages": cells.table(header, [*stages, row("all", whole)]),
        "jobs": cells.table(["Job", "s", "CPU s", "peak MB"], jobs),
    }


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
