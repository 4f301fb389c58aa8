"""One study's report: results with intervals and ceilings, paired comparisons, paper against ours, provenance.

Reads the manifest, the protocol, the files that ingest excluded, the evaluations of the study's systems (JSON files,
each with a CSV file of the same name), the results of ``robustness`` and the papers' figures; the settings ``report``,
``studies.STUDY``, its corpus and protocol, ``systems.SYSTEM`` of its systems and ``robustness.TRIAL`` of its trials.
Every result of a protocol that is declared leaky is marked. Writes into the folder --out:
metrics.json, table.csv, comparison.csv, results.md, results.tex, index.html, plots/*.csv.

With --show FOLDER it only reads a finished report. It prints the table, what differs from the last commit, and whether
this machine agrees with the committed figures, and writes the overview page of all reports.
"""

from dataclasses import dataclass
from pathlib import Path

from .config import settings
from .config.settings import Section, setting
from .runtime import disk, process
from .runtime.errors import UserError


class Report(Section):
    """How results are shown and judged."""

    decimals: int = setting("decimals of percentages; CCC gets two more", ge=0, le=4)
    reproduced_within: float = setting(
        "a figure no further than this from the paper's, inside the interval, is reproduced", gt=0, lt=1
    )


@dataclass(frozen=True)
class Inputs:
    """The files that a report reads; None or empty if there is no such input."""

    manifest: Path
    protocol: Path
    published: Path
    evaluations: list[Path]
    """JSON files, each with a CSV file of the same name; the same holds for ``robustness``."""
    robustness: list[Path]
    benchmarks: list[Path]
    quarantine: Path | None
    ceilings: Path | None
    ledger: Path | None
    coverage: Path | None
    extra: Path | None
    """Columns of a user's own table, where the protocol names some of them."""
    transcripts: list[Path]
    """The transcripts that systems read, each named as its entry of ``transcripts:``."""

    @property
    def predictions(self) -> dict[str, Path]:
        """The predictions of every system."""
        return {path.stem: path.with_suffix(".csv") for path in self.evaluations}


def arguments(parser) -> None:
    parser.add_argument("--show", type=Path, metavar="FOLDER", help="only print the table of this finished report")
    parser.add_argument("--expected", type=Path, default=Path("data/expected.csv"), help="for --show")
    parser.add_argument("--study")
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--protocol", type=Path)
    parser.add_argument("--quarantine", type=Path, help="the files that ingest excluded")
    parser.add_argument("--evaluations", type=Path, nargs="*", default=[], help="JSON files, each with its CSV")
    parser.add_argument(
        "--robustness", type=Path, nargs="*", default=[], help="JSON files of trials, each with its CSV"
    )
    parser.add_argument("--extra", type=Path, help="extra.csv of the inventory, where the protocol names its columns")
    parser.add_argument(
        "--transcripts", type=Path, nargs="*", default=[], help="the transcripts that systems read, for error rates"
    )
    parser.add_argument("--ceilings", type=Path, help="JSON: {modality: {metric: value}}")
    parser.add_argument("--published", type=Path, default=Path("data/published.csv"))
    parser.add_argument("--benchmarks", type=Path, nargs="*", default=[], help="Snakemake's benchmark files, if any")
    parser.add_argument("--ledger", type=Path, help="folder that counts the scorings of this protocol's test part")
    parser.add_argument("--coverage", type=Path, help="how often intervals contain the truth (tests/bench/coverage.py)")
    parser.add_argument("--out", type=Path, help="output: the report's folder")


def main(args) -> None:
    if args.show:
        from .pages import overview, terminal

        terminal.show(args.show, args.expected)
        overview.write(args.show.parent)
        return
    for name in ("study", "manifest", "protocol", "out"):
        if getattr(args, name) is None:
            raise UserError(f"stages.report: --{name}: missing; give it, or --show FOLDER alone")
    from .pages import files

    inputs = Inputs(
        manifest=args.manifest,
        protocol=args.protocol,
        published=args.published,
        evaluations=args.evaluations,
        robustness=args.robustness,
        benchmarks=args.benchmarks,
        quarantine=args.quarantine,
        ceilings=args.ceilings,
        ledger=args.ledger,
        coverage=args.coverage,
        extra=args.extra,
        transcripts=args.transcripts,
    )
    files.write(gather(args.study, inputs, args.params), inputs.predictions, args.out)


