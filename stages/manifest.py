"""Manifest: the table that later stages read, with the inventory's labels and ingest's measurements of the audio.

One row per usable utterance; columns: utterance, speaker, gender, session, duration, text, emotion, arousal, valence,
dominance, split, sha256 (of the samples), further columns of the reader, duplicate_of. quarantine.csv
lists excluded files and departures from the release; ratings.csv has the single raters of the usable utterances.
"""

import collections
import csv
from pathlib import Path

from .corpora import audio_table
from .corpora.manifest import DIMENSIONS, read_rows, write_manifest
from .corpora.ratings import RATING_COLUMNS
from .runtime import disk, process
from .runtime.errors import UserError
from .runtime.reporting import log

QUARANTINE = ("utterance", "file", "reason")


def arguments(parser) -> None:
    parser.add_argument("--corpus", required=True, help="name of the corpus, for messages")
    parser.add_argument("--labels", type=Path, required=True, help="input: labels.csv of the inventory")
    parser.add_argument("--texts", type=Path, required=True, help="input: texts.csv of the inventory")
    parser.add_argument("--ratings", type=Path, required=True, help="input: ratings.csv of the inventory")
    parser.add_argument("--departures", type=Path, required=True, help="input: departures.csv of the inventory")
    parser.add_argument("--audio", type=Path, required=True, help="input: audio.csv, as ingest writes it")
    parser.add_argument("--out", type=Path, required=True, help="output: manifest.csv")
    parser.add_argument("--out-quarantine", type=Path, required=True, help="output: what was left out, with reasons")
    parser.add_argument("--out-ratings", type=Path, required=True, help="output: ratings.csv of usable utterances")


def main(args) -> None:
    usable, refused = audio_table.read(args.audio)
    labels = _by_utterance(args.labels, ("utterance", "speaker", "gender", "emotion", *DIMENSIONS))
    texts = _by_utterance(args.texts, ("utterance", "text"))
    rows = []
    for row in usable:
        name = row["utterance"]
        if name not in labels or name not in texts:
            table = args.texts if name in labels else args.labels
            raise UserError(f"{table}: utterance {name} of {args.audio} is not in it; run ingest again")
        measured = {"duration": row["duration"], "sha256": row["sha256"], "duplicate_of": row["duplicate_of"]}
        rows.append(labels[name] | {"text": texts[name]["text"]} | measured)
    used = {row["utterance"] for row in usable}
    if gone := sorted(labels.keys() - used - {row["utterance"] for row in refused}):
        raise UserError(f"{args.audio}: utterance {gone[0]} of {args.labels} is not in it; run ingest again")
    ratings = [row for row in read_rows(args.ratings, RATING_COLUMNS, "inventory") if row["utterance"] in used]
    _write(args.out_ratings, RATING_COLUMNS, ratings)
    _write(args.out_quarantine, QUARANTINE, [*read_rows(args.departures, QUARANTINE, "inventory"), *refused])
    with disk.writing(args.out) as temporary:
        write_manifest(temporary, rows)
    for line in conflicts(rows):
        log.warning("%s: %s", args.corpus, line)
    classes = collections.Counter(row["emotion"] or "(none)" for row in rows)
    speakers = {row["speaker"] for row in rows} - {""}
    log.info("%s: %d utterances, %d speakers", args.corpus, len(rows), len(speakers))
    log.info("emotions: %s", ", ".join(f"{name} {n}" for name, n in sorted(classes.items())))


def conflicts(rows: list[dict]) -> list[str]:
    """Where the same audio is labelled in two ways: a line for each pair of utterances and what differs."""
    by_name = {row["utterance"]: row for row in rows}
    found = []
    for row in rows:
        if (other := by_name.get(row["duplicate_of"])) is None:
            continue
        both = [name for name in ("speaker", "gender", "emotion", *DIMENSIONS) if row[name] and other[name]]
        differ = [f"{name} {other[name]} and {row[name]}" for name in both if row[name] != other[name]]
        if differ:
            found.append(
                f"conflict: {other['utterance']} and {row['utterance']} are the same audio, but have "
                f"{', '.join(differ)}; correct one of them, or remove it from the corpus"
            )
    return found


def _by_utterance(path: Path, columns: tuple[str, ...]) -> dict[str, dict[str, str]]:
    return {row["utterance"]: row for row in read_rows(path, columns, "inventory")}


def _write(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with disk.writing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
