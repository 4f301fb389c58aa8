"""What each guard found in a study: a fault, empty where there is none, and what else a reader should know."""

from dataclasses import dataclass, field
from typing import Any

Finding = tuple[str, str]
SEEDS = 5
"""Seeds that a figure should rest on; systems without chance need one."""


@dataclass
class Study:
    """What the verdicts are read from."""

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
    left_out = f"{len(study.quarantine)} files left out at ingest." if study.quarantine else ""
    differ = f"{len(study.departures)} counts differ from the release." if study.departures else ""
    fault = " ".join(filter(None, (left_out, differ)))
    due = len(study.definition.expect)
    met = f"{due - len(study.departures)} of {due} promised counts met." if due else "The protocol promises no counts."
    return fault, f"{len(study.manifest):,} utterances, each with the digest of its audio. {met}"


def split(study: Study) -> Finding:
    mark = f"{study.watermark.capitalize()}." if study.watermark else ""
    return (
        mark,
        "" if mark else "No speaker, dialogue or recording is in two roles of a fold, in protocol and predictions.",
    )


def roles(study: Study) -> Finding:
    counts = study.protocol.groupby("role")["utterance"].nunique()
    words = ", ".join(f"{role} {counts.get(role, 0):,}" for role in ("train", "val", "test"))
    return "", f"Every fold trains, validates and tests on its own rows ({words} utterances over all folds)."


def fit(study: Study) -> Finding:
    blind = [e for e in study.entries if any("not known" in part["seen"] for part in e.evaluation["seen"])]
    fault = f"What a part has seen is not known: {_names(blind)}." if blind else ""
    return fault, "No normaliser, teacher, codebook or encoder whose record we have saw a test row; see Contamination."


def normalisation(study: Study) -> Finding:
    kinds: dict = {}
    for entry in study.entries:
        kind = getattr(entry.row, "normalise", "")
        if kind:
            kinds.setdefault(entry.row.recipe, {}).setdefault(kind, []).append(entry)
    alone = [e for own in kinds.values() if "global" not in own for e in own.get("speaker", ())]
    fault = f"Transductive, with no inductive row of the recipe beside it: {_names(alone)}." if alone else ""
    inductive = [e for own in kinds.values() for e in own.get("global", ())]
    return fault, f"Inductive: {_names(inductive)}." if inductive else ""


def text(study: Study) -> Finding:
    readers = [entry for entry in study.entries if "text" in entry.row.modality]
    if not readers:
        return "", "No system reads text."
    alone = [entry for entry in readers if entry.row.modality == "text" and entry.row.recipe == "linear"]
    shared, tested = study.overlap["shared"], study.overlap["tested"]
    share = f" {100 * shared / tested:.0f} % of test texts occur word for word in training." if tested else ""
    fault = "" if alone else "No probe of the words alone beside the systems that read them (linear-text)."
    return fault, f"Transcripts: {study.transcripts or 'none'}, tags taken out.{share}"


def labels(study: Study) -> Finding:
    soft = [entry for entry in study.entries if entry.evaluation.get("soft")]
    out = study.protocol.loc[study.protocol["role"] == "out", "utterance"].nunique()
    words = f"The merges stand above; {out:,} utterances are left out of some fold, with the reason."
    return "", words + (" Soft labels are scored too." if soft else " The corpus has no votes, so no soft labels.")


def aggregation(study: Study) -> Finding:
    refused = [e for e in study.entries if any(f["fold_mean"] is None for f in e.metrics.values())]
    fault = f"No fold mean, for a fold lacks a class: {_names(refused)}." if refused else ""
    thin = [e for e in study.entries if any(": only " in note for note in e.evaluation["notes"])]
    more = f"Folds with fewer than {study.few} of a class: {_names(thin)}." if thin else ""
    return " ".join(filter(None, (fault, more))), "UAR is balanced accuracy, WA accuracy."


def seeds(study: Study) -> Finding:
    few = [
        entry
        for entry in study.entries
        if not getattr(entry.row, "deterministic", False)
        and entry.row.recipe != "external"
        and min(f["n_seeds"] for f in entry.metrics.values()) < SEEDS
    ]
    bare = [e for e in study.entries if any(f["ci_low"] is None for f in e.metrics.values())]
    fault = f"Fewer than {SEEDS} seeds: {_names(few)}." if few else ""
    more = f"No interval, for there is one speaker: {_names(bare)}." if bare else ""
    return " ".join(filter(None, (fault, more))), "Intervals resample speakers; p-values are Holm's."


def detectable(study: Study) -> Finding:
    made = [row for row in study.compared if not row["note"]]
    refused = [row for row in study.compared if row["note"]]
    ties = sum(row["outcome"] == "tie" for row in made)
    fault = f"{len(refused)} comparisons could not be made: {refused[0]['note']}." if refused else ""
    return fault, f"{ties} of {len(made)} comparisons are ties, shown as such with what they could have detected."


def compute(study: Study) -> Finding:
    again = {name: count for name, count in study.scorings.items() if count > 1}
    worst = max(again, key=again.get) if again else ""
    fault = f"Test part scored more than once: {len(again)} systems, {worst} {again[worst]} times." if again else ""
    if not study.scorings:
        fault = "No ledger of scorings here."
    cost = study.cost
    words = (
        f"{cost['cpu_hours']:.2f} CPU hours, peak {cost['memory_mb']:,.0f} MB."
        if cost
        else "Cost was not measured here."
    )
    return fault, words


def calibration(study: Study) -> Finding:
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
        words += f"at temperatures of validation rows {min(scaled):.3f} to {max(scaled):.3f}."
    return " ".join(faults), words


def fairness(study: Study) -> Finding:
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
        return fault or "One sex alone is tested.", ""
    (name, metric), gap = max(gaps.items(), key=lambda item: item[1])
    return fault, f"Largest gap between the sexes: {name}, {metric} {gap:.3f}; n stands in every cell."


def robustness(study: Study) -> Finding:
    silent = "Silent and damaged files stop ingest; figures stand per tenth of the durations."
    systems: dict[str, int] = {}
    for one in study.tried:
        systems[one["words"]] = systems.get(one["words"], 0) + 1
    if not systems:
        return "Neither noise nor another corpus was tried.", silent
    told = "; ".join(f"{words} ({count} system{'s' if count > 1 else ''})" for words, count in systems.items())
    return "", f"Tried: {told}. {silent}"


def controls(study: Study) -> Finding:
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
    return " ".join(faults), f"There: {', '.join(kind for kind, own in there.items() if own) or 'none'}."


def provenance(study: Study) -> Finding:
    dirty = "uncommitted" in study.commit or "unknown" in study.commit
    fault = f"Commit: {study.commit}." if dirty else ""
    return fault, "Every evaluation is of the prediction file beside it, by digest; see Provenance."


def papers(study: Study) -> Finding:
    counts: dict[str, int] = {}
    for row in study.papers:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    off = counts.get("not reproduced", 0)
    fault = f"{off} figures of the papers are not reproduced." if off else ""
    return fault, (", ".join(f"{n} {verdict}" for verdict, n in counts.items()) or "No paper's row here") + "."


def licence(study: Study) -> Finding:
    return "", f"Corpus: {study.licence}. Recordings and what could be turned back into them are never pushed."
