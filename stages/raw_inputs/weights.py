"""Published weights on this disk: the folder of an encoder, the file of a Whisper model."""

from pathlib import Path

from ..corpora import csv_file
from . import names, tables

COLUMNS = ("name", "size", "sha256")
_READ = (".json", ".txt", ".model", ".safetensors", ".bin")
"""Suffixes of the files that are read from a folder in Hugging Face layout."""
_OTHERWISE = {"large": "large-v3", "turbo": "large-v3-turbo"}
"""Whisper models whose file name differs from the official name."""


def place(kind: str, values: dict) -> Path:
    """The folder of an entry of ``encoders:``, or the file of an entry of ``transcripts:``."""
    if kind == names.ENCODERS:
        return Path(values["source"])
    model = Path(values["model"]).expanduser()
    if model.suffix == ".pt" or model.is_file():
        return model
    return Path(values["folder"]).expanduser() / f"{_OTHERWISE.get(values['model'], values['model'])}.pt"


def files(kind: str, values: dict) -> list[Path]:
    """The files that an entry reads, sorted; empty if they are missing."""
    location = place(kind, values)
    if kind == names.TRANSCRIPTS:
        return [location] if location.is_file() else []
    if not location.is_dir():
        return []
    return sorted(
        path for path in location.iterdir() if path.suffix in _READ and path.name[0] != "." and path.is_file()
    )


def table(paths: list[Path], sizes_and_digests: list[tuple[str, str]]) -> bytes:
    """The inventory of files.

    Raises
    ------
    UserError
        One is a pointer of Git LFS, as a clone without git-lfs has them.
    """
    for path in paths:
        csv_file.refuse_pointer(path)
    return tables.table(COLUMNS, ([p.name, *measured] for p, measured in zip(paths, sizes_and_digests, strict=True)))
