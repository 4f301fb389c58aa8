"""The result table in Markdown, to paste."""

from stages.pages.figures import TITLES, ceiling, interval, shown


def results(report) -> str:
    """The study's tables and what is missing. ``report`` is a :class:`stages.pages.contents.Contents`."""
    lines = [f"# {report.study}", ""]
    if report.watermark:
        lines += [f"**{report.watermark.capitalize()}.**", ""]
    lines += [report.caption, ""]
    for _, metrics in report.groups:
        entries = [e for e in report.entries if set(metrics) & set(e.metrics)]
        lines += [
            "| system | sees | " + " | ".join(TITLES[m] for m in metrics) + " |",
            "|---|---|" + "---|" * len(metrics),
        ]
        for entry in entries:
            cells = []
            for metric in metrics:
                figure = entry.metrics.get(metric)
                if figure is None:
                    cells.append("")
                    continue
                low, high = figure["ci_low"], figure["ci_high"]
                mark = report.outcome(entry.name, metric)
                text = shown(metric, figure["pooled"], report.decimals)
                text += f" {interval(metric, low, high, report.decimals)}" + (f" {mark}" if mark else "")
                cells.append(text)
            tag = f" *({entry.tag})*" if entry.tag else ""
            lines.append(f"| {report.named(entry.name)}{tag} | {entry.row.modality} | " + " | ".join(cells) + " |")
        for modality, name in (("audio", "audio"), ("text", "text"), ("audio+text", "audio + text")):
            known = [ceiling(report.ceilings, modality, m) for m in metrics]
            if any(v is not None for v in known):
                values = [shown(m, v, report.decimals) for m, v in zip(metrics, known, strict=True)]
                lines.append(f"| *ceiling* | {name} | " + " | ".join(values) + " |")
        lines.append("")
    lines += [f"Not in the table: {e.name} ({e.missing})." for e in report.entries if e.missing]
    return "\n".join(lines).rstrip() + "\n"
