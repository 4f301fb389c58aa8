"""Update inventories: check the raw files, read those that changed, rewrite the tables whose content changed.

A table is rewritten only when its bytes differ, so its time is that of the last real change, and only a real change
reruns the jobs that depend on it.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from ..corpora import readers, release
from ..corpora.release import Places
from ..runtime import code_digest, disk
from . import names, stamps, tables, weights
from .stamps import Digests, Stamps
from .wanted import wanted

_CODE = "raw_inputs.tables"
Make = Callable[[Digests], dict[str, bytes]]


def refresh(settings: dict, studies: Iterable[str], root: Path = names.ROOT) -> list[str]:
    """Update the inventories that ``studies`` read, skipping missing corpora; returns the paths of changed tables.

    Parameters
    ----------
    settings
        All parameters.

    Raises
    ------
    UserError
        A corpus does not have the layout that its reader expects.
    """
    changed: list[str] = []
    for kind, name in wanted(settings, studies):
        values = settings[kind][name]
        if kind == names.CORPORA and not is_there(values, name):
            if all(map(os.path.exists, names.corpus(name, root).values())):
                _say(f"corpora.{name}: {release.root(values)} is missing; its last inventory is used")
            continue
        changed += update(kind, name, values, root)
    return changed


def is_there(values: dict, name: str) -> bool:
    """Whether a raw corpus exists, complete or not; ``values`` is its entry in ``corpora:``."""
    if values["reader"] == "planted":
        return True
    looked = readers.places(readers.checked(values, name))
    return release.root(values).is_dir() and (looked.named is None or all(path.is_file() for path in looked.files))


def update(kind: str, name: str, values: dict, root: Path = names.ROOT, params: str = "params.yaml") -> list[str]:
    """Update one inventory; returns the paths of its changed tables.

    Parameters
    ----------
    kind
        The section of the parameters in which ``name`` has the entry ``values``: corpora, encoders or transcripts.

    Raises
    ------
    UserError
        A corpus is missing or does not have the layout that its reader expects.
    """
    if kind == names.CORPORA:
        return _corpus(name, values, root, params)
    path, files = names.weights(kind, name, root), weights.files(kind, values)
    if not files and os.path.exists(path):
        if os.path.getsize(path) > len(weights.table([], [])):
            _say(f"{kind}.{name}: {weights.place(kind, values)} is missing; its last inventory is used")
        return []
    key = hashlib.sha256(str(weights.place(kind, values)).encode()).hexdigest()
    looked, make = Places(tuple(files)), lambda digests: {path: weights.table(files, digests([str(f) for f in files]))}
    return _brought_up(names.stamps(kind, name, root), key, [path], looked, make, name)


def _corpus(name: str, values: dict, root: Path, params: str) -> list[str]:
    corpus, paths, code = readers.checked(values, name, params), names.corpus(name, root), _reader_code(values)
    key = hashlib.sha256(json.dumps([values, code], sort_keys=True).encode()).hexdigest()

    def make(digests: Digests) -> dict[str, bytes]:
        found = readers.read(corpus, name)
        made = tables.of_corpus(found, digests([str(path) for path in found.files]), corpus.reader == "table")
        return {paths[table]: content for table, content in made.items()}

    stamped = names.stamps(names.CORPORA, name, root)
    return _brought_up(stamped, key, list(paths.values()), readers.places(corpus), make, name)


def code_of(kind: str, name: str, settings: dict) -> str:
    """The digest of the code that makes an inventory."""
    return _reader_code(settings[kind][name]) if kind == names.CORPORA else code_digest.digest("raw_inputs.weights")


def _reader_code(values: dict) -> str:
    return code_digest.digest(readers.module(values["reader"]), _CODE)


def _brought_up(kept: Path, key: str, paths: list[str], looked: Places, make: Make, what: str) -> list[str]:
    """``make`` the tables at ``paths`` if a stamp differs from those in ``kept``; returns the tables that changed."""
    before = stamps.load(kept)
    named = before.digests if looked.named else ()
    now = Stamps(key, {}, stamps.look([*looked.files, *named], looked.folders))
    if before.key == key and before.files == now.files and before.written == _written(paths):
        return []
    if named:  # audio that the new labels name gets its stamps when it is hashed
        now.files = {str(path): now.files[str(path)] for path in looked.files}
    made = make(Digests(before, now, what))
    changed = [path for path in paths if _differs(path, made[path])]
    for path in changed:
        with disk.writing(path) as temporary:
            temporary.write_bytes(made[path])
    now.written = _written(paths)
    stamps.save(kept, now)
    return changed


def _written(paths: list[str]) -> dict[str, str]:
    return {path: stamps.of_output(path) for path in paths}


def _differs(path: str, content: bytes) -> bool:
    try:
        return Path(path).read_bytes() != content
    except FileNotFoundError:
        return True


def places(settings: dict, kind: str, name: str) -> list[str]:
    """The raw files and folders of an inventory; none for a synthesised corpus.

    For an existing corpus, those that exist; for a missing one, all that it must have.

    Parameters
    ----------
    settings
        All parameters; ``kind`` is a section of them and ``name`` an entry of it, as in :func:`update`.
    """
    values = settings[kind][name]
    if kind != names.CORPORA:
        return [str(weights.place(kind, values))]
    looked = readers.places(readers.checked(values, name))
    candidates = [*looked.files, *looked.folders, *([looked.named] if looked.named else [])]
    existing = [str(path) for path in candidates if path.exists()]
    return existing or [str(path) for path in candidates if path not in looked.optional]


def _say(line: str) -> None:
    print(line, file=sys.stderr)
