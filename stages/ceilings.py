"""The scores of an oracle that knows the latents of a planted corpus, for the voice, the words, and both.

Reads params ``corpora.CORPUS``. Writes ``{modality: {metric: value}}`` as JSON; the report compares each system with
the ceiling of its input.
"""

import json
from pathlib import Path

from .config import settings
from .runtime import disk, process
from .runtime.errors import UserError


def arguments(parser) -> None:
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--out", type=Path, required=True)


def main(args) -> None:
    from .corpora import planted, readers

    corpus = readers.load(args.corpus, args.params)
    if corpus.reader != "planted":
        raise UserError(
            f"{settings.named(args.params)}: corpora.{args.corpus}: only a planted corpus has ceilings"
            "; name one with reader: planted"
        )
    with disk.writing(args.out) as temporary:
        temporary.write_text(json.dumps(planted.ceilings(corpus), indent=1) + "\n")


if __name__ == "__main__":
    process.run(main, __doc__, arguments)
