"""The report as one self-contained page."""

from . import corpus_card, importance, robustness, trust, widgets
from .number_format import TITLES, ceiling, interval, shown
from .report_data import Contents, Entry
from .style import CSS
from .widgets import Cell, number, text


def html(report: Contents) -> str:
    """The whole page: nothing in it is fetched from anywhere."""
    sections = [
        _results(report),
        _comparisons(report),
        _confusions(report),
        importance.html(report),
        _papers(report),
        _behind(report),
        robustness.html(report),
        corpus_card.html(report.card) if report.card else "",
        _notes(report),
        trust.guards(report),
        _provenance(report),
    ]
    mark = ' class="leaky"' if report.watermark else ""
    banner = f'<p class="banner"><strong>{text(report.watermark.capitalize())}.</strong> Every result below is marked: '
    banner += "it says how much such a split inflates, and nothing of speech that is new.</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Study {text(report.study)} · Serpentine</title><style>{CSS}</style></head><body{mark}><main>"
        f'<h1>Study {text(report.study)}</h1><p class="soft">Speech emotion recognition, made by Serpentine</p>'
        f"{banner if report.watermark else ''}"
        f"{widgets.facts(report.facts)}{''.join(sections)}</main></body></html>\n"
    )


def _scored(report: Contents, metrics: list[str]) -> list[Entry]:
    return [entry for entry in report.entries if set(metrics) & set(entry.metrics)]


def _name(report: Contents, entry: Entry) -> Cell:
    tags = f' <span class="tag">{entry.tag}</span>' if entry.tag else ""
    tags += ' <span class="tag leak">leaky</span>' if report.watermark else ""
    return Cell(text(entry.name) + tags)


def _results(report: Contents) -> str:
    out = f"<h2>Results</h2><p>{text(report.caption)}</p>{trust.coverage(report)}"
    for title, metrics in report.groups:
        figures = "".join(_strips(report, metric) for metric in metrics)
        out += f'<h3>{text(title)}</h3><div class="grid">{figures}</div>'
        header, rows, kinds = ["System", "sees", "paper"], [], []
        for metric in metrics:
            header += [TITLES[metric], "interval", "sd of seeds", "fold mean", "ceiling", "vs baseline"]
        for entry in _scored(report, metrics):
            row = [_name(report, entry), entry.row.modality, _where(entry)]
            for metric in metrics:
                row += _figures(report, entry, metric)
            rows.append(row)
            kinds.append("control" if entry.tag == "control" else "")
        body = widgets.table(header, rows, kinds)
        out += f"<details><summary>All figures: {text(title.lower())}</summary>{body}</details>"
    missing = [
        [entry.name, _where(entry), Cell(text(entry.missing), "wide")] for entry in report.entries if entry.missing
    ]
    if missing:
        out += "<h3>Missing</h3>" + widgets.table(["System", "paper", "why"], missing)
    return out


def _where(entry: Entry) -> str:
    row = entry.row
    return f"{row.paper}, table {row.table}: {row.row}" if row.paper else "–"


def _strips(report: Contents, metric: str) -> str:
    rows = []
    for entry in _scored(report, [metric]):
        figure = entry.metrics[metric]
        mark = report.outcome(entry.name, metric)
        rows.append(
            {
                "name": f"{report.named(entry.name)}\u00a0{mark}" if mark else report.named(entry.name),
                "control": entry.tag == "control",
                "value": figure["pooled"],
                "low": figure["ci_low"],
                "high": figure["ci_high"],
                "ceiling": ceiling(report.ceilings, entry.row.modality, metric),
            }
        )
    return widgets.strips(metric, rows, report.decimals, report.confidence)


def _figures(report: Contents, entry: Entry, metric: str) -> list[Cell]:
    figure = entry.metrics.get(metric)
    if figure is None:
        return [number("–")] * 6

    def one(value) -> Cell:
        return number(shown(metric, value, report.decimals))

    bounds = number(interval(metric, figure["ci_low"], figure["ci_high"], report.decimals))
    highest = ceiling(report.ceilings, entry.row.modality, metric)
    compared = report.against_baseline(entry.name, metric)
    against = _outcome(report, compared) if compared else number("–")
    return [one(figure["pooled"]), bounds, one(figure["seed_sd"]), one(figure["fold_mean"]), one(highest), against]


