"""Values of the catalogue for tests: the settings of a model as they ship, with changes."""

import typing
from functools import cache
from pathlib import Path

import yaml

from stages.parameters import files
from stages.parameters.resolve import CATALOGUE, TAGS, resolved

PARAMS = Path(__file__).parents[1] / "params.yaml"
"""The tests' own settings file."""


@cache
def _catalogue() -> dict:
    return files.catalogue(CATALOGUE)[0]


def shipped(model, **changes) -> dict:
    """All values of a model of settings: of a recipe or stage, or of the first entry of its kind in the catalogue."""
    recipes, whole = _catalogue()["recipes"], resolved(PARAMS)
    key = next((name for name in ("recipe", "kind", "reader") if name in model.model_fields), None)
    if key is None:
        name = model.__name__.lower()
        return {**recipes.get(name, whole.get(name, {})), **changes}
    tag = typing.get_args(model.model_fields[key].annotation)[0]
    if key == "recipe":
        shared = _catalogue()["defaults"]["systems"] if "paper" in model.model_fields else {}
        return {**shared, "recipe": tag, **recipes[tag], **changes}
    fields = set(model.model_fields)
    entries = (e for s, k in TAGS.items() if k == key for e in whole[s].values() if e[key] == tag and set(e) <= fields)
    return {**next(entries, {key: tag}), **changes}


def write_params(folder: Path, *, text: str = "", **changes) -> str:
    """The tests' params.yaml in ``folder`` with each change laid over its section; ``text`` instead of it all."""
    values = yaml.safe_load(text or PARAMS.read_text())
    for section, entries in changes.items():
        values[section] = {**(values.get(section) or {}), **entries} if isinstance(entries, dict) else entries
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return str(path)
