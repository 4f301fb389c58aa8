"""The result table in LaTeX (booktabs), to paste into a paper."""

from .number_format import TITLES
from .report_data import MARKS
from .tables import tables

_SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    MARKS["better"]: r"$\blacktriangle$",
    MARKS["worse"]: r"$\blacktriangledown$",
    MARKS["tie"]: "$=$",
}


def escaped(words: str) -> str:
    """Plain text as LaTeX."""
    return "".join(_SPECIAL.get(character, character) for character in words)


def results(report) -> str:
    """One ``table`` per kind of metric; needs the packages booktabs and amssymb.

    ``report`` is a :class:`stages.pages.report_data.Contents`.
    """
    lines = ["% \\usepackage{booktabs,amssymb}"]
    mark = f" {report.watermark.capitalize()}." if report.watermark else ""
    for table in tables(report):
        titles = (rf"\multicolumn{{2}}{{c}}{{{escaped(TITLES[m])}}}" for m in table.metrics)
        lines += [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{escaped(f'{table.title}, study {report.study}.{mark} {report.caption}')}}}",
            rf"\label{{tab:{report.study}-{table.title.lower()}}}",
            r"\begin{tabular}{ll" + "r@{ }l" * len(table.metrics) + "}",
            r"\toprule",
            " & ".join(["System", "sees", *titles]) + r" \\",
            r"\midrule",
        ]
        for name, tag, modality, cells in table.lines:
            own = [escaped(name + (f" ({tag})" if tag else "")), escaped(modality)]
            for cell in cells:
                value, *beside = cell or ("", "", "")
                own += [escaped(value), "{" + escaped(" ".join(beside).strip()) + "}" if cell else ""]
            lines.append(" & ".join(own) + r" \\")
        lines += [r"\midrule"] if table.ceilings else []
        for modality, values in table.ceilings:
            line = " & ".join(f"{escaped(value)} & " for value in values)
            lines.append(rf"\emph{{ceiling}} & {modality} & {line} \\")
        lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    lines += [f"% missing: {e.name}: {e.missing}" for e in report.entries if e.missing]
    return "\n".join(lines).rstrip() + "\n"