def _outcome(report: Contents, row: dict) -> Cell:
    if row["note"]:
        return Cell(text(row["note"]), "wide")
    value = shown(row["metric"], row["difference"], report.decimals, True)
    return Cell(f'{value} <span class="{row["outcome"]}">{row["outcome"]}</span>', "n")


def _comparisons(report: Contents) -> str:
    if not report.comparisons:
        return ""
    share = f"{100 * report.confidence:g} %"
    out = (
        "<h2>Differences</h2><p>Each system minus another on identical test utterances, the same speakers drawn for "
        "both. "
        f"A difference counts where its Holm-corrected p-value is below {1 - report.confidence:.2g}; else it is a tie. "
        "<em>Detectable</em>: the difference that such a comparison would find four times in five.</p>"
    )
    titles = {True: "Against the baseline", False: "Against the controls that hear nothing, and within a paper"}
    for base, title in titles.items():
        rows = []
        for row in report.comparisons:
            if (report.baselines.get(row["metric"]) == row["other"]) != base:
                continue
            metric = row["metric"]
            cells = [report.named(row["system"]), report.named(row["other"]), TITLES[metric]]
            if row["note"]:
                cells += [number("–")] * 4 + [Cell(text(row["note"]), "wide")]
            else:
                cells += [
                    number(shown(metric, row["difference"], report.decimals, True)),
                    number(interval(metric, row["ci_low"], row["ci_high"], report.decimals, True)),
                    number(f"{row['p_holm']:.3f}"),
                    number(shown(metric, row["detectable"], report.decimals)),
                    Cell(f'<span class="{row["outcome"]}">{row["outcome"]}</span>'),
                ]
            rows.append(cells)
        if rows:
            header = ["System", "minus", "metric", "difference", f"{share} interval", "p", "detectable", "outcome"]
            body = widgets.table(header, rows)
            out += f"<h3>{title}</h3>{body}" if base else f"<details><summary>{title}</summary>{body}</details>"
    return out


def _confusions(report: Contents) -> str:
    found = [e for e in report.entries if e.evaluation and e.evaluation.get("confusion")]
    if not found:
        return ""
    figures = "".join(widgets.confusion(report.named(e.name), **e.evaluation["confusion"]) for e in found)
    return (
        "<h2>Confusions</h2><p>Rows are the truth, columns the predictions, in percent of each row; all test rows of "
        f'all seeds.</p><div class="grid small">{figures}</div>'
    )


def _papers(report: Contents) -> str:
    if not report.papers:
        return ""
    rows, before = [], None
    for row in report.papers:
        metric = row["metric"]
        named = (f"{row['paper']}, table {row['table']}: {row['row']}", row["corpus"], row["deviations"])
        name, corpus, deviations = named if named != before else ("", "", "")  # said once for all metrics of a row
        before = named
        rows.append(
            [
                Cell(text(name), "wrapped"),
                corpus,
                TITLES[metric],
                number(shown(metric, row["published"], report.decimals)),
                number(shown(metric, row["ours"], report.decimals)),
                number(interval(metric, row["ci_low"], row["ci_high"], report.decimals)),
                row["verdict"],
                Cell(text(deviations), "wide"),
            ]
        )
    header = ["Paper's row", "its corpus", "metric", "published", "ours", "interval", "verdict", "what differs"]
    return (
        "<h2>Paper against ours</h2><p>A verdict is given only where corpus, protocol and encoders are the paper's; "
        "elsewhere the figures stand side by side as <em>substitute</em> and say nothing about the paper.</p>"
        + widgets.table(header, rows)
    )


