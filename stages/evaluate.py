"""Prove the guards on a system's predictions and score them.

Reads manifest, protocol, the prediction files of all parts of a system, their models (for how the trainings went and
what their parts saw) and the encoders that we pretrained (for what they heard); params ``evaluate`` and the system's
encoders. Writes all its predictions in one file (CSV) and its figures over the test rows (JSON), computed from that
very file; a system of which a part saw what it is tested on is refused. With --ledger this scoring of the test part is
counted there, one file per system and set of predictions.
"""

import json
from pathlib import Path

from stages import jobs, settings
from stages.errors import UserError
from stages.metrics.summary import Evaluate


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
    from stages.corpora.manifest import load_split
    from stages.guards import contamination, ledger
    from stages.guards.predictions import check_predictions
    from stages.guards.splits import watermark
    from stages.metrics.details import details
    from stages.metrics.predictions import merged, read_predictions, rounded
    from stages.metrics.soft import against_votes
    from stages.metrics.summary import summarise
    from stages.metrics.trainings import trainings

    options = settings.load(Evaluate, "evaluate", args.params)
    jobs.use_threads(1)
    manifest, protocol = load_split(args.manifest, args.protocol)
    with jobs.writing(args.out_csv) as temporary:
        merged(args.predictions).to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
        predictions = read_predictions(temporary)
        check_predictions(predictions, manifest, protocol, ", ".join(str(p) for p in args.predictions))
        seen = contamination.fitted_parts(args.models, manifest, protocol)
        seen += contamination.pretrained_encoders(args.pretrained, predictions, manifest)
        sources = {name: settings.read(args.params, f"encoders.{name}.source") for name in args.encoders}
        seen += contamination.published_encoders(sources, args.corpus)
        metrics, notes = summarise(predictions, manifest, options)
        if not metrics:
            raise UserError(f"{args.predictions[0]}: no labelled test row, so nothing to score; check the protocol")
        training = trainings(args.models) if args.models else None
        if training and training["capped"]:
            notes.append(
                f"{training['capped']} of {training['units']} trainings were still improving at the limit on epochs;"
                f" raise systems.{args.system}.epochs"
            )
        if training and training["elsewhere"]:
            notes.append(
                f"predictions made elsewhere ({training['elsewhere']}): what they were trained and chosen on is not"
                " known here"
            )
        if mark := watermark(protocol):
            metrics = {name: figure | {"watermark": mark} for name, figure in metrics.items()}
        figures = {
            "study": args.study,
            "system": args.system,
            "predictions_sha256": jobs.sha256(temporary),
            "options": options.model_dump(),
            "metrics": metrics,
            "notes": notes,
            **details(predictions, manifest, options),
            "soft": against_votes(predictions, manifest, protocol),
            "training": training,
            "seen": seen,
        }
    with jobs.writing(args.out_json) as temporary:
        temporary.write_text(json.dumps(rounded(figures), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    if args.ledger:
        ledger.enter(args.ledger, args.study, args.system, figures["predictions_sha256"])
    for name, figure in metrics.items():
        jobs.log.info("%s %s %.4f", args.system, name, figure["pooled"])


if __name__ == "__main__":
    jobs.run(main, __doc__, arguments)
