"""Which inventories studies need: their corpora, the corpora of their trials, encoders and Whisper weights."""

from collections.abc import Iterable, Iterator

from ..recipes import chain, system_config
from . import names


def wanted(settings: dict, studies: Iterable[str]) -> list[tuple[str, str]]:
    """(section, entry) of every inventory that the jobs of ``studies`` read; ``settings`` are all parameters."""
    entries: dict[tuple[str, str], None] = {}
    for study in studies:
        chosen = settings["studies"][study]
        tried = [settings["robustness"][name] for name in chosen.get("trials", {})]
        other_corpora = [entry for entry in tried if entry["kind"] == "corpus"]
        entries |= {(names.CORPORA, entry["corpus"]): None for entry in (chosen, *other_corpora)}
        encoders = [name for name in _encoders(settings, study) if names.is_local(settings["encoders"].get(name, {}))]
        entries |= {(names.ENCODERS, name): None for name in encoders}
        sources = [*_texts(settings, study), *(entry["transcripts"] for entry in tried if "transcripts" in entry)]
        whisper = [name for name in sources if names.hears(settings["transcripts"].get(name, {}))]
        entries |= {(names.TRANSCRIPTS, name): None for name in whisper}
    return sorted(entries)


def _rows(settings: dict, study: str) -> Iterator[system_config.System]:
    own = settings["studies"][study]
    for name in own["systems"]:
        yield system_config.row(settings["systems"][name], own["changes"].get(name, {}), name, study)


def _texts(settings: dict, study: str) -> Iterator[str]:
    own = settings["studies"][study]
    for row in _rows(settings, study):
        yield system_config.transcripts(own, row)
        before = chain.behind(row.starts_from, lambda *one: chain.entry(settings, study, *one))
        if any(chain.learns_words(chain.entry(settings, study, *one)) for one in before):
            yield own["transcripts"]


def _encoders(settings: dict, study: str) -> Iterator[str]:
    own = settings["studies"][study]

    def standing(wanted: str, kind: str) -> str:
        return system_config.encoder(own, wanted, kind, settings["encoders"].get(wanted, {}))

    for row in _rows(settings, study):
        yield from (standing(one, kind) for kind, one in row.encoders().items() if one)
        for before in chain.behind(row.starts_from, lambda *one: chain.entry(settings, study, *one)):
            yield standing(chain.entry(settings, study, *before)["speech"], "speech")
