"""Which inventories studies need: of their corpora and of those that they are tried on, of encoders and of Whisper."""

from collections.abc import Iterable, Iterator

from ..recipes import system_config
from . import names

_CHAIN = (("retrain", "cluster"), ("cluster", "adapt"), ("adapt", ""))
"""Stages that begin from one before, and which."""


def wanted(settings: dict, studies: Iterable[str]) -> list[tuple[str, str]]:
    """(section, entry) of every inventory that the jobs of ``studies`` read; ``settings`` are all parameters."""
    found: dict[tuple[str, str], None] = {}
    for study in studies:
        own = settings["studies"][study]
        tried = [settings["robustness"][name] for name in own.get("trials", {})]
        elsewhere = [entry for entry in tried if entry["kind"] == "corpus"]
        found |= {(names.CORPORA, entry["corpus"]): None for entry in (own, *elsewhere)}
        encoders = [one for one in _encoders(settings, study) if names.is_local(settings["encoders"].get(one, {}))]
        found |= {(names.ENCODERS, one): None for one in encoders}
        sources = [entry["transcripts"] for entry in (own, *elsewhere)]
        heard = [one for one in sources if names.hears(settings["transcripts"].get(one, {}))]
        found |= {(names.TRANSCRIPTS, one): None for one in heard}
    return sorted(found)


def _encoders(settings: dict, study: str) -> Iterator[str]:
    own = settings["studies"][study]

    def standing(wanted: str, kind: str) -> str:
        return system_config.encoder(own, wanted, kind, settings["encoders"].get(wanted, {}))

    for name in own["systems"]:
        row = system_config.row(settings["systems"][name], own["changes"].get(name, {}), name, study)
        yield from (standing(one, kind) for kind, one in row.encoders().items() if one)
        entry = "" if row.recipe == "student" else getattr(row, "start", "")
        for stage, before in _CHAIN:
            if entry:
                yield standing(settings[stage][entry]["speech"], "speech")
                entry = settings[stage][entry].get(before, "")
