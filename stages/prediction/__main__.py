"""Predict audio files with a trained system, from a study that has run or from a bundle.

    python -m stages.prediction --study STUDY --system SYSTEM a.wav b.flac
    python -m stages.prediction --study STUDY --system SYSTEM --bundle FOLDER     write all it needs to a folder
    python -m stages.prediction --bundle FOLDER a.wav                             predict with it, anywhere

The models of all folds and seeds are averaged: class probabilities, or dimensions in the corpus' units. Files may
have any format that libsndfile reads and any rate. A file longer than ``features.batch_seconds`` is skipped, because a
label is for one utterance; --window cuts it. Each file that cannot be predicted is reported on one line of standard
error; all others are predicted, and the exit status is then 1.
"""

import csv
import io
import json
import logging
import sys
from itertools import chain
from pathlib import Path

from ..config import settings
from ..runtime import disk, process
from ..runtime.errors import UserError
from ..runtime.reporting import log


def arguments(parser) -> None:
    parser.add_argument("files", nargs="*", help="audio files")
    parser.add_argument("--study", help="a study that has run in this folder")
    parser.add_argument("--system", help="one of its systems")
    parser.add_argument("--fold", type=int, help="the models of this fold alone")
    parser.add_argument("--seed", type=int, help="the models of this seed alone")
    parser.add_argument("--bundle", type=Path, metavar="FOLDER", help="with --study: write it; else: predict with it")
    parser.add_argument(
        "--table",
        type=Path,
        help="in place of files: CSV with the column file (relative to the table), also speaker, text",
    )
    parser.add_argument("--one-speaker", action="store_true", help="one person speaks in all files")
    parser.add_argument("--text", action="append", default=[], help="transcript; once per file, in their order")
    parser.add_argument(
        "--window", type=float, default=0.0, help="cut files into equal pieces, so many seconds at most"
    )
    parser.add_argument("--json", action="store_true", help="JSON instead of CSV")
    parser.add_argument("--out", type=Path, help="output file, JSON if it ends so (default: standard output)")


def main(args) -> None:
    from . import bundle, clips, from_study

    study, chosen = bool(args.study and args.system), (args.params, args.study, args.system, args.fold, args.seed)
    if not study and (args.study or args.system or not args.bundle):
        raise UserError("no system; give --study and --system, or only --bundle FOLDER")
    if not study and (args.fold is not None or args.seed is not None):
        raise UserError("--fold, --seed: a bundle has a fixed set of models; use these with --study and --system")
    if study and args.bundle:
        if args.files or args.table:
            raise UserError("--bundle with --study writes the bundle; predict in a second call with only --bundle")
        write_bundle(args.bundle, from_study.of_study(*chosen))
        return
    asked = clips.requests(args.files, args.text, args.one_speaker, args.table)
    trained = from_study.of_study(*chosen) if study else bundle.read(args.bundle)
    refuse_unanswerable(trained, asked, args.window)
    refused: list[clips.Refused] = []
    usable = usable_clips(trained, asked, args.window, refused)
    first, rows = next(usable, None), []
    if first:  # else no clip needs the models
        predictor = opened(trained)
        if not study:
            bundle.check(args.bundle, predictor)
        rows = predicted(predictor, chain([first], usable), args.window)
    as_json = args.json or (args.out and args.out.suffix == ".json")
    text = json_text(trained, rows, refused) if as_json else csv_text(trained, rows)
    if not args.out:
        sys.stdout.write(text if rows or as_json else "")
    else:
        with disk.writing(args.out) as temporary:
            temporary.write_text(text, encoding="utf-8")
    for refusal in refused:
        print(f"error: {refusal.file}: {refusal.reason}", file=sys.stderr)
    sys.exit(1 if refused else 0)


def write_bundle(folder: Path, trained) -> None:
    """Write all that ``trained`` needs to ``folder``, and say its caveats."""
    from . import bundle

    bundle.write(folder, trained, opened(trained))
    print(f"{folder}: {trained.caveats}")


