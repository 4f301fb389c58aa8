"""The result table in LaTeX (booktabs), to paste into a paper."""

from stages.pages.contents import MARKS
from stages.pages.figures import TITLES, ceiling, interval, shown

_SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "–": "--"},
    **dict(zip(MARKS.values(), (r"$\blacktriangle$", r"$\blacktriangledown$", "$=$"), strict=True)),
}


def escaped(words: str) -> str:
    """Plain text as LaTeX."""
    return "".join(_SPECIAL.get(character, character) for character in words)


def results(report) -> str:
    """One ``table`` per kind of metric; needs the packages booktabs and amssymb.

    ``report`` is a :class:`stages.pages.contents.Contents`.
    """
    lines = ["% \\usepackage{booktabs,amssymb}"]
    for title, metrics in report.groups:
        lines += [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{escaped(f'{title}, study {report.study}. {report.caption}')}}}",
            rf"\label{{tab:{report.study}-{title.lower()}}}",
            r"\begin{tabular}{ll" + "r@{ }l" * len(metrics) + "}",
            r"\toprule",
            " & ".join(["System", "sees", *(rf"\multicolumn{{2}}{{c}}{{{escaped(TITLES[m])}}}" for m in metrics)])
            + r" \\",
            r"\midrule",
        ]
        for entry in report.entries:
            if not set(metrics) & set(entry.metrics):
                continue
            cells = [escaped(report.named(entry.name)), escaped(entry.row.modality)]
            for metric in metrics:
                figure = entry.metrics.get(metric)
                if figure is None:
                    cells += ["", ""]
                    continue
                bounds = interval(metric, figure["ci_low"], figure["ci_high"], report.decimals)
                cells.append(escaped(shown(metric, figure["pooled"], report.decimals)))
                cells.append("{" + escaped(f"{bounds} {report.outcome(entry.name, metric)}".strip()) + "}")
            lines.append(" & ".join(cells) + r" \\")
        ceilings = []
        for modality in ("audio", "text", "audio+text"):
            known = [ceiling(report.ceilings, modality, m) for m in metrics]
            if any(value is not None for value in known):
                values = [rf"{escaped(shown(m, v, report.decimals))} & " for m, v in zip(metrics, known, strict=True)]
                ceilings.append(rf"\emph{{ceiling}} & {modality} & " + " & ".join(values) + r" \\")
        lines += [r"\midrule", *ceilings] if ceilings else []
        lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    lines += [f"% missing: {e.name}: {e.missing}" for e in report.entries if e.missing]
    return "\n".join(lines).rstrip() + "\n"
