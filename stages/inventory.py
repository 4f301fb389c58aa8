"""Inventory: list a raw corpus as its reader reads it; an open corpus that is missing is downloaded.

A corpus has six tables: files.csv (path below the corpus' folder, bytes, SHA-256), labels.csv, texts.csv, extra.csv
(what a user's own table has beyond the manifest's columns), ratings.csv and departures.csv. They have a canonical
form, so a table changes only if its content does; unchanged files are not opened again. An encoder's folder or
Whisper's weights have one table of files. Snakemake updates all inventories whenever it starts.
"""

from pathlib import Path

from .config import settings
from .corpora import readers
from .raw_inputs import inventories, names
from .runtime import process
from .runtime.errors import UserError
from .runtime.reporting import log


def arguments(parser) -> None:
    entry = parser.add_mutually_exclusive_group(required=True)
    entry.add_argument("--corpus", help="name of an entry of corpora:")
    entry.add_argument("--encoder", help="name of an entry of encoders: whose source is a folder")
    entry.add_argument("--source", help="name of an entry of transcripts: of the kind whisper")
    parser.add_argument("--root", type=Path, default=names.ROOT, help=f"folder of all inventories: {names.ROOT}")


def main(args) -> None:
    kinds = zip(names.KINDS, (args.corpus, args.encoder, args.source), strict=True)
    kind, name = next((kind, name) for kind, name in kinds if name)
    values = settings.read(args.params, f"{kind}.{name}")
    if kind == names.CORPORA:
        readers.fetched(readers.checked(values, name, args.params), name)
    elif not (names.is_local(values) if kind == names.ENCODERS else names.hears(values)):
        raise UserError(f"{kind}.{name}: reads no local files, so it has no inventory; name another entry")
    changed = inventories.update(kind, name, values, args.root, args.params)
    log.info("changed: %s", ", ".join(changed) or "nothing")


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