def opened(trained):
    """The predictor of a trained system, with the number of threads in its parameters."""
    from ..encoders.specs import Features

    section = settings.load(Features, "features", trained.params)
    process.use_threads(section.threads)  # before torch is imported
    from .predictor import Predictor

    return Predictor(trained, section)


def refuse_unanswerable(trained, asked: list, window: float) -> None:
    """Refuse requests that lack what the system needs.

    Raises
    ------
    UserError
        The system needs the speaker or the text, and a request has none.
    """
    row = trained.row
    if getattr(row, "normalise", "") == "speaker" and not all(request.speaker for request in asked):
        raise UserError(
            f"{trained.name}: normalises by speaker over all given files: add --one-speaker, or name speakers in"
            " the column 'speaker' of --table; give several utterances in different moods"
        )
    if row.needs_text and not all(request.text for request in asked):
        raise UserError(f"{trained.name}: reads words too: give --text for every file, or --table with a column 'text'")
    if row.needs_text and window:
        raise UserError(f"{trained.name}: reads words too, and a text belongs to a whole file: leave --window out")


def usable_clips(trained, asked: list, window: float, refused: list):
    """Yield the clips that can be predicted; add the others to ``refused``."""
    from .clips import Clip, Limits, clips

    values, longest = settings.read(trained.params, "ingest"), settings.read(trained.params, "features.batch_seconds")
    if not 0 <= window <= longest:
        raise UserError(f"--window: {window:g} is not between 0 and features.batch_seconds ({longest:g}); correct it")
    for clip in clips(asked, Limits(values["silence_peak"], values["min_seconds"], longest, window)):
        if isinstance(clip, Clip):
            yield clip
        else:
            refused.append(clip)


def predicted(predictor, usable, window: float) -> list[dict]:
    """A row for every clip; a warning for audio that the models were trained on."""
    from .trained_system import digest

    trained, rows = predictor.trained, []
    for chunk in predictor.chunks(usable):
        for clip, values in zip(chunk, predictor.predict(chunk), strict=True):
            if digest(clip.samples) in trained.seen:
                log.warning(
                    "%s: these models were trained on this audio, so this does not test them", clip.request.file
                )
            rows.append(_row(clip, dict(zip(trained.labels, values.tolist(), strict=True)), trained, window))
    return rows


def _row(clip, values: dict[str, float], trained, window: float) -> dict:
    row = {"file": clip.request.file}
    if window:
        row |= {"start": round(clip.start, 4), "end": round(clip.end, 4)}
    if trained.row.task == "emotion":
        row |= {"label": max(values, key=values.get), "probabilities": values}
    else:
        row |= {"dimensions": values}
    return row


def csv_text(trained, rows: list[dict]) -> str:
    """A line per clip: file, label and ``p_CLASS``, or the dimensions; the caveats end every line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for i, row in enumerate(rows):
        flat = {name: value for name, value in row.items() if not isinstance(value, dict)}
        flat |= {f"p_{name}": f"{value:.6g}" for name, value in row.get("probabilities", {}).items()}
        flat |= {name: f"{value:.6g}" for name, value in row.get("dimensions", {}).items()}
        flat |= {"caveats": trained.caveats}
        writer.writerows([flat.keys(), flat.values()] if i == 0 else [flat.values()])
    return text.getvalue()


def json_text(trained, rows: list[dict], refused: list) -> str:
    """One object: study, system, caveats, predictions, and the skipped files with reasons."""
    answer = {"study": trained.study, "system": trained.name, "caveats": trained.caveats, "predictions": rows}
    answer["refused"] = [{"file": refusal.file, "reason": refusal.reason} for refusal in refused]
    return json.dumps(answer, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    log.addFilter(lambda record: record.levelno > logging.INFO)  # predictions need no log of the run
    process.run(main, __doc__, arguments)
