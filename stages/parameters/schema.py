"""The JSON Schema of params.yaml and of the catalogue's files, for editors.

    python -m stages.parameters --schema     write stages/catalogue/schema.json

It is made from the models, but no key is required in a file.
"""

import json
from typing import Any

from ..recipes.system_config import System
from . import files
from .models import Params
from .resolve import CATALOGUE, COMPLETED, TAGS

FILE = CATALOGUE / "schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
LIKE = "another entry of this section, which gives what this one does not say"


def schema() -> dict:
    """The schema: sections with their models, ``like`` and null where the resolver knows them, no key required."""
    made = Params.model_json_schema()
    tags = {section: _tags(made["properties"][section]) for section in COMPLETED}
    definitions = {name: _plain(value) for name, value in made["$defs"].items()}
    for references in tags.values():
        for reference in references.values():
            _loosen(definitions[_name(reference)], like=True)
    for section in set(files.SECTIONS) - set(files.NAMED) - {"active"}:
        _loosen(definitions[_name(made["properties"][section]["$ref"])], like=False)
    properties = {name: _section(name, _plain(value)) for name, value in made["properties"].items()}
    properties["paper"] = {"description": "of a catalogue's file: the paper of all its systems", "type": "string"}
    properties["recipes"] = _closed("every value of a recipe, once", _recipes(tags))
    properties["defaults"] = _closed("what entries have that say nothing", _defaults(tags, definitions))
    whole = _closed("The settings of Serpentine", properties)
    whole["patternProperties"] = {"^active\\.": {"description": "a study that is active too", "type": "boolean"}}
    for name in files.NAMED:
        entry = properties[name]["anyOf"][0]["additionalProperties"]
        whole["patternProperties"][f"^{name}\\."] = entry
    return {"$schema": DIALECT, **whole, "$defs": definitions}


def _tags(section: dict) -> dict[str, str]:
    """{tag: reference to its model} of a named section; the tag is empty where there is but one model."""
    entry = section["additionalProperties"]
    return entry["discriminator"]["mapping"] if "discriminator" in entry else {"": entry["$ref"]}


def _name(reference: str) -> str:
    return reference.rsplit("/", 1)[1]


def _recipes(tags: dict) -> dict[str, dict]:
    chain = {section: tags[section][""] for section in COMPLETED if section not in (*TAGS, "studies")}
    return {name: {"$ref": at} for name, at in {**tags["systems"], **tags["pretrain"], **chain}.items()}


def _defaults(tags: dict, definitions: dict) -> dict[str, dict]:
    shared = definitions[_name(next(iter(tags["systems"].values())))]["properties"]
    sections = {"studies": {"$ref": tags["studies"][""]}}
    sections["systems"] = _closed("of every row", {name: shared[name] for name in System.model_fields})
    for section in TAGS:
        if section not in ("systems", "pretrain"):
            about = f"by {TAGS[section]}"
            sections[section] = _closed(about, {tag: {"$ref": at} for tag, at in tags[section].items()})
    return sections


def _closed(description: str, properties: dict) -> dict:
    return {
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _plain(value: Any) -> Any:
    """Without what a file of values is not asked for: defaults, titles, and which tag chooses a model."""
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    dropped = ("default", "shipped", "ours", "title", "discriminator")
    kept = {key: inner for key, inner in value.items() if key == "properties" or key not in dropped}
    out = {"anyOf" if key == "oneOf" else key: _plain(inner) for key, inner in kept.items() if key != "properties"}
    if "properties" in kept:
        out["properties"] = {name: _plain(inner) for name, inner in kept["properties"].items()}
    return out


def _loosen(model: dict, like: bool) -> None:
    """Nothing is required of an entry or section; null takes a key away; an entry may be like another."""
    model.pop("required", None)
    properties = {name: value if "const" in value else _or_null(value) for name, value in model["properties"].items()}
    model["properties"] = ({"like": {"description": LIKE, "type": "string"}} if like else {}) | properties


def _or_null(value: dict) -> dict:
    about = {"description": value["description"]} if "description" in value else {}
    rest = {key: inner for key, inner in value.items() if key != "description"}
    options = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    return about | {"anyOf": [*options, {"type": "null"}]}


def _section(name: str, value: dict) -> dict:
    """A section in a file: its entries may be null, and so may a named section that holds only comments."""
    if name not in files.NAMED:
        return value
    return _or_null({**value, "additionalProperties": _or_null(value["additionalProperties"])})


def text() -> str:
    """The schema as it stands in the file."""
    return _written(schema(), 0) + "\n"


def _written(value: Any, depth: int) -> str:
    """JSON with a line for each key of a model, and no more."""
    if not isinstance(value, dict) or not value or depth > 3:
        return json.dumps(value, ensure_ascii=False)
    pad = " " * (depth + 1)
    lines = [f"{pad}{json.dumps(key)}: {_written(inner, depth + 1)}" for key, inner in value.items()]
    return "{\n" + ",\n".join(lines) + f"\n{pad[:-1]}}}"


def write() -> None:
    """Write the schema into the catalogue."""
    FILE.write_text(text())
