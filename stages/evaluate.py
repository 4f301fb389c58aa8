"""Check a system's predictions with the guards, and score them.

Reads the manifest, the protocol, the prediction files of all parts of a system, their models (for the course of the
trainings and for what each part has seen) and the encoders that we pretrained (for what they have seen); the settings
``evaluate`` and the system's encoders. Writes all predictions into one CSV file, and the figures over its test rows
into a JSON file, of all together and of each test part that the protocol names. A system is refused if one of its
parts has seen what it is tested on. With --ledger this scoring of the test part is counted there, one file per system
and set of predictions.
"""

import json
from pathlib import Path

from .config import settings
from .metrics.summary import Evaluate
from .runtime import disk, process
from .runtime.errors import UserError
from .runtime.reporting import log


def arguments(parser) -> None:
    parser.add_argument("--study", required=True)
    parser.add_argument("--system", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--protocol", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True, nargs="+", help="predictions of every part")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="models of every part")
    parser.add_argument("--pretrained", type=Path, nargs="*", default=[], help="its encoders that we pretrained")
    parser.add_argument("--encoders", nargs="*", default=[], help="its encoders with published weights, by name")
    parser.add_argument("--corpus", default="", help="name of the corpus, for what published weights have seen")
    parser.add_argument("--ledger", type=Path, help="folder that counts the scorings of this protocol's test part")
    parser.add_argument("--out-csv", type=Path, required=True, help="output: all predictions")
    parser.add_argument("--out-json", type=Path, required=True, help="output: the figures")


def main(args) -> None:
    from .guards import contamination, ledger
    from .guards.predictions import check_predictions
    from .metrics.breakdowns import details
    from .metrics.parts import of_parts
    from .metrics.predictions import merged, read_predictions, rounded
    from .metrics.soft import against_votes
    from .metrics.summary import summarise
    from .metrics.trainings import trainings
    from .protocols.splits import watermark
    from .protocols.table import load_split

    options = settings.load(Evaluate, "evaluate", args.params)
    process.use_threads(1)
    manifest, protocol = load_split(args.manifest, args.protocol)
    with disk.writing(args.out_csv) as temporary:
        merged(args.predictions).to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
        predictions = read_predictions(temporary)
        check_predictions(predictions, manifest, protocol, ", ".join(str(p) for p in args.predictions))
        seen = contamination.fitted_components(args.models, manifest, protocol)
        seen += contamination.pretrained_encoders(args.pretrained, predictions, manifest)
        sources = {name: settings.read(args.params, f"encoders.{name}.source") for name in args.encoders}
        seen += contamination.published_encoders(sources, args.corpus)
        metrics, notes = summarise(predictions, manifest, options)
        if not metrics:
            raise UserError(f"{args.predictions[0]}: there is no labelled test row to score; check the protocol")
        training = trainings(args.models) if args.models else None
        if training:
            notes += _cautions(training, args.system)
        parts = of_parts(predictions, manifest, protocol, options)
        leaks = dict.fromkeys(part["leak"] for part in seen if "leak" in part)
        if mark := "; ".join(filter(None, (watermark(protocol), *leaks))):
            metrics, parts = _marked(metrics, mark), {part: _marked(own, mark) for part, own in parts.items()}
        figures = {
            "study": args.study,
            "system": args.system,
            "predictions_sha256": disk.sha256(temporary),
            "options": options.model_dump(),
            "metrics": metrics,
            "parts": parts,
            "notes": notes,
            **details(predictions, manifest, options),
            "soft": against_votes(predictions, manifest, protocol),
            "training": training,
            "seen": seen,
        }
    with disk.writing(args.out_json) as temporary:
        temporary.write_text(json.dumps(rounded(figures), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    if args.ledger:
        ledger.enter(args.ledger, args.study, args.system, figures["predictions_sha256"])
    for part, own in {"": metrics, **parts}.items():
        for name, figure in own.items():
            log.info("%s %s %.4f", " ".join(filter(None, (args.system, part))), name, figure["pooled"])


def _marked(metrics: dict, mark: str) -> dict:
    return {name: figure | {"watermark": mark} for name, figure in metrics.items()}


def _cautions(training: dict, system: str) -> list[str]:
    """What a reader should know about the training of the models."""
    notes = []
    if training["capped"]:
        notes.append(
            f"{training['capped']} of {training['units']} trainings were still improving at the limit on epochs;"
            f" raise systems.{system}.epochs"
        )
    if training["unspelt"]:
        names = training["unspelt"]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        notes.append(
            f"{len(names)} training utterances have fewer frames than CTC needs for their words, and taught it nothing:"
            f" {', '.join(names[:3])}{more}"
        )
    if training["elsewhere"]:
        notes.append(
            f"predictions made elsewhere ({training['elsewhere']}): what they were trained and chosen on is not known"
            " here"
        )
    return notes


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
