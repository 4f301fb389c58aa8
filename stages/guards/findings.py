"""The finding of each guard in a study: a fault, empty if there is none, and what else a reader should know."""

from dataclasses import dataclass, field
from typing import Any

Finding = tuple[str, str]
"""The fault and the rest, as sentences."""
SEEDS = 5
"""A figure should use at least so many seeds; deterministic systems need one."""


@dataclass
class Study:
    """What the guards look at."""

    definition: Any
    manifest: Any
    protocol: Any
    quarantine: list[dict]
    entries: list
    """The systems that were scored, as :class:`stages.pages.report_data.Entry`."""
    compared: list[dict]
    papers: list[dict]
    few: int
    watermark: str
    licence: str
    transcripts: str
    commit: str
    cost: dict | None
    """Hours of CPU, peak memory and jobs that were not measured here; None where nothing was."""
    tried: list[dict] = field(default_factory=list)
    """What ``robustness`` wrote, a dictionary per trial and system."""
    scorings: dict[str, int] = field(default_factory=dict)
    """{system: distinct sets of test predictions scored so far}."""

    def __post_init__(self):
        from ..protocols.assignment import departures
        from ..protocols.script_overlap import script_overlap

        self.departures = departures(self.definition, self.protocol, self.manifest, "protocol")
        self.overlap = script_overlap(self.manifest, self.protocol)


def _names(entries) -> str:
    return ", ".join(entry.name for entry in entries)


def _metrics(study: Study, name: str) -> list:
    return [entry for entry in study.entries if name in entry.metrics]


def manifest(study: Study) -> Finding:
    """Excluded files, and counts unlike the release."""
    left_out = f"{len(study.quarantine)} files excluded at ingest." if study.quarantine else ""
    differ = f"{len(study.departures)} counts differ from the release." if study.departures else ""
    fault = " ".join(filter(None, (left_out, differ)))
    due = len(study.definition.expect)
    met = (
        f"{due - len(study.departures)} of {due} expected counts met."
        if due
        else "The protocol has no expected counts."
    )
    return fault, f"{len(study.manifest):,} utterances, each with a digest of its audio. {met}"


def split(study: Study) -> Finding:
    """Declared leaks."""
    mark = f"{study.watermark.capitalize()}." if study.watermark else ""
    return (
        mark,
        "" if mark else "No speaker, dialogue or recording has two roles in a fold of the protocol or the predictions.",
    )


def roles(study: Study) -> Finding:
    """The size of each role."""
    counts = study.protocol.groupby("role")["utterance"].nunique()
    words = ", ".join(f"{role} {counts.get(role, 0):,}" for role in ("train", "val", "test"))
    return "", f"Every fold trains, validates and tests on different rows ({words} utterances over all folds)."


def fit(study: Study) -> Finding:
    """Parts of which it is not known what they have seen."""
    blind = [e for e in study.entries if any("not known" in part["seen"] for part in e.evaluation["seen"])]
    fault = f"It is not known what a part of these systems has seen: {_names(blind)}." if blind else ""
    leaky = [e for e in study.entries if any("leak" in part for part in e.evaluation["seen"])]
    declared = f"Declared to be fitted on test rows too: {_names(leaky)}." if leaky else ""
    but = " but these" if leaky else ""
    words = f"No normaliser, teacher, codebook or encoder with a record has seen a test row{but}; see Contamination."
    return " ".join(filter(None, (fault, declared))), words


def normalisation(study: Study) -> Finding:
    """Transductive systems without an inductive counterpart."""
    kinds: dict = {}
    for entry in study.entries:
        kind = getattr(entry.row, "normalise", "")
        if kind:
            kinds.setdefault(entry.row.recipe, {}).setdefault(kind, []).append(entry)
    alone = [e for own in kinds.values() if "global" not in own for e in own.get("speaker", ())]
    fault = f"Transductive, and the study has no inductive row of the same recipe: {_names(alone)}." if alone else ""
    inductive = [e for own in kinds.values() for e in own.get("global", ())]
    return fault, f"Inductive: {_names(inductive)}." if inductive else ""


