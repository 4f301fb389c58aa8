"""The result table in Markdown, to paste."""

from .number_format import TITLES
from .tables import tables


def results(report) -> str:
    """The study's tables and its missing systems. ``report`` is a :class:`stages.pages.report_data.Contents`."""
    lines = [f"# {report.study}", ""]
    if report.watermark:
        lines += [f"**{report.watermark.capitalize()}.**", ""]
    lines += [report.caption, ""]
    for table in tables(report):
        lines += [
            "| system | sees | " + " | ".join(TITLES[m] for m in table.metrics) + " |",
            "|---|---|" + "---|" * len(table.metrics),
        ]
        for name, tag, modality, cells in table.lines:
            line = " | ".join(" ".join(cell).rstrip() if cell else "" for cell in cells)
            lines.append(f"| {name}" + (f" *({tag})*" if tag else "") + f" | {modality} | {line} |")
        for modality, values in table.ceilings:
            lines.append(f"| *ceiling* | {modality.replace('+', ' + ')} | " + " | ".join(values) + " |")
        lines.append("")
    lines += [f"Not in the table: {e.name} ({e.missing})." for e in report.entries if e.missing]
    return "\n".join(lines).rstrip() + "\n"
