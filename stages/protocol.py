"""Protocol: which utterance trains, validates and tests in each fold, and its label after the protocol's merges.

The definitions are data (:mod:`stages.corpora.protocols`). Everything written is proven by the guards, and proven
again whenever a later stage reads the file. Columns: utterance, fold (from 1), role, reason (of ``out``), emotion
(empty where it is not one of the classes), group (what may not be divided, as ``speaker=03``), apart (what test may
not share with training or validation, as ``text=kids are talking``), leaks (what the protocol divides on purpose).
"""

import collections
from pathlib import Path

from stages import jobs
from stages.corpora.assignment import assign, departures
from stages.corpora.manifest import read_manifest
from stages.corpora.protocols import load
from stages.guards.splits import check_protocol, watermark


def arguments(parser) -> None:
    parser.add_argument("--corpus", required=True, help="name of an entry of corpora:")
    parser.add_argument("--protocol", required=True, help="name of an entry of protocols:")
    parser.add_argument("--manifest", type=Path, required=True, help="input: the corpus' manifest")
    parser.add_argument("--out", type=Path, required=True, help="output: the protocol's CSV")


def main(args) -> None:
    protocol = load(args.protocol, args.params)
    manifest = read_manifest(args.manifest)
    key = f"{args.params}: protocols.{args.protocol}"
    table = assign(protocol, manifest, key)
    check_protocol(manifest, table, f"protocols.{args.protocol} on corpus {args.corpus}")
    for row in departures(protocol, table, manifest, key):
        jobs.log.warning("%s: %d where %d are expected: %s", *(row[k] for k in ("what", "found", "expected", "reason")))
    for fold, rows in table.groupby("fold"):
        counts = collections.Counter(rows["role"])
        jobs.log.info("fold %d: %s", fold, ", ".join(f"{role} {n}" for role, n in sorted(counts.items())))
    out = table[table["role"] == "out"].drop_duplicates(["utterance", "reason"])
    for reason, rows in out.groupby("reason"):
        jobs.log.warning("%d utterances are out: %s", len(rows), reason)
    if mark := watermark(table):
        jobs.log.warning("%s: every result is marked: %s", args.protocol, mark)
    with jobs.writing(args.out) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


if __name__ == "__main__":
    jobs.run(main, __doc__, arguments)
