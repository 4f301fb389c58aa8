"""Protocol: which utterance trains, validates and tests in each fold, and its label after the protocol's merges.

The definitions are data (:mod:`stages.protocols.config`). The guards check the output, and check it
again whenever a later stage reads the file. Columns: utterance, fold (from 1), role, reason (of ``out``), emotion
(empty where it is not one of the classes), group (what may not be divided, as ``speaker=03``), apart (the values that
test may not share with training or validation, as ``text=kids are talking``), leaks (what the
protocol divides on purpose), part (the name of the test part that a row is in, if it has one).
"""

import collections
from pathlib import Path

from .config import settings
from .corpora.manifest import read_manifest, with_extra
from .protocols.assignment import assign, departures
from .protocols.config import load
from .protocols.splits import check_protocol, watermark
from .runtime import disk, process
from .runtime.reporting import log


def arguments(parser) -> None:
    parser.add_argument("--corpus", required=True, help="name of an entry of corpora:")
    parser.add_argument("--protocol", required=True, help="name of an entry of protocols:")
    parser.add_argument("--manifest", type=Path, required=True, help="input: the corpus' manifest")
    parser.add_argument(
        "--extra", type=Path, help="input: extra.csv of the inventory, for columns beyond the manifest's"
    )
    parser.add_argument("--out", type=Path, required=True, help="output: the protocol's CSV")


def main(args) -> None:
    protocol = load(args.protocol, args.params)
    manifest = with_extra(read_manifest(args.manifest), args.extra)
    key = f"{settings.named(args.params)}: protocols.{args.protocol}"
    table = assign(protocol, manifest, key)
    check_protocol(manifest, table, f"protocols.{args.protocol} on corpus {args.corpus}")
    for row in departures(protocol, table, manifest, key):
        log.warning("%s: %d found, %d expected: %s", *(row[k] for k in ("what", "found", "expected", "reason")))
    for fold, rows in table.groupby("fold"):
        counts = collections.Counter(rows["role"])
        log.info("fold %d: %s", fold, ", ".join(f"{role} {n}" for role, n in sorted(counts.items())))
    out = table[table["role"] == "out"].drop_duplicates(["utterance", "reason"])
    for reason, rows in out.groupby("reason"):
        log.warning("%d utterances are excluded: %s", len(rows), reason)
    if mark := watermark(table):
        log.warning("%s: every result is marked: %s", args.protocol, mark)
    with disk.writing(args.out) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
