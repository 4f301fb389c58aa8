"""The house: rooms with one purpose, imports that point one way, scripts that are small and that nobody imports."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "stages"
SCRIPTS = {path.stem for path in PACKAGE.glob("*.smk")}
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
MODELS = "parameters"
"""The room that puts the models of all sections together, so it alone reads the scripts'."""


def imported(path: Path) -> set[tuple[str, ...]]:
    """What a module imports of ours, in functions too, as names from the package's folder."""
    found, place = set(), path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            start = (*place[: len(place) - node.level + 1], *(node.module.split(".") if node.module else ()))
            found |= {(*start, alias.name) for alias in node.names}
    return found


def room(name: tuple[str, ...]) -> str:
    """The room of a module; a script is one by itself."""
    return name[0]


def rooms() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        own = room(path.relative_to(PACKAGE).with_suffix("").parts)
        there = {room(name) for name in imported(path)} - {own}
        graph.setdefault(own, set()).update(name for name in there if (PACKAGE / name).is_dir() or name in SCRIPTS)
    return graph


def test_there_is_no_circle_of_rooms():
    try:
        order = list(TopologicalSorter(rooms()).static_order())
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))
    assert {"runtime", "config"} <= set(order)


def test_no_circle_of_modules():
    names = {path.relative_to(PACKAGE).with_suffix("").parts: path for path in MODULES}
    graph = {}
    for name, path in names.items():
        found = set()
        for target in imported(path):
            found |= {one for one in (target, target[:-1]) if one in names and one != name}
        graph[name] = found
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as circle:
        pytest.fail(" -> ".join(".".join(name) for name in circle.args[1]))


def test_no_room_imports_a_script():
    climbs = {f"{own} -> {name}" for own, there in rooms().items() for name in there & SCRIPTS if own != MODELS}
    assert not climbs


def test_the_top_level_holds_stages_alone():
    scripts = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert scripts == SCRIPTS


def test_modules_are_short_and_imports_are_relative():
    for path in MODULES:
        assert len(path.read_text().splitlines()) <= 300, path
        for node in ast.walk(ast.parse(path.read_text())):
            absolute = isinstance(node, ast.ImportFrom) and not node.level and node.module.split(".")[0] == "stages"
            assert not absolute, f"{path}: line {node.lineno}: the package may be installed under another name"
