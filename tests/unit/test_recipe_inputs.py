"""A corpus and new audio offer recipes what the contract lists, attribute for attribute."""

import ast
import inspect
from pathlib import Path

import pandas as pd
import pytest

from stages.corpora.manifest import write_manifest
from stages.recipes import recipe_inputs
from stages.recipes.new_audio import NewAudio
from stages.recipes.recipe_inputs import RecipeInputs, TrainingInputs
from stages.recipes.training_inputs import Inputs
from tests.unit.small_study import manifest_rows, protocol_frame

RECIPES = Path(recipe_inputs.__file__).parent


@pytest.fixture
def both(tmp_path):
    """[(what a recipe is given, its protocol)]; no store is opened."""
    write_manifest(tmp_path / "manifest.csv", manifest_rows(each=2))
    rows = pd.read_csv(tmp_path / "manifest.csv", dtype={"session": str}, keep_default_na=False)
    protocol_frame(rows).to_csv(tmp_path / "protocol.csv", index=False)
    paths = {name: tmp_path / f"{name}.csv" for name in ("manifest", "protocol")}
    new = NewAudio("", {}, {}, ["a"], [""], [""], 4)
    return [(Inputs(paths, "", "emotion"), TrainingInputs), (new, RecipeInputs)]


def members(protocol) -> tuple[set[str], dict]:
    """Attributes, and {name: signature} of methods, with those that it takes over."""
    attributes, methods = set(), {}
    for cls in protocol.__mro__:
        if cls.__module__ == recipe_inputs.__name__:
            attributes |= set(cls.__annotations__)
            found = {n: f for n, f in vars(cls).items() if inspect.isfunction(f) and not n.startswith("_")}
            methods |= {name: inspect.signature(function) for name, function in found.items()}
    return attributes, methods


def test_both_satisfy_the_contract(both):
    for inputs, protocol in both:
        attributes, methods = members(protocol)
        assert len(attributes) >= 8 and len(methods) >= 4
        for name in attributes:
            inspect.getattr_static(inputs, name)  # is there; opens no store
        for name, signature in methods.items():
            own = inspect.signature(getattr(type(inputs), name)).parameters
            assert list(own) == list(signature.parameters), name
            for key, parameter in signature.parameters.items():
                assert own[key].default == parameter.default, f"{name}: {key}"


def test_the_contract_covers_what_recipes_use():
    """Names taken from ``inputs`` in functions that are annotated with a protocol are members of it."""
    listed = {protocol.__name__: set().union(*members(protocol)) for protocol in (RecipeInputs, TrainingInputs)}
    seen = 0
    for path in sorted(RECIPES.glob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            given = [a.annotation for a in function.args.args if a.arg == "inputs"]
            if path.stem != "__init__" and function.name in ("train", "restored"):
                assert given and given[0] is not None, f"{path}: {function.name}: inputs is not annotated"
            if not given or given[0] is None:
                continue
            protocol = getattr(given[0], "value", None) or given[0].id
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "inputs":
                    assert node.attr in listed[protocol], f"{path}: line {node.lineno}: inputs.{node.attr}"
                    seen += 1
    assert seen > 50
