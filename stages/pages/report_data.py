"""The contents of a report, independent of how they are shown."""

from dataclasses import dataclass, field
from typing import Any

GROUPS = (
    ("Emotion", ("uar", "wa", "macro_f1")),
    ("Dimensions", ("ccc_arousal", "ccc_valence", "ccc_dominance")),
    ("Words", ("wer",)),
)
MARKS = {"better": "▲", "worse": "▼", "tie": "="}
"""The mark of a comparison with the baseline, by its outcome."""


@dataclass
class Entry:
    """One system of the study, scored or missing."""

    name: str
    row: Any
    """The system's settings in this study (:class:`stages.recipes.system_config.System`)."""
    encoders: dict[str, str]
    """{speech or text: name} of the encoders that it uses in this study."""
    deviations: list[str]
    evaluation: dict | None
    """What ``evaluate`` wrote; None where the system is missing."""
    missing: str = ""
    """Why it is missing."""
    transcripts: str = ""
    """Where the text that it reads comes from; empty where it reads none."""

    @property
    def metrics(self) -> dict:
        return self.evaluation["metrics"] if self.evaluation else {}

    @property
    def parts(self) -> dict[str, dict]:
        """{test part that the protocol names: {metric: figures}}."""
        return self.evaluation.get("parts", {}) if self.evaluation else {}

    @property
    def watermark(self) -> str:
        """The mark on its results; empty where nothing of them leaks."""
        return next((figure["watermark"] for figure in self.metrics.values() if "watermark" in figure), "")

    @property
    def tag(self) -> str:
        """How a system is marked that does not reproduce a row of a paper; empty for one that does."""
        if self.row.recipe == "external":
            return "made elsewhere"
        return "" if self.row.paper else "control"


@dataclass
class Contents:
    """One study's results and what a reader needs to judge them."""

    study: str
    facts: list[tuple[str, str]]
    entries: list[Entry]
    ceilings: dict
    baselines: dict[str, str]
    """{metric: the system that the others are compared with}."""
    comparisons: list[dict]
    """See :func:`stages.metrics.comparison.compare`."""
    papers: list[dict]
    """The rows of comparison.csv."""
    confidence: float
    decimals: int
    provenance: list[tuple[str, str]]
    costs: list[dict] = field(default_factory=list)
    """See :func:`stages.pages.costs.read`."""
    card: Any = None
    """The corpus (:class:`stages.pages.corpus_card.Card`)."""
    watermark: str = ""
    """The mark on every result of a protocol that is declared leaky; empty otherwise."""
    guards: list = field(default_factory=list)
    """See :func:`stages.guards.verdicts.verdicts`."""
    scorings: dict[tuple[str, str], int] = field(default_factory=dict)
    """{(study, system): how many distinct sets of its test predictions were scored}."""
    tried: list[dict] = field(default_factory=list)
    """What ``robustness`` wrote, a dictionary per trial and system."""
    untried: list[tuple[str, str, str]] = field(default_factory=list)
    """Trial in words, system, and why it was not run."""
    gates: dict[str, list[dict]] = field(default_factory=dict)
    """{student: what its gate closed (:func:`stages.metrics.gates.accounts`)}."""
    interactions: list[dict] = field(default_factory=list)
    """See :func:`stages.pages.study_files.interactions`."""
    fit_published: list[dict] = field(default_factory=list)
    """Figures of Table 1 of Srinivasan 2022, where the study has such a teacher."""
    coverage: list[dict] = field(default_factory=list)
    """See :func:`stages.metrics.intervals.read_coverage`."""

    def named(self, system: str) -> str:
        """A system's name as every page has it: marked where it, or the protocol, is leaky."""
        leaky = self.watermark or any(entry.watermark for entry in self.entries if entry.name == system)
        return f"{system} (leaky)" if leaky else system

    @property
    def groups(self) -> list[tuple[str, list[str]]]:
        """Titles and metrics of the tables: those that at least one system has."""
        present = {metric for entry in self.entries for metric in entry.metrics}
        found = [(title, [m for m in metrics if m in present]) for title, metrics in GROUPS]
        return [(title, metrics) for title, metrics in found if metrics]

    def against_baseline(self, system: str, metric: str) -> dict | None:
        """The comparison of a system with the baseline of that metric, if there is one."""
        for row in self.comparisons:
            if (row["system"], row["other"], row["metric"]) == (system, self.baselines.get(metric), metric):
                return row
        return None

    def outcome(self, system: str, metric: str) -> str:
        """▲, ▼ or = against the baseline; empty where they were not compared."""
        row = self.against_baseline(system, metric)
        return MARKS.get(row.get("outcome", ""), "") if row else ""

    @property
    def caption(self) -> str:
        """One sentence that says how to read the figures."""
        share = f"{100 * self.confidence:g} %"
        base = ", ".join(dict.fromkeys(self.baselines.values()))
        against = (
            f" Compared with {base} (paired, same speakers drawn, Holm-corrected): ▲ better, ▼ worse, = tie."
            if base
            else ""
        )
        marked = f" {self.watermark.capitalize()}: the figures are inflated." if self.watermark else ""
        return (
            f"Metrics of the pooled test predictions, averaged over seeds; in brackets the {share} interval from "
            f"resampling the test speakers.{against}{marked}"
        )
