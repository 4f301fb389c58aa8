"""Systems that hear and read (Gao 2024): what their gates did, by kind of utterance, wrong words and noise."""

from . import cells
from .cells import Table, number, wide
from .lines import Lines, lines
from .number_format import shown
from .report_data import Contents
from .robustness import CLEAN, NOISE

GATES = {"gate_speech": "speech", "gate_words": "words"}
WORDS = "errors in 100 words"
LEAST = 0.02
"""A gate's axis spans this much at least, so that a difference of nothing looks like nothing."""


def section(report: Contents) -> dict | None:
    """``table`` and ``curves``; None where no system both hears and reads."""
    if not report.interactions:
        return None
    return {"table": _table(report), "curves": [*_scores(report), *_gates(report)]}


def _table(report: Contents) -> Table:
    found = []
    for one in report.interactions:
        for row in one["accounts"]:
            gates = [row["gates"].get(name) for name in GATES]
            found.append(
                [
                    report.named(one["system"]),
                    wide(f"{row['group']}: {row['value']}" if row["value"] else "all"),
                    number(f"{row['rows']:,}"),
                    number(f"{100 * row['right']:.1f}"),
                    *(number("–" if gate is None else f"{gate:.3f}") for gate in gates),
                ]
            )
    return cells.table(["System", "test utterances", "count", "right %", "speech", "words"], found)


def _conditions(report: Contents, system: str) -> dict[str, list[tuple[float, str, dict]]]:
    """{axis: (level, trial, its result)} of the trials of a system that have a level, in the order of levels."""
    found: dict[str, list] = {}
    for one in report.tried:
        if one["system"] == system and one.get("wer") is not None:
            found.setdefault(WORDS, []).append((100 * one["wer"], one["trial"], one))
        if one["system"] == system and one.get("snr_db") is not None and one["colour"] == "white":
            found.setdefault(NOISE, []).append((one["snr_db"], one["trial"], one))
    return {axis: sorted(own, key=lambda level: level[0]) for axis, own in found.items()}


def _ticks(axis: str, levels: list[tuple]) -> list[str]:
    return [*(f"{level:.0f}" for level, *_ in levels), "own" if axis == WORDS else CLEAN]


def _scores(report: Contents) -> list[Lines]:
    """UAR over the levels, one figure per interaction and axis, one curve per gate."""
    groups: dict[tuple, dict] = {}
    for one in report.interactions:
        for axis, levels in _conditions(report, one["system"]).items():
            clean = levels[0][2]["clean"]["uar"]
            values = [*(level[2]["metrics"]["uar"] for level in levels), clean]
            points = [(i, v["pooled"], v["ci_low"], v["ci_high"]) for i, v in enumerate(values)]
            own = groups.setdefault((one["interaction"], axis, tuple(_ticks(axis, levels))), {})
            own[f"gate: {one['gate']}"] = points
    ends = [
        v for own in groups.values() for points in own.values() for _, *some in points for v in some if v is not None
    ]
    return [
        lines(
            f"interaction {interaction}: UAR",
            axis,
            list(ticks),
            own,
            (min(ends), max(ends)),
            lambda value: shown("uar", value, report.decimals),
        )
        for (interaction, axis, ticks), own in groups.items()
    ]


def _gates(report: Contents) -> list[Lines]:
    """Mean gates over the levels, one figure per gated system and axis, one curve per gate of it."""
    found = []
    for one in report.interactions:
        names = [name for name in GATES if name in one["gates"][""]]
        for axis, levels in _conditions(report, one["system"]).items() if names else ():
            means = [*(one["gates"][trial] for _, trial, _ in levels), one["gates"][""]]
            curves = {GATES[name]: [(i, mean[name], None, None) for i, mean in enumerate(means)] for name in names}
            ends = [value for points in curves.values() for _, value, *_ in points]
            middle, half = (min(ends) + max(ends)) / 2, max((max(ends) - min(ends)) / 2, LEAST / 2)
            title = f"{report.named(one['system'])}: mean gate"
            found.append(
                lines(title, axis, _ticks(axis, levels), curves, (middle - half, middle + half), "{:.3f}".format)
            )
    return found
