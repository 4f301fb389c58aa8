"""The 22 guards of the report and their verdicts on a study.

``passed``: checked on the way to this report without objection. ``flagged``: there is something that a reader should
know. ``by test``: a property of the code and not of a study; README.md in this folder names the tests.
"""

from typing import NamedTuple

from . import findings
from .findings import Study

TITLES = {
    1: "Manifest gate",
    2: "Split proof",
    3: "Three roles",
    4: "Fit scope",
    5: "Normalisation declared",
    6: "Text provenance",
    7: "Label policy",
    8: "Extraction invariance",
    9: "CCC on the whole set",
    10: "Pooled, fold mean, per fold",
    11: "Seeds and intervals",
    12: "Detectable differences",
    13: "Compute and scorings",
    14: "Calibration",
    15: "Fairness",
    16: "Robustness",
    17: "Controls",
    18: "Provenance",
    19: "Paper against ours",
    20: "Golden metrics",
    21: "Licence gate",
    22: "Determinism",
}
BY_TEST = {
    8: "Batched features equal single ones; weights load completely or not at all.",
    9: "Metrics are computed over all rows in float64; the loss has finite gradients without variance.",
    20: "The metrics equal scikit-learn's, torchmetrics' and the naive bootstrap's.",
    22: "On a CPU, equal numbers of threads give equal predictions; make compares this machine's figures with ours.",
}
_FINDINGS = {
    1: findings.manifest,
    2: findings.split,
    3: findings.roles,
    4: findings.fit,
    5: findings.normalisation,
    6: findings.text,
    7: findings.labels,
    10: findings.aggregation,
    11: findings.seeds,
    12: findings.detectable,
    13: findings.compute,
    14: findings.calibration,
    15: findings.fairness,
    16: findings.robustness,
    17: findings.controls,
    18: findings.provenance,
    19: findings.papers,
    21: findings.licence,
}


class Verdict(NamedTuple):
    number: int
    title: str
    verdict: str
    words: str


def verdicts(study: Study) -> list[Verdict]:
    """All 22, in their order."""
    found = []
    for number, title in TITLES.items():
        if number in BY_TEST:
            found.append(Verdict(number, title, "by test", BY_TEST[number]))
        else:
            fault, words = _FINDINGS[number](study)
            found.append(
                Verdict(number, title, "flagged" if fault else "passed", " ".join(filter(None, (fault, words))))
            )
    return found
