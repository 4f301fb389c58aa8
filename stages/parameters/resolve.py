"""The parameters in force: the catalogue, params.yaml over it key by key, and every entry completed.

An entry is completed with the values of another (``like: NAME``), or else with those of its kind: what ``recipes``
and ``defaults`` say of its tag. Its own keys lie over them. Nothing here judges values; the models do.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from ..config.settings import nearest
from ..recipes.chain import STAGES
from ..runtime.errors import UserError
from . import files

CATALOGUE = Path(__file__).parents[1] / "catalogue"
TAGS = {
    "corpora": "reader",
    "systems": "recipe",
    "pretrain": "recipe",
    **dict.fromkeys(("protocols", "transcripts", "encoders", "robustness"), "kind"),
}
"""The key that tells what kind an entry is, of the sections that have one."""
COMPLETED = tuple(section for section in files.NAMED if section != "shards")


def resolved(params: str | Path = "params.yaml", catalogue: Path = CATALOGUE) -> dict:
    """All parameters as nested dictionaries, in the sections and order of :class:`stages.parameters.models.Params`.

    Raises
    ------
    UserError
        A file is missing or not readable, names a section, a base (``like``) or an entry to remove that there is not,
        or two files of the catalogue define one entry.
    """
    return _copied(_resolved(params, catalogue)[0])


def origin(*keys: str, params: str | Path = "params.yaml", catalogue: Path = CATALOGUE) -> str:
    """The file to mend where a key is at fault: ``origin("systems", "linear", "strengths")``.

    It is params.yaml where that sets the key or adds the entry, else the catalogue's file with the entry.
    """
    sources = _resolved(params, catalogue)[1]
    for length in range(len(keys), 0, -1):
        if keys[:length] in sources:
            return sources[keys[:length]]
    return str(params)


def shipped(params: str | Path = "params.yaml", catalogue: Path = CATALOGUE) -> dict[str, dict]:
    """{entry: {key: the catalogue's value}} of those entries of the catalogue for which params.yaml says otherwise.

    Systems by their names, entries of ``adapt``, ``cluster`` and ``retrain`` as ``STAGE.NAME``.
    """
    values, _, before = _resolved(params, catalogue)
    found = {}
    for section, entries in before.items():
        for name in (name for name in entries if name in values[section]):
            now, shown = values[section][name], name if section == "systems" else f"{section}.{name}"
            found[shown] = {key: value for key, value in entries[name].items() if key in now and now[key] != value}
    return _copied({name: before for name, before in found.items() if before})


def _resolved(params: str | Path, catalogue: Path) -> tuple[dict, files.Sources, dict]:
    paths = [Path(params), *sorted(Path(catalogue).glob("*.yaml"))]
    stamps = tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in paths if path.exists())
    return _made(str(Path(params).absolute()), str(params), str(Path(catalogue).absolute()), stamps)


@lru_cache(maxsize=16)
def _made(path: str, shown: str, folder: str, stamps: tuple) -> tuple[dict, files.Sources, dict]:
    """What the files say, where, and what of it the catalogue alone; with ``stamps`` a change of them is seen."""
    whole, sources = files.catalogue(Path(folder))
    alone = {name: _Completion(name, {name: {}, **whole}, sources, shown).all() for name in ("systems", *STAGES)}
    own = files.loaded(Path(path), shown)
    for section in (name for name in files.NAMED if name in own):
        for name, entry in own[section].items():
            if entry is None and name not in whole.get(section, {}):
                near = nearest(name, whole.get(section, {}))
                raise UserError(f"{shown}: {section}.{name}: there is no such entry to remove{near}")
    _note(own, whole, (), sources, shown)
    whole = _laid_over(whole, own)
    for section in files.NAMED:
        whole.setdefault(section, {})
    entries = {section: _Completion(section, whole, sources, shown).all() for section in COMPLETED}
    values = {section: entries.get(section, whole[section]) for section in files.SECTIONS if section in whole}
    return values, sources, alone


def _laid_over(below: dict, above: dict) -> dict:
    """``above`` over ``below``: mappings key by key, other values replace, null takes away.

    A null with nothing below stays, so that an entry can take away what it would have from its base or kind.
    """
    out = dict(below)
    for key, value in above.items():
        if value is None and key in out:
            del out[key]
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = _laid_over(out[key], value)
        else:
            out[key] = value
    return out


def _note(above: Any, below: Any, keys: tuple, sources: files.Sources, shown: str) -> None:
    """Note for every key that ``above`` sets or adds to ``below`` that it stands in the file ``shown``."""
    if isinstance(above, dict) and (isinstance(below, dict) or not keys):
        for key, value in above.items():
            _note(value, below.get(key), (*keys, key), sources, shown)
    else:
        sources[keys] = shown


class _Completion:
    """The entries of one section, each with what it does not say itself."""

    def __init__(self, section: str, whole: dict, sources: files.Sources, params: str):
        self.section, self.whole, self.entries = section, whole, whole[section]
        self.sources, self.params, self.done = sources, params, {}

    def all(self) -> dict:
        return {name: self.entry(name) for name in self.entries}

    def entry(self, name: str, after: tuple = ()) -> Any:
        """The completed entry; ``after`` are those that are like it, to find circles."""
        if name in self.done:
            return self.done[name]
        own = self.entries[name]
        if isinstance(own, dict):
            beneath = self._base(name, own, after) if "like" in own else self._kind(own)
            own = {key: value for key, value in own.items() if key != "like"}
            own = {key: value for key, value in {**beneath, **own}.items() if value is not None}
        self.done[name] = own
        return own

    def _base(self, name: str, own: dict, after: tuple) -> dict:
        base, after = own["like"], (*after, name)
        where = f"{self._file(name)}: {self.section}.{name}.like"
        if not isinstance(base, str):
            raise UserError(f"{where}: {base!r} is no name; give one of {self.section}")
        if base not in self.entries:
            raise UserError(f"{where}: there is no '{base}'{nearest(base, self.entries)}")
        if base in after:
            circle = " like ".join([*after[after.index(base) :], base])
            raise UserError(f"{where}: is circular: {circle}; let one of them name its own values")
        values = self.entry(base, after)
        if not isinstance(values, dict):
            raise UserError(f"{where}: '{base}' has no keys; name another")
        # What is like a paper's row is no row of the paper.
        return {**values, "table": "", "row": "", "also": []} if self.section == "systems" else values

    def _kind(self, own: dict) -> dict:
        """What ``recipes`` and ``defaults`` say of an entry that is like no other."""
        recipes, defaults = (self.whole.get(name) or {} for name in files.BENEATH)
        of_section, tag = defaults.get(self.section) or {}, own.get(TAGS.get(self.section, ""))
        if self.section in ("systems", "studies", "pretrain"):
            return {**of_section, **self._named(recipes, tag)}
        return self._named(recipes, self.section) if self.section not in TAGS else self._named(of_section, tag)

    @staticmethod
    def _named(values: dict, tag: Any) -> dict:
        return (values.get(tag) or {}) if isinstance(tag, str) else {}

    def _file(self, name: str) -> str:
        for keys in ((self.section, name, "like"), (self.section, name)):
            if keys in self.sources:
                return self.sources[keys]
        return self.params


def _copied(value: Any) -> Any:
    """A copy that shares nothing with the cache, nor one anchor's values with another's."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value
