"""One study's report: results with intervals and ceilings, paired comparisons, paper against ours, provenance.

Reads manifest, protocol, quarantine, the evaluations of the study's systems (JSON, each with its CSV beside it), what
``robustness`` found, the papers' figures; params ``report``, ``studies.STUDY``, its corpus and protocol,
``systems.SYSTEM`` of its systems and ``robustness.TRIAL`` of its trials.
Every result of a protocol that is declared leaky is marked. Writes into the folder --out:
metrics.json, table.csv, comparison.csv, results.md, results.tex, index.html, plots/*.csv.

With --show FOLDER it reads nothing but a finished report: prints its table, what differs from the last commit, and
whether this machine agrees with the committed figures; and it writes the overview page of all reports beside it.
"""

import json
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


def arguments(parser) -> None:
    parser.add_argument("--show", type=Path, metavar="FOLDER", help="only print the table of this finished report")
    parser.add_argument("--expected", type=Path, default=Path("data/expected.csv"), help="for --show")
    parser.add_argument("--study")
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--protocol", type=Path)
    parser.add_argument("--quarantine", type=Path, help="the files that ingest left out")
    parser.add_argument("--evaluations", type=Path, nargs="*", default=[], help="JSON files, each with its CSV beside")
    parser.add_argument("--robustness", type=Path, nargs="*", default=[], help="JSON files of trials, CSVs beside them")
    parser.add_argument("--extra", type=Path, help="extra.csv of the inventory, where the protocol names its columns")
    parser.add_argument("--transcripts", type=Path, help="the transcripts that systems read, for their error rates")
    parser.add_argument("--ceilings", type=Path, help="JSON: {modality: {metric: value}}")
    parser.add_argument("--published", type=Path, default=Path("data/published.csv"))
    parser.add_argument("--benchmarks", type=Path, nargs="*", default=[], help="Snakemake's benchmark files, if there")
    parser.add_argument("--ledger", type=Path, help="folder that counts the scorings of this protocol's test part")
    parser.add_argument("--coverage", type=Path, help="how often intervals hold the truth (tests/bench/coverage.py)")
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

    files.write(gather(args), _csvs(args), args.out)


def gather(args):
    """Everything of the report, as :class:`stages.pages.report_data.Contents`.

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
    from .pages import corpus_card, costs, study_facts
    from .pages.report_data import Contents
    from .protocols import config
    from .protocols.splits import watermark
    from .protocols.table import load_split

    section = settings.load(Report, "report", args.params)
    study = settings.read(args.params, f"studies.{args.study}")
    manifest, protocol = load_split(args.manifest, args.protocol)
    manifest = with_extra(manifest, args.extra)
    evaluations = _evaluations(args.evaluations, args.study, study["systems"])
    definition = config.load(study["protocol"], args.params)
    mark = watermark(protocol)
    entries = [_entry(args, study, name, evaluations.get(name)) for name in study["systems"]]
    options = next((e["options"] for e in evaluations.values()), None) or settings.read(args.params, "evaluate")
    options = settings.validate(Evaluate, options, "options", f"evaluations of {args.study}")
    baselines = _baselines(entries, options.baseline)
    drawn = _drawn(entries, _csvs(args), manifest, options)
    compared = comparison.compare(drawn, _pairs(entries, baselines), options.confidence)
    for entry in entries:
        for figure in entry.metrics.values() if mark else ():
            figure["watermark"] = mark
    published = comparison.read_published(args.published)
    ceilings = _read_json(args.ceilings) if args.ceilings else {}
    papers = comparison.against_papers(entries, published, study, section.reproduced_within)
    for row in papers:
        if mark and row["ours"] is not None:
            row["deviations"] = f"{mark}; {row['deviations']}"
    licence = readers.licence(settings.read(args.params, f"corpora.{study['corpus']}.reader"))
    quarantine, provenance = corpus_card.read_quarantine(args.quarantine), study_facts.provenance(study, entries, args)
    cost = costs.read(args.benchmarks)
    scorings = ledger.counts(args.ledger) if args.ledger else {}
    tried, untried = _trials(args, study, entries)
    found = verdicts.Study(
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
        transcripts=study["transcripts"],
        commit=dict(provenance)["Commit"],
        cost=costs.total(cost),
        tried=tried,
        scorings={name: count for (own, name), count in scorings.items() if own == args.study},
    )
    return Contents(
        study=args.study,
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
        card=corpus_card.of_corpus(manifest, protocol, quarantine, licence, _rates(args, study, manifest)),
        watermark=mark,
        guards=verdicts.verdicts(found),
        tried=tried,
        untried=untried,
        scorings=scorings,
        coverage=intervals.read_coverage(args.coverage) if args.coverage else [],
    )


def _rates(args, study: dict, manifest) -> list[dict]:
    """WER of the study's transcripts; none where no system reads them."""
    from .transcripts import rates, table

    if not args.transcripts:
        return []
    source = settings.read(args.params, f"transcripts.{study['transcripts']}")
    return rates.of_parts(manifest, table.read_transcripts(args.transcripts), rates.is_english(source))


