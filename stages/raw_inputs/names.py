"""Paths of inventories, and which entries have one. This module reads only parameters."""

from pathlib import Path

ROOT = Path("data/inventory")
CORPORA, ENCODERS, TRANSCRIPTS = KINDS = ("corpora", "encoders", "transcripts")
TABLES = ("files", "labels", "texts", "extra", "ratings", "departures")
"""The tables of a corpus' inventory."""


def corpus(name: str, root: Path = ROOT) -> dict[str, str]:
    """{table: path} of a corpus' inventory."""
    return {table: f"{root}/{CORPORA}/{name}/{table}.csv" for table in TABLES}


def weights(kind: str, name: str, root: Path = ROOT) -> str:
    """The inventory of an encoder's folder, or of the weights of an entry of ``transcripts:``."""
    return f"{root}/{kind}/{name}.csv"


def stamps(kind: str, name: str, root: Path = ROOT) -> Path:
    """The stamps of an inventory's files at the last check."""
    return root / ".stamps" / f"{kind}-{name}.txt"


def is_local(encoder: dict) -> bool:
    """Whether an entry of ``encoders:`` names a folder; weights with a fixed hub revision cannot change."""
    return "source" in encoder and not encoder["revision"]


def hears(transcripts: dict) -> bool:
    """Whether an entry of ``transcripts:`` reads weights from a file."""
    return transcripts.get("kind") == "whisper"


def of_encoders(params: dict, encoders) -> list[str]:
    """The inventories of those ``encoders`` (names in ``encoders:``) that are in folders."""
    return [weights(ENCODERS, one) for one in dict.fromkeys(encoders) if is_local(params["encoders"].get(one, {}))]
