"""How far the figures can be trusted: guards, contamination, scorings, coverage of the intervals, cost."""

from ..metrics import intervals
from . import costs, widgets
from .report_data import Contents
from .widgets import Cell, number, text

KINDS = {"flagged": "worse", "held": "better", "by test": "tie"}


def guards(report: Contents) -> str:
    """All guards with their verdicts, and what each part of the systems has seen."""
    if not report.guards:
        return ""
    rows = ""
    for order, title, verdict, words in report.guards:
        rows += f'<dt>{order} {text(title)} <span class="{KINDS[verdict]}">{verdict}</span></dt><dd>{text(words)}</dd>'
    flagged = sum(g.verdict == "flagged" for g in report.guards)
    out = (
        f"<h2>Guards</h2><p>{flagged} of {len(report.guards)} have something to say to the reader. A violation of "
        "splits, fits, contamination or predictions would have stopped the run before any figure was made.</p>"
        f'<dl class="facts guards">{rows}</dl>'
    )
    return out + _contamination(report) + _scorings(report)


def _wide(words: str) -> Cell:
    return Cell(text(words), "wide")


def _contamination(report: Contents) -> str:
    seen: dict[tuple[str, str], list[str]] = {}
    for entry in report.entries:
        for part in entry.evaluation["seen"] if entry.evaluation else ():
            seen.setdefault((part["what"], part["seen"]), []).append(report.named(entry.name))
    if not seen:
        return ""
    rows = [[what, Cell(text(words), "wrapped"), _wide(", ".join(systems))] for (what, words), systems in seen.items()]
    return (
        "<details><summary>Contamination: what each part has seen</summary>"
        '<p class="soft">Each was held against the test rows before they were scored: none of them, and with encoders '
        "of ours no other recording of their speakers, is among what was seen. A speaker's own normaliser sees that "
        "speaker's recordings and is named under Notes.</p>"
        f"{widgets.table(['Part', 'has seen', 'of the systems'], rows)}</details>"
    )


def _scorings(report: Contents) -> str:
    if not report.scorings:
        return ""
    rows = [[study, system, number(str(count))] for (study, system), count in sorted(report.scorings.items())]
    total = sum(report.scorings.values())
    return (
        f"<details><summary>Scorings of this protocol's test part so far: {total}</summary>"
        '<p class="soft">Distinct sets of test predictions, counted in this folder since it was made, whatever change '
        f"they came from.</p>{widgets.table(['Study', 'system', 'scored'], rows)}</details>"
    )


def coverage(report: Contents) -> str:
    """How often such intervals hold the truth, where few speakers are tested; empty elsewhere."""
    figures = {metric: figure for entry in report.entries for metric, figure in entry.metrics.items()}
    words = []
    for metric, kind in (("uar", "UAR"), ("ccc_arousal", "CCC")):
        speakers = figures.get(metric, {}).get("n_speakers", 0)
        row = intervals.covered(report.coverage, kind.lower(), speakers) if 1 < speakers < intervals.FEW else None
        if row:
            share = f"{100 * row['coverage']:.1f} %"
            words.append(f"{share} of the time for {kind} ({speakers} speakers here, {row['speakers']} simulated)")
    if not words or report.confidence != 0.95:
        return ""
    return (
        '<p class="soft">Few speakers: in simulations of known truth, with speakers who differ, such a 95 % interval '
        f"held it {text(' and '.join(words))}.</p>"
    )


def spent(report: Contents) -> str:
    """Time and memory per stage, and per job."""
    whole = costs.total(report.costs)
    if not whole:
        return ""

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
    return (
        "<h3>Time and memory</h3><p class='soft'>The last run of each job as Snakemake measured it; finished folds and "
        "seeds that it found in the scratch store cost it nothing then.</p>"
        + widgets.table(header, [*stages, row("all", whole)])
        + f"<details><summary>Per job</summary>{widgets.table(['Job', 's', 'CPU s', 'peak MB'], jobs)}</details>"
    )


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
