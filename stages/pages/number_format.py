"""Figures as a reader of the field writes them: percentages for UAR, WA, F1 and WER, three decimals for CCC.

Imports nothing heavy, so that the terminal shows its table at once.
"""

TITLES = {
    "uar": "UAR %",
    "wa": "WA %",
    "macro_f1": "macro F1 %",
    "ccc_arousal": "CCC arousal",
    "ccc_valence": "CCC valence",
    "ccc_dominance": "CCC dominance",
    "wer": "WER %",
}
SEES = {"audio": "prosody", "text": "words", "audio+text": "both"}
"""The oracle's name of what a modality sees, in the ceilings of a planted corpus."""


def shown(metric: str, value: float | None, decimals: int, sign: bool = False) -> str:
    """A metric's value: percent with ``decimals``, CCC with two more; an en dash for None."""
    if value is None:
        return "–"
    percent = not metric.startswith("ccc")
    places = decimals if percent else decimals + 2
    text = f"{100 * value if percent else value:{'+' if sign else ''}.{places}f}"
    return text.replace("-", "−")


def interval(metric: str, low: float | None, high: float | None, decimals: int, sign: bool = False) -> str:
    """``[low, high]``, or an en dash where there is none."""
    if low is None or high is None:
        return "–"
    return f"[{shown(metric, low, decimals, sign)}, {shown(metric, high, decimals, sign)}]"


def ceiling(ceilings: dict, modality: str, metric: str) -> float | None:
    """The highest value of ``metric`` that ``modality`` allows, where that is known."""
    found = ceilings.get(modality) or ceilings.get(SEES.get(modality, ""), {})
    return found.get(metric)
