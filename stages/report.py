"""One study's report: results with intervals and ceilings, paired comparisons, paper against ours, provenance.

Reads manifest, protocol, quarantine, the evaluations of the study's systems (JSON, each with its CSV beside it), the
papers' figures; params ``report``, ``studies.STUDY``, its corpus and protocol, and ``systems.SYSTEM`` of its systems.
Every result of a protocol that is declared leaky is marked. Writes into the folder --out:
metrics.json, table.csv, comparison.csv, results.md, index.html, plots/*.csv.

With --show FOLDER it reads nothing but a finished report: prints its table and whether this machine agrees with the
committed figures.
"""

import csv
import json
from pathlib import Path

from stages import jobs, settings
from stages.errors import UserError
from stages.settings import Section, setting

TABLE = (
    *("study", "system", "paper", "table", "row", "modality", "metric"),
    *("pooled", "fold_mean", "seed_sd", "ci_low", "ci_high", "n_utterances", "n_speakers", "n_seeds", "ceiling"),
    *("baseline", "difference", "difference_low", "difference_high", "p_holm", "outcome", "missing", "watermark"),
)


class Report(Section):
    """How results are shown and judged."""

    decimals: int = setting(1, "decimals of percentages; CCC gets two more", ge=0, le=4)
    reproduced_within: float = setting(
        0.01, "a figure no further than this from the paper's, inside the interval, is reproduced", gt=0, lt=1
    )


def arguments(parser) -> None:
    parser.add_argument("--show", type=Path, metavar="FOLDER", help="only print the table of this finished report")
    parser.add_argument("--expected", type=Path, default=Path("data/expected.csv"), help="for --show")
    parser.add_argument("--study")
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--protocol", type=Path)
    parser.add_argument("--quarantine", type=Path, help="the files that ingest left out")
    parser.add_argument("--evaluations", type=Path, nargs="*", default=[], help="JSON files, each with its CSV beside")
    parser.add_argument("--ceilings", type=Path, help="JSON: {modality: {metric: value}}")
    parser.add_argument("--published", type=Path, default=Path("data/published.csv"))
    parser.add_argument("--benchmarks", type=Path, nargs="*", default=[], help="Snakemake's benchmark files")
    parser.add_argument("--out", type=Path, help="output: the report's folder")


def main(args) -> None:
    if args.show:
        from stages.pages import terminal

        terminal.show(args.show, args.expected)
        return
    for name in ("study", "manifest", "protocol", "out"):
        if getattr(args, name) is None:
            raise UserError(f"stages.report: --{name}: missing; give it, or --show FOLDER alone")
    contents = gather(args)
    write(contents, _csvs(args), args.out)


def gather(args):
    """Everything of the report, as :class:`stages.pages.contents.Contents`.

    Raises
    ------
    UserError
        An evaluation is not of this study, not readable, or was made with other settings than the rest.
    """
    from stages.corpora import protocols, readers
    from stages.corpora.manifest import load_split
    from stages.guards.splits import watermark
    from stages.metrics import comparison
    from stages.metrics.predictions import rounded
    from stages.metrics.summary import Evaluate
    from stages.pages import card, facts
    from stages.pages.contents import Contents

    section = settings.load(Report, "report", args.params)
    study = settings.read(args.params, f"studies.{args.study}")
    manifest, protocol = load_split(args.manifest, args.protocol)
    evaluations = _evaluations(args.evaluations, args.study, study["systems"])
    definition = protocols.load(study["protocol"], args.params)
    mark = watermark(protocol)
    entries = [_entry(args, study, name, evaluations.get(name)) for name in study["systems"]]
    options = next((e["options"] for e in evaluations.values()), Evaluate.shipped())
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
    return Contents(
        study=args.study,
        facts=facts.of_study(study, definition, manifest, protocol, entries),
        entries=entries,
        ceilings=rounded(ceilings),
        baselines=baselines,
        comparisons=rounded(compared),
        papers=papers,
        confidence=options.confidence,
        decimals=section.decimals,
        provenance=facts.provenance(study, entries, args),
        benchmarks=facts.benchmarks(args.benchmarks),
        card=card.of_corpus(manifest, protocol, card.read_quarantine(args.quarantine), licence),
        watermark=mark,
    )


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
        found[one["system"]] = one
    options = {json.dumps(one["options"], sort_keys=True) for one in found.values()}
    if len(options) > 1:
        raise UserError(
            f"evaluations of {study}: made with different settings of 'evaluate'; evaluate all of them anew"
        )
    return found


def _entry(args, study: dict, name: str, evaluation: dict | None):
    from stages.pages.contents import Entry
    from stages.recipes import system

    row = system.load(args.params, args.study, name)
    plain = settings.read(args.params, f"systems.{name}")
    used = {}
    if {"speech", "speech-weights"} & set(row.files()):
        used["speech"] = row.speech
    if {"text", "text-weights"} & set(row.files()):
        used["text"] = row.text
    if beside := getattr(row, "beside", ""):
        used["beside"] = beside
    own = {
        kind: wanted if kind == "beside" or (wanted != "study" and not study["substitute"]) else study[kind]
        for kind, wanted in used.items()
    }
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
    from stages.metrics import summary
    from stages.metrics.predictions import read_predictions

    found: dict = {}
    for entry in entries:
        if entry.evaluation:
            predictions = read_predictions(csvs[entry.name])
            found[entry.name] = {m: summary.drawn(predictions, manifest, m, options) for m in entry.metrics}
    return found


def write(contents, csvs: dict[str, Path], folder: Path) -> None:
    """All files of the report."""
    from stages.metrics.comparison import COMPARISON
    from stages.pages import markdown, page, plots

    metrics = {entry.name: entry.metrics for entry in contents.entries if entry.evaluation}
    with jobs.writing(folder / "metrics.json") as temporary:
        temporary.write_text(json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    _write_csv(folder / "table.csv", TABLE, _table(contents))
    _write_csv(folder / "comparison.csv", COMPARISON, contents.papers)
    with jobs.writing(folder / "results.md") as temporary:
        temporary.write_text(markdown.results(contents), encoding="utf-8")
    plots.write(contents, csvs, folder / "plots")
    with jobs.writing(folder / "index.html") as temporary:
        temporary.write_text(page.html(contents), encoding="utf-8")


def _table(contents) -> list[dict]:
    from stages.pages.figures import ceiling

    rows = []
    for entry in contents.entries:
        row = entry.row
        base = {"study": contents.study, "system": entry.name, "paper": row.paper, "table": row.table, "row": row.row}
        base |= {"modality": row.modality, "missing": entry.missing}
        if not entry.evaluation:
            rows.append(base)
        for metric, figure in entry.metrics.items():
            found = contents.against_baseline(entry.name, metric) or {}
            baseline = contents.baselines.get(metric, "")
            rows.append(
                base
                | figure
                | {"metric": metric, "ceiling": ceiling(contents.ceilings, row.modality, metric)}
                | {"baseline": baseline if baseline != entry.name else "", "difference": found.get("difference")}
                | {"difference_low": found.get("ci_low"), "difference_high": found.get("ci_high")}
                | {"p_holm": found.get("p_holm"), "outcome": found.get("outcome", "")}
            )
    return rows


def _write_csv(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    def cell(value) -> str:
        return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)

    with jobs.writing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([cell(row.get(name)) for name in columns] for row in rows)


if __name__ == "__main__":
    jobs.run(main, __doc__, arguments)
