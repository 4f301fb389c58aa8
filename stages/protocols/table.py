"""Read a protocol's table (fold and role of every utterance) with its manifest, and run every guard again."""

from pathlib import Path
from typing import Any

from ..corpora.manifest import numbers, read_manifest, read_table, refuse

PROTOCOL_COLUMNS = ("utterance", "fold", "role", "reason", "emotion")


def read_protocol(path: Path | str):
    """The protocol as a data frame: ``fold`` as integer, other columns as text.

    Raises
    ------
    UserError
        The file or a column is missing, or a fold is not a whole number (with its line).
    """
    frame = read_table(path, PROTOCOL_COLUMNS, "protocol")
    folds = numbers(frame["fold"], path, "fold")
    refuse(folds.isna() | (folds % 1 != 0), path, "fold: not a whole number")
    frame["fold"] = folds.astype("int64")
    return frame


def load_split(manifest: Path | str, protocol: Path | str) -> tuple[Any, Any]:
    """Read both tables and run every guard again, since a file may have been edited.

    Returns
    -------
    (manifest, protocol)
        As :func:`read_manifest` and :func:`read_protocol` give them.

    Raises
    ------
    UserError
        A file is malformed or violates a guard (:func:`stages.protocols.splits.check_protocol`).
    """
    from .splits import check_protocol

    frames = read_manifest(manifest), read_protocol(protocol)
    check_protocol(*frames, str(protocol))
    return frames
