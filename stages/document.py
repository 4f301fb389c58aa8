"""params.yaml as a document, and the table of all parameters, from the models and what ships of them."""

import textwrap
import types
import typing

import yaml
from pydantic import BaseModel

from . import params as whole
from .shipped import SECTIONS

HEAD = """\
# All parameters. Made by `make params` from the models in stages/ and the entries in stages/shipped.py; edit freely.
# A key that is missing or unknown is an error. What each stage reads of this file stands in stages/*.smk.
"""


def params_yaml() -> str:
    """The shipped params.yaml, every key explained where a model first appears."""
    lines, explained = [HEAD], set()
    for name, values in SECTIONS.items():
        field = whole.Params.model_fields[name]
        about = field.description or (field.annotation.__doc__ or "").strip().splitlines()[0]
        lines.append("\n".join(f"# {line}" for line in textwrap.wrap(about, 110)))
        lines += _entry(name, values, field.annotation, 0, explained)
        lines.append("")
    return "\n".join(lines)


def _entry(key: str, values, kind, depth: int, explained: set) -> list[str]:
    indent = "  " * depth
    kind = _model_of(kind, values)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        lines = [f"{indent}{key}:"]
        for name, value in values.items():
            field = kind.model_fields[name]
            inner = _entry(name, value, field.annotation, depth + 1, explained)
            if (kind, name) not in explained:
                explained.add((kind, name))
                inner[0] = f"{inner[0]:<44}  # {field.description}"
            lines += inner
        return lines
    if isinstance(values, dict) and values:
        arguments = [a for a in typing.get_args(kind) if a is not str]
        inner_kind = arguments[-1] if arguments else None
        lines = [f"{indent}{key}:"]
        for name, value in values.items():
            lines += _entry(name, value, inner_kind, depth + 1, explained)
        return lines
    if isinstance(values, list) and len(str(values)) > 90:
        return [f"{indent}{key}:", *(f"{indent}  - {_inline(v)}" for v in values)]
    return [f"{indent}{key}: {_inline(values)}"]


def _model_of(kind, values):
    """The model that ``values`` belong to, looked up by its tag in a union."""
    kind = whole.settings.plain(kind)
    if isinstance(kind, list):
        tag = next(values[name] for name in ("recipe", "kind", "reader") if name in values)
        return next(m for m in kind if tag in _text_tags(m))
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return None
    return kind


def _text_tags(model) -> set:
    first = next(n for n in ("recipe", "kind", "reader") if n in model.model_fields)
    return set(typing.get_args(model.model_fields[first].annotation))


def _inline(value) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).strip()
    return text.removesuffix("\n...").removesuffix("...").strip()


def table() -> str:
    """All parameters as a Markdown table: section, key, shipped value, meaning."""
    rows, seen = ["| section | key | shipped | meaning |", "|---|---|---|---|"], set()

    def add(section: str, model) -> None:
        for name, field in model.model_fields.items():
            if (model, name) in seen:
                continue
            seen.add((model, name))
            shipped = (field.json_schema_extra or {}).get("shipped", field.default)
            rows.append(f"| `{section}` | `{name}` | `{_inline(shipped)}` | {field.description} |".replace("`''`", ""))

    for name, field in whole.Params.model_fields.items():
        kinds = typing.get_args(field.annotation)[1:] or (field.annotation,)
        for kind in kinds:
            models = whole.settings.plain(kind)
            for model in models if isinstance(models, list) else [models]:
                if isinstance(model, type) and issubclass(model, BaseModel):
                    tag = f" ({', '.join(_text_tags(model))})" if isinstance(models, list) else ""
                    add(name + tag, model)
    return "\n".join(rows)