def text(study: Study) -> Finding:
    """Systems that read text without a text-only probe."""
    readers = [entry for entry in study.entries if "text" in entry.row.modality]
    if not readers:
        return "", "No system reads text."
    alone = [entry for entry in readers if entry.row.modality == "text" and entry.row.recipe == "linear"]
    shared, tested = study.overlap["shared"], study.overlap["tested"]
    share = f" {100 * shared / tested:.0f} % of the test texts also occur in training." if tested else ""
    fault = "" if alone else "Systems read text, but the study has no text-only probe (linear-text)."
    return fault, f"Transcripts: {study.transcripts or 'none'}, tags removed.{share}"


def labels(study: Study) -> Finding:
    """Merged labels and soft labels."""
    soft = [entry for entry in study.entries if entry.evaluation.get("soft")]
    out = study.protocol.loc[study.protocol["role"] == "out", "utterance"].nunique()
    words = f"The merges are listed above; {out:,} utterances are excluded from at least one fold, each with a reason."
    return "", words + (
        " Soft labels are scored too." if soft else " The corpus has no votes, so there are no soft labels."
    )


def aggregation(study: Study) -> Finding:
    """Systems without a fold mean, and folds with few utterances of a class."""
    refused = [e for e in study.entries if any(f["fold_mean"] is None for f in e.metrics.values())]
    fault = f"No fold mean, because a fold lacks a class: {_names(refused)}." if refused else ""
    thin = [e for e in study.entries if any(": only " in note for note in e.evaluation["notes"])]
    more = f"Folds with fewer than {study.few} test utterances of a class: {_names(thin)}." if thin else ""
    return " ".join(filter(None, (fault, more))), "UAR is balanced accuracy, WA accuracy."


def seeds(study: Study) -> Finding:
    """Systems with few seeds or without an interval."""
    few = [
        entry
        for entry in study.entries
        if not getattr(entry.row, "deterministic", False)
        and entry.row.recipe != "external"
        and min(f["n_seeds"] for f in entry.metrics.values()) < SEEDS
    ]
    bare = [e for e in study.entries if any(f["ci_low"] is None for f in e.metrics.values())]
    fault = f"Fewer than {SEEDS} seeds: {_names(few)}." if few else ""
    more = f"No interval, because there is only one test speaker: {_names(bare)}." if bare else ""
    return " ".join(filter(None, (fault, more))), "Intervals resample speakers; p-values are Holm-corrected."


def detectable(study: Study) -> Finding:
    """Comparisons that were not possible."""
    made = [row for row in study.compared if not row["note"]]
    refused = [row for row in study.compared if row["note"]]
    ties = sum(row["outcome"] == "tie" for row in made)
    fault = f"{len(refused)} comparisons could not be made: {refused[0]['note']}." if refused else ""
    return (
        fault,
        f"{ties} of {len(made)} comparisons are ties, shown with the difference they could have detected.",
    )


def compute(study: Study) -> Finding:
    """Repeated scorings, and the cost."""
    again = {name: count for name, count in study.scorings.items() if count > 1}
    worst = max(again, key=again.get) if again else ""
    fault = f"Test part scored more than once: {len(again)} systems, {worst} {again[worst]} times." if again else ""
    if not study.scorings:
        fault = "There is no record of scorings."
    cost = study.cost
    words = (
        f"{cost['cpu_hours']:.2f} CPU hours, peak {cost['memory_mb']:,.0f} MB."
        if cost
        else "The cost was not measured."
    )
    return fault, words


def calibration(study: Study) -> Finding:
    """Systems without probabilities or without a slope."""
    scored = [e for e in _metrics(study, "uar") if e.evaluation["calibration"]]
    without = [e for e in _metrics(study, "uar") if not e.evaluation["calibration"]]
    constant = [e for e in study.entries if any(d["slope"] is None for d in e.evaluation["dimensions"].values())]
    faults = [f"No probabilities, or no validation rows to scale them: {_names(without)}."] if without else []
    faults += [f"Constant predictions, so no slope: {_names(constant)}."] if constant else []
    words = ""
    if scored:
        ece = [e.evaluation["calibration"]["plain"]["ece"] for e in scored]
        scaled = [e.evaluation["calibration"]["scaled"]["ece"] for e in scored]
        words = f"ECE {min(ece):.3f} to {max(ece):.3f}; "
        words += f"with temperatures fitted on validation rows {min(scaled):.3f} to {max(scaled):.3f}."
    return " ".join(faults), words


