"""The base of all settings models, and how a job reads its own settings.

The models live with the stage, recipe or reader that they configure; a field is declared with :func:`setting`, which
gives its meaning and its limits. Values live in the catalogue (stages/catalogue/) and in params.yaml, never in code:
a key that is absent is an error.

A job reads one file, :data:`FILE`, in which both are resolved (stages/parameters/), and can read only the keys that its
rule declares (stages/runtime/declared_reads.py).
"""

import difflib
import json
import os
import re
import types
import typing
from functools import cache
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..runtime import declared_reads
from ..runtime.errors import UserError

FILE = declared_reads.SETTINGS
PARAMS = "params.yaml"
"""The user's own file."""


def setting(description: str, ours: bool = False, **limits) -> Any:
    """A required field: its meaning and pydantic's limits; ``ours``: its paper leaves it open, which reports say."""
    return Field(description=description, json_schema_extra={"ours": True} if ours else None, **limits)


class Section(BaseModel):
    """A strict part of the settings: unknown keys, missing keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())


def ours(model: type[Section]) -> list[str]:
    """The settings of a model that its paper leaves open."""
    return [name for name, field in model.model_fields.items() if (field.json_schema_extra or {}).get("ours")]


def named(path: str) -> str:
    """The name of a settings file in messages: :data:`FILE` is made from :data:`PARAMS`, which users edit."""
    return PARAMS if path == FILE else path


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML 1.1 reads 1e-5 as text; people, and DVC's YAML 1.2, mean the number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@cache
def _loaded(path: str, mtime_ns: int) -> dict:
    with open(path, encoding="utf-8") as handle:
        text = handle.read()
    values = json.loads(text) if path.endswith(".json") else parse(text, path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: empty or not a mapping; restore it with 'git checkout {path}'")
    return values


def parse(text: str, name: str) -> Any:
    """The values of a YAML text; ``name`` stands for it in an error."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise UserError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None


def read(path: str, key: str) -> Any:
    """The raw value at a dotted key of a settings file.

    Raises
    ------
    UserError
        The file or the key is missing (the nearest existing name is given), or the job's rule does not declare it.
    """
    declared_reads.refuse_undeclared(key)
    try:
        value: Any = _loaded(str(path), os.stat(path).st_mtime_ns)
    except FileNotFoundError:
        remedy = "write it with 'python -m stages.parameters'" if path == FILE else "give the path of one"
        raise UserError(f"{path}: no such file; {remedy}") from None
    return dig(value, key, named(str(path)))


def dig(values: Any, key: str, path: str = PARAMS) -> Any:
    """The value at a dotted ``key`` of nested dictionaries; names themselves hold no dots."""
    done = []
    for part in key.split(".") if key else ():
        if not isinstance(values, dict) or part not in values:
            near = nearest(part, values if isinstance(values, dict) else {})
            raise UserError(f"{path}: {'.'.join([*done, part])}: no such key{near}")
        values = values[part]
        done.append(part)
    return values


def nearest(word: str, names) -> str:
    """A hint that names the nearest of ``names``, or lists them when none is near."""
    names = sorted(str(name) for name in names)
    close = difflib.get_close_matches(str(word), names, 1, 0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f" (there are: {', '.join(names)})" if names else ""


def validate(model: type[Section], values: Any, where: str, path: str = PARAMS):
    """``values`` as an instance of ``model``; a fault becomes a one-line :class:`UserError`."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{named(path)}: {explain(error, model, where)}") from None


def load(model: type[Section], key: str, path: str = FILE):
    """The validated section at a dotted key of a settings file."""
    return validate(model, read(path, key), key, path)


def explain(error: ValidationError, model: Any, where: str) -> str:
    """The first fault of a validation error in plain words: dotted key, what is wrong, the remedy."""
    fault = error.errors()[0]
    steps, inner = _walk(model, [str(step) for step in fault["loc"]])
    key = ".".join([where, *steps] if where else steps)
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key{nearest(steps[-1], inner.model_fields if inner else [])}"
    if fault["type"] == "missing":
        return f"{key}: missing; add it"
    if fault["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tag = fault["ctx"]["discriminator"].strip("'")
        expected = fault["ctx"].get("expected_tags", "").replace("'", "").split(", ")
        found = fault["ctx"].get("tag")
        names = sorted(_tags_of(inner or model)) if expected == [""] else expected
        return f"{key}.{tag}: {f'no {found!r}' if found else 'missing'}{nearest(found or '', names)}"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if fault["type"] in ("value_error", "assertion_error"):
        return f"{key}: {message}" if key else message
    return f"{key}: {message[0].lower()}{message[1:]}, not {fault['input']!r}"


def _walk(model: Any, steps: list[str]) -> tuple[list[str], Any]:
    """The keys among ``steps`` (tags of unions left out) and the model that holds the last of them."""
    kind, holder, keys = model, None, []
    for step in steps:
        kind = plain(kind)
        if isinstance(kind, list):  # a tagged union: the step is the tag
            kind = next((m for m in kind if step in _tags(m)), None)
            holder = kind
            continue
        keys.append(step)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            holder = kind
            field = kind.model_fields.get(step)
            kind = field.annotation if field else None
        else:
            arguments = [a for a in typing.get_args(kind) if a is not str]
            kind = arguments[-1] if arguments else None
            holder = None
    return keys, holder


def plain(kind: Any) -> Any:
    """``kind`` without Annotated; a union of models as a list of them."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        models = [a for a in typing.get_args(kind) if isinstance(a, type) and issubclass(a, BaseModel)]
        return models if len(models) > 1 else (models or [kind])[0]
    return kind


def _tags_of(model: Any) -> set:
    models = plain(model)
    return set().union(*(_tags(m) for m in models)) if isinstance(models, list) else set()


def _tags(model: type[BaseModel]) -> set:
    return {
        value
        for field in model.model_fields.values()
        if typing.get_origin(field.annotation) is typing.Literal
        for value in typing.get_args(field.annotation)
    }


def adapt(adapter, values: Any, where: str, path: str = PARAMS):
    """``values`` through a pydantic ``TypeAdapter`` of a tagged union; any fault becomes a :class:`UserError`."""
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        raise UserError(f"{named(path)}: {explain(error, adapter._type, where)}") from None
