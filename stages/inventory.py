"""Inventory: what there is of a raw corpus, as its reader reads it; an open corpus that is not there is downloaded.

Of a corpus six tables: files.csv (path below the corpus' folder, bytes, SHA-256), labels.csv, texts.csv, extra.csv
(what a user's own table has beyond the manifest's columns), ratings.csv and departures.csv. They are in canonical form,
so what changes nothing that is read changes no table; files that were not touched are not opened again. Of an encoder's
folder, or of Whisper's weights, one table of files. Snakemake brings all of them up to date whenever it starts.
"""

from pathlib import Path

from .config import settings
from .corpora import readers
from .raw_inputs import inventories, names
from .runtime import process
from .runtime.errors import UserError
from .runtime.reporting import log


def arguments(parser) -> None:
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument("--corpus", help="name of an entry of corpora:")
    of.add_argument("--encoder", help="name of an entry of encoders: whose source is a folder")
    of.add_argument("--source", help="name of an entry of transcripts: of the kind whisper")
    parser.add_argument("--root", type=Path, default=names.ROOT, help=f"folder of all inventories: {names.ROOT}")


def main(args) -> None:
    kinds = zip(names.KINDS, (args.corpus, args.encoder, args.source), strict=True)
    kind, name = next((kind, name) for kind, name in kinds if name)
    values = settings.read(args.params, f"{kind}.{name}")
    if kind == names.CORPORA:
        readers.fetched(readers.checked(values, name, args.params), name)
    elif not (names.is_local(values) if kind == names.ENCODERS else names.hears(values)):
        raise UserError(f"{kind}.{name}: reads no files of this disk, so it has no inventory")
    changed = inventories.update(kind, name, values, args.root, args.params)
    log.info("changed: %s", ", ".join(changed) or "nothing")


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