def _behind(report: Contents) -> str:
    """Per fold, per sex, per speaker, per length, soft labels, and calibration."""
    folds, sexes, speakers, lengths, dimensions, soft, curves = [], [], [], [], [], [], ""
    for entry in report.entries:
        found = entry.evaluation
        if not found:
            continue
        name = report.named(entry.name)
        for metric in [m for m in ("uar", "ccc_arousal", "ccc_valence", "ccc_dominance", "wer") if m in entry.metrics]:
            values = [shown(metric, row.get(metric), report.decimals) for row in found["folds"]]
            folds.append([name, TITLES[metric], "  ".join(values)])
            both = [found["gender"].get(sex, {}).get(metric) for sex in ("female", "male")]
            sexes.append([name, TITLES[metric], *(number(shown(metric, v, report.decimals)) for v in both)])
            spread = found["speakers"].get(metric)
            if spread:
                worst, best = (shown(metric, spread[end], report.decimals) for end in ("worst", "best"))
                speakers.append([name, TITLES[metric], f"{worst} ({spread['worst_speaker']})", best, spread["n"]])
        for metric, tenths in found["lengths"].items():
            if tenths:
                values = "  ".join(shown(metric, one[metric], report.decimals) for one in tenths)
                seconds = "  ".join(f"{one['seconds']:.1f}" for one in tenths)
                lengths.append([name, TITLES[metric], values, tenths[0]["n_utterances"], seconds])
        for dimension, own in found["dimensions"].items():
            values = [own["rho"], own["c_b"], own["bias"], own["slope"]]
            dimensions.append([name, dimension, *(number("–" if v is None else f"{v:.3f}") for v in values)])
        if own := found.get("soft"):
            soft.append(
                [name, *(number(f"{own[k]:.3f}") for k in ("predicted", "chosen")), number(f"{own['n_utterances']:,}")]
            )
        if found["calibration"]:
            curves += widgets.reliability(name, found["calibration"]["plain"])
    out = "<h2>Behind the figures</h2>"
    tables = (
        ("Per fold", ["System", "metric", "folds in order"], folds),
        ("Per sex", ["System", "metric", "female", "male"], sexes),
        ("Per speaker", ["System", "metric", "worst", "best", "speakers"], speakers),
        ("Per length", ["System", "metric", "tenths, shortest first", "of", "up to, s"], lengths),
        ("Parts of the CCC (rho times C_b)", ["System", "dimension", "rho", "C_b", "bias", "slope"], dimensions),
        (
            "Soft labels: divergence from the raters' votes (Jensen-Shannon, 0 is the same)",
            ["System", "of the probabilities", "of the chosen class alone", "test utterances"],
            soft,
        ),
    )
    for title, header, rows in tables:
        if rows:
            out += f"<details><summary>{title}</summary>{widgets.table(header, rows)}</details>"
    if curves:
        found = {report.named(e.name): e.evaluation["calibration"] for e in report.entries if e.evaluation}
        scaled = [
            [
                name,
                *(number(f"{own[kind][what]:.3f}") for what in ("ece", "brier") for kind in ("plain", "scaled")),
                number(" to ".join(f"{t:.2f}" for t in own["temperature"])),
            ]
            for name, own in found.items()
            if own
        ]
        header = ["System", "ECE", "ECE, scaled", "Brier", "Brier, scaled", "temperature"]
        out += (
            '<details><summary>Calibration</summary><p class="soft">Accuracy against confidence over the test rows; '
            "the temperature is fitted on the validation rows of each fold and seed.</p>"
            f'{widgets.table(header, scaled)}<div class="grid small">{curves}</div></details>'
        )
    return out


def _notes(report: Contents) -> str:
    notes: dict[str, list[str]] = {}
    for entry in report.entries:
        for note in entry.evaluation["notes"] if entry.evaluation else ():
            notes.setdefault(note, []).append(entry.name)
        if entry.evaluation and getattr(entry.row, "normalise", "") == "speaker":
            notes.setdefault("Normalised per speaker, test speakers by their own recordings: transductive.", []).append(
                entry.name
            )
    if report.ceilings:
        notes["An audio system that recognises words may pass the ceiling of prosody alone."] = []
    if not notes:
        return ""
    count = sum(1 for entry in report.entries if entry.evaluation)
    lines = ""
    for note, systems in notes.items():
        whose = "" if not systems else " (all systems)" if len(systems) == count else f" ({', '.join(systems)})"
        lines += f'<li>{text(note)}<span class="soft">{text(whose)}</span></li>'
    return f"<h2>Notes</h2><ul>{lines}</ul>"


def _provenance(report: Contents) -> str:
    return f"<h2>Provenance</h2>{widgets.facts(report.provenance)}{trust.spent(report)}"