def _csvs(args) -> dict[str, Path]:
    """The predictions of every system, beside its evaluation."""
    return {path.stem: path.with_suffix(".csv") for path in args.evaluations}


def _read_json(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the stage that makes it") from None
    except ValueError as fault:
        raise UserError(f"{path}: not valid JSON ({fault}); delete it and run again") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: not a JSON object; delete it and run again")
    return found


def _evaluations(paths: list[Path], study: str, systems: list[str]) -> dict[str, dict]:
    found: dict[str, dict] = {}
    for path in paths:
        if path.suffix != ".json":
            raise UserError(f"{path}: --evaluations takes the JSON files; the CSV beside each is read too")
        one = _read_json(path)
        if one.get("study") != study or one.get("system") not in systems:
            raise UserError(
                f"{path}: holds system '{one.get('system')}' of study '{one.get('study')}', which is not in study "
                f"'{study}'; leave it out or evaluate anew"
            )
        if one["predictions_sha256"] != disk.sha256(path.with_suffix(".csv")):
            raise UserError(
                f"{path.with_suffix('.csv')}: not the predictions that {path.name} was computed from; evaluate anew"
            )
        found[one["system"]] = one
    options = {json.dumps(one["options"], sort_keys=True) for one in found.values()}
    if len(options) > 1:
        raise UserError(
            f"evaluations of {study}: made with different settings of 'evaluate'; evaluate all of them anew"
        )
    return found


def _trials(args, study: dict, entries: list) -> tuple[list[dict], list[tuple[str, str, str]]]:
    """What was tried, in the study's order, and of every trial the systems that were not, with the reason."""
    from .conditions import config as trials

    found = {}
    for path in args.robustness:
        one = _read_json(path)
        if one.get("study") != args.study or one["predictions_sha256"] != disk.sha256(path.with_suffix(".csv")):
            raise UserError(f"{path}: not of study '{args.study}' and of the CSV beside it; run robustness anew")
        found[one["trial"], one["system"]] = one
    untried = []
    for name, wanted in study.get("trials", {}).items():
        trial = trials.load(name, args.params)
        elsewhere = [one for one in wanted if one not in study["systems"]]
        untried += [(trial.words, one, "not a system of this study") for one in elsewhere]
        for entry in entries:
            if (name, entry.name) not in found:
                asked = not wanted or entry.name in wanted
                why = "its job failed or was not run, see data/logs" if asked else "the study does not ask for it"
                untried.append((trial.words, entry.name, trials.untried(trial, entry.row) or why))
    order = [(name, entry.name) for entry in entries for name in study.get("trials", {})]
    return [found[key] for key in order if key in found], untried


def _entry(args, study: dict, name: str, evaluation: dict | None):
    from .pages.report_data import Entry
    from .recipes import system_config

    row = system_config.load(args.params, args.study, name)
    plain = settings.read(args.params, f"systems.{name}")
    own = {}
    for kind, wanted in row.encoders().items():
        spec = {} if wanted == "study" else settings.read(args.params, f"encoders.{wanted}")
        own[kind] = system_config.encoder(study, wanted, kind, spec)
    changes = study["changes"].get(name, {})
    deviations = [f"{key} {value} for {plain[key]}" for key, value in changes.items() if value != plain[key]]
    missing = "" if evaluation else "its evaluation was not made; its job failed or was not run, see data/logs"
    return Entry(name, row, own, deviations, evaluation, missing)


def _baselines(entries, wanted: str) -> dict[str, str]:
    """{metric: name} of the first system that has the metric and whose name or recipe is ``wanted``."""
    found: dict[str, str] = {}
    for entry in sorted(entries, key=lambda e: e.name != wanted):
        if wanted in (entry.name, entry.row.recipe):
            for metric in entry.metrics:
                found.setdefault(metric, entry.name)
    return found


def _pairs(entries, baselines: dict[str, str]) -> list[tuple[str, str]]:
    """Every system with the baseline and with the controls that hear nothing, and those of one paper together."""
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