def fairness(study: Study) -> Finding:
    """Unknown sex, and the largest gap between the sexes."""
    used = study.manifest[study.manifest["utterance"].isin(study.protocol["utterance"])]
    unknown = int((used["gender"] == "").sum())
    gaps = {}
    for entry in study.entries:
        sexes = entry.evaluation["gender"]
        for metric in entry.metrics:
            if len(sexes) == 2 and all(metric in one for one in sexes.values()):
                gaps[entry.name, metric] = abs(sexes["female"][metric] - sexes["male"][metric])
    fault = f"Sex unknown for {unknown:,} utterances." if unknown else ""
    if not gaps:
        return fault or "Only one sex is tested.", ""
    (name, metric), gap = max(gaps.items(), key=lambda item: item[1])
    return fault, f"Largest gap between the sexes: {name}, {metric} {gap:.3f}."


def robustness(study: Study) -> Finding:
    """Missing trials under noise or on another corpus."""
    silent = "Silent and damaged files stop ingest; results are also given per tenth of the durations."
    systems: dict[str, int] = {}
    for one in study.tried:
        systems[one["words"]] = systems.get(one["words"], 0) + 1
    if not systems:
        return "Neither noise nor another corpus was tried.", silent
    trials = "; ".join(f"{words} ({count} system{'s' if count > 1 else ''})" for words, count in systems.items())
    return "", f"Tried: {trials}. {silent}"


def controls(study: Study) -> Finding:
    """Shuffled labels above chance, and missing controls."""
    kinds = {
        "majority": lambda row: row.recipe == "control" and row.sees == "nothing",
        "duration": lambda row: row.recipe == "control" and row.sees == "duration",
        "speaker": lambda row: row.recipe == "control" and row.sees == "speaker",
        "words alone": lambda row: row.recipe == "linear" and row.sees == "text",
        "shuffled labels": lambda row: row.recipe == "linear" and row.labels == "shuffled",
    }
    there = {kind: [e for e in study.entries if holds(e.row)] for kind, holds in kinds.items()}
    classes = len(set(study.protocol["emotion"]) - {""})
    learnt = [
        entry
        for entry in there["shuffled labels"]
        for metric, figure in entry.metrics.items()
        if metric == "uar" or metric.startswith("ccc")
        if figure["ci_low"] is not None and figure["ci_low"] > (1 / classes if metric == "uar" else 0)
    ]
    faults = [f"Shuffled labels end above chance, so something leaks: {_names(learnt)}."] if learnt else []
    missing = [kind for kind, own in there.items() if not own]
    faults += [f"Not in the study: {', '.join(missing)}."] if missing else []
    return " ".join(faults), f"In the study: {', '.join(kind for kind, own in there.items() if own) or 'none'}."


def provenance(study: Study) -> Finding:
    """Figures of uncommitted code."""
    dirty = "uncommitted" in study.commit or "unknown" in study.commit
    fault = f"Commit: {study.commit}." if dirty else ""
    return fault, "Every evaluation matches its prediction file by digest; see Provenance."


def papers(study: Study) -> Finding:
    """Figures of papers that are not reproduced."""
    counts: dict[str, int] = {}
    for row in study.papers:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    off = counts.get("not reproduced", 0)
    fault = f"{off} figures of the papers are not reproduced." if off else ""
    return fault, (", ".join(f"{n} {verdict}" for verdict, n in counts.items()) or "No paper's row in this study") + "."


def licence(study: Study) -> Finding:
    """The licence of the corpus."""
    return (
        "",
        f"Corpus: {study.licence}. Recordings, and features from which speech could be restored, are never pushed.",
    )