def gather(name: str, inputs: Inputs, params: str):
    """Everything that the report of study ``name`` shows, as :class:`stages.pages.report_data.Contents`.

    Raises
    ------
    UserError
        An evaluation is not of this study, not readable, or was made with other settings than the rest.
    """
    from .corpora import readers
    from .corpora.manifest import with_extra
    from .guards import ledger, verdicts
    from .metrics import comparison, intervals
    from .metrics.predictions import rounded
    from .metrics.summary import Evaluate
    from .pages import corpus_card, costs, distillation, study_facts, study_files
    from .pages.report_data import Contents
    from .protocols import config
    from .protocols.splits import watermark
    from .protocols.table import load_split

    section = settings.load(Report, "report", params)
    study = settings.read(params, f"studies.{name}")
    manifest, protocol = load_split(inputs.manifest, inputs.protocol)
    manifest = with_extra(manifest, inputs.extra)
    rates = [row for path in inputs.transcripts for row in _rates(path, params, manifest)]
    evaluations = study_files.evaluations(inputs.evaluations, name, study["systems"])
    definition = config.load(study["protocol"], params)
    mark = watermark(protocol)
    entries = [study_files.entry(params, name, study, system, evaluations.get(system)) for system in study["systems"]]
    options = next((e["options"] for e in evaluations.values()), None) or settings.read(params, "evaluate")
    options = settings.validate(Evaluate, options, "options", f"evaluations of {name}")
    baselines = _baselines(entries, options.baseline)
    drawn = _drawn(entries, inputs.predictions, manifest, options)
    compared = comparison.compare(drawn, _pairs(entries, baselines), options.confidence)
    for entry in entries:
        for figure in entry.metrics.values() if mark else ():
            figure["watermark"] = mark
    published = comparison.read_published(inputs.published)
    ceilings = study_files.read_json(inputs.ceilings) if inputs.ceilings else {}
    papers = comparison.against_papers(entries, published, study, section.reproduced_within)
    licence = readers.licence(settings.read(params, f"corpora.{study['corpus']}.reader"))
    quarantine = corpus_card.read_quarantine(inputs.quarantine)
    provenance = study_facts.provenance(study, entries, inputs.manifest, inputs.protocol, inputs.predictions)
    cost = costs.read(inputs.benchmarks)
    taught = any(entry.row.recipe == "srinivasan" for entry in entries)
    scorings = ledger.counts(inputs.ledger) if inputs.ledger else {}
    tried, untried = _trials(inputs.robustness, params, name, study, entries)
    judged = verdicts.Study(
        definition=definition,
        manifest=manifest,
        protocol=protocol,
        quarantine=quarantine,
        entries=[entry for entry in entries if entry.evaluation],
        compared=compared,
        papers=papers,
        few=options.few,
        watermark=mark,
        licence=licence,
        transcripts=", ".join(path.stem for path in inputs.transcripts),
        commit=dict(provenance)["Commit"],
        cost=costs.total(cost),
        tried=tried,
        scorings={system: count for (own, system), count in scorings.items() if own == name},
    )
    return Contents(
        study=name,
        facts=study_facts.of_study(study, definition, manifest, protocol, entries),
        entries=entries,
        ceilings=rounded(ceilings),
        baselines=baselines,
        comparisons=rounded(compared),
        papers=papers,
        confidence=options.confidence,
        decimals=section.decimals,
        provenance=provenance,
        costs=cost,
        card=corpus_card.of_corpus(manifest, protocol, quarantine, licence, rates),
        watermark=mark,
        guards=verdicts.verdicts(judged),
        tried=tried,
        untried=untried,
        scorings=scorings,
        gates=study_files.gates(inputs.transcripts, params, study, entries, manifest),
        interactions=rounded(study_files.interactions(entries, inputs.predictions, inputs.robustness, manifest)),
        fit_published=[p for p in published if taught and (p["paper"], p["table"]) == distillation.TABLE_1],
        coverage=intervals.read_coverage(inputs.coverage) if inputs.coverage else [],
    )


def _rates(path: Path, params: str, manifest) -> list[dict]:
    """WER of the transcripts in a file that is named as its entry of ``transcripts:``."""
    from .transcripts import rates, table

    source = settings.read(params, f"transcripts.{path.stem}")
    found = rates.of_parts(manifest, table.read_transcripts(path), rates.is_english(source))
    return [{"source": path.stem, **row} for row in found]


def _trials(
    paths: list[Path], params: str, study_name: str, study: dict, entries: list
) -> tuple[list[dict], list[tuple[str, str, str]]]:
    """The results of the trials, in the study's order, and (trial, system, reason) of all that were not run.

    Raises
    ------
    UserError
        A file is not of this study, or was not computed from its CSV file.
    """
    from .conditions import config
    from .pages.study_files import read_json

    found = {}
    for path in paths:
        one = read_json(path)
        if one.get("study") != study_name or one["predictions_sha256"] != disk.sha256(path.with_suffix(".csv")):
            raise UserError(f"{path}: not of study '{study_name}' or not of its CSV file; run robustness again")
        found[one["trial"], one["system"]] = one
    untried = []
    for name, wanted in study.get("trials", {}).items():
        trial = config.load(name, params)
        elsewhere = [one for one in wanted if one not in study["systems"]]
        untried += [(trial.words, one, "not a system of this study") for one in elsewhere]
        for entry in entries:
            if (name, entry.name) not in found:
                asked = not wanted or entry.name in wanted
                why = "its job failed or was not run, see data/logs" if asked else "the study does not ask for it"
                untried.append((trial.words, entry.name, config.untried(trial, entry.row) or why))
    order = [(trial, entry.name) for entry in entries for trial in study.get("trials", {})]
    return [found[key] for key in order if key in found], untried


def _baselines(entries, wanted: str) -> dict[str, str]:
    """{metric: name} of the first system that has the metric and whose name or recipe is ``wanted``."""
    found: dict[str, str] = {}
    for entry in sorted(entries, key=lambda e: e.name != wanted):
        if wanted in (entry.name, entry.row.recipe):
            for metric in entry.metrics:
                found.setdefault(metric, entry.name)
    return found


def _pairs(entries, baselines: dict[str, str]) -> list[tuple[str, str]]:
    """Every system with the baseline and the controls without speech or text; systems of one paper with each other."""
    pairs = []
    present = [entry for entry in entries if entry.evaluation]
    for i, entry in enumerate(present):
        blind = [e.name for e in present if e.row.modality == "none"] if entry.row.modality != "none" else []
        others = [*baselines.values(), *blind]
        if entry.row.paper:
            others += [e.name for e in present[:i] if e.row.paper == entry.row.paper]
        pairs += [(entry.name, other) for other in others if other != entry.name]
    return list(dict.fromkeys(pairs))


def _drawn(entries, csvs: dict[str, Path], manifest, options) -> dict:
    from .metrics import summary
    from .metrics.predictions import read_predictions

    found: dict = {}
    for entry in entries:
        if entry.evaluation:
            predictions = read_predictions(csvs[entry.name])
            found[entry.name] = {m: summary.drawn(predictions, manifest, m, options) for m in entry.metrics}
    return found


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
