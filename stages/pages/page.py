"""The report as one self-contained page."""

from . import behind, cells, corpus_section, distillation, figures, importance, interaction, results, robustness, trust
from .cells import Cell, Table, number, wide
from .number_format import TITLES, interval, shown
from .render import render
from .report_data import Contents

TRANSDUCTIVE = "Normalised per speaker, using the recordings of the test speakers: transductive."


def html(report: Contents) -> str:
    """The whole page. It loads nothing from elsewhere."""
    return render(
        "page.html.j2",
        study=report.study,
        watermark=report.watermark,
        facts=report.facts,
        results=results.results(report),
        differences=results.differences(report),
        confusions=_confusions(report),
        layers=importance.section(report),
        papers=_papers(report),
        distillation=distillation.section(report),
        interaction=interaction.section(report),
        behind=behind.section(report),
        robustness=robustness.section(report),
        card=corpus_section.section(report.card) if report.card else None,
        notes=_notes(report),
        guards=trust.guards(report),
        provenance=report.provenance,
        sizes=trust.sizes(report),
        spent=trust.spent(report),
    )


def _confusions(report: Contents) -> list[figures.Confusion]:
    found = [e for e in report.entries if e.evaluation and e.evaluation.get("confusion")]
    return [figures.confusion(report.named(e.name), **e.evaluation["confusion"]) for e in found]


def _papers(report: Contents) -> Table | None:
    rows, before = [], None
    for row in report.papers:
        metric = row["metric"]
        corpus = " ".join(filter(None, (row["corpus"], row["part"])))
        named = (f"{row['paper']}, table {row['table']}: {row['row']}", corpus, row["deviations"])
        name, corpus, deviations = named if named != before else ("", "", "")  # shown once for all metrics of a row
        before = named
        rows.append(
            [
                Cell(name, "wrapped"),
                corpus,
                TITLES[metric],
                number(shown(metric, row["published"], report.decimals)),
                number(shown(metric, row["ours"], report.decimals)),
                number(interval(metric, row["ci_low"], row["ci_high"], report.decimals)),
                row["verdict"],
                wide(deviations),
            ]
        )
    header = ["Paper's row", "its corpus", "metric", "published", "ours", "interval", "verdict", "what differs"]
    return cells.table(header, rows) if rows else None


def _notes(report: Contents) -> list[tuple[str, str]]:
    """Every note with the systems that it concerns: empty where it concerns the study as a whole."""
    notes: dict[str, list[str]] = {}
    for entry in report.entries:
        for note in entry.evaluation["notes"] if entry.evaluation else ():
            notes.setdefault(note, []).append(entry.name)
        if entry.evaluation and getattr(entry.row, "normalise", "") == "speaker":
            notes.setdefault(TRANSDUCTIVE, []).append(entry.name)
    if report.ceilings:
        notes["An audio system that recognises words may exceed the ceiling for prosody alone."] = []
    count = sum(1 for entry in report.entries if entry.evaluation)
    return [(note, "all systems" if len(own) == count and own else ", ".join(own)) for note, own in notes.items()]
