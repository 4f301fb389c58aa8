"""The digest of code: comments wake nothing, a line wakes what imports it."""

import ast
import os
import pydoc
from pathlib import Path

import pytest

from stages import code


@pytest.fixture
def tree(tmp_path, monkeypatch):
    (tmp_path / "stages/lib").mkdir(parents=True)
    (tmp_path / "stages/__init__.py").write_text("")
    (tmp_path / "stages/lib/__init__.py").write_text("")
    (tmp_path / "stages/lib/a.py").write_text('"""Doc."""\n\n\ndef f():\n    """Doc."""\n    return 1\n')
    (tmp_path / "stages/lib/b.py").write_text("VALUE = 2\n")
    (tmp_path / "stages/one.py").write_text("def main():\n    from stages.lib.a import f\n\n    return f()\n")
    (tmp_path / "stages/two.py").write_text("from stages.lib import b\n\nprint(b.VALUE)\n")
    monkeypatch.setattr(code, "ROOT", tmp_path)
    return tmp_path


def test_comment_docstring_and_layout_wake_nothing(tree):
    before = code.digest("stages.one")
    (tree / "stages/lib/a.py").write_text('"""Other."""\n\n\ndef f():\n    """More."""\n    # why\n    return (1)\n')
    assert code.digest("stages.one") == before


def test_a_line_wakes_exactly_what_imports_it(tree):
    before = code.digest("stages.one"), code.digest("stages.two")
    (tree / "stages/lib/a.py").write_text("def f():\n    return 3\n")
    after = code.digest("stages.one"), code.digest("stages.two")
    assert before[0] != after[0] and before[1] == after[1]


def test_what_is_known_of_a_file_holds_until_it_changes(tree):
    (tree / ".snakemake").mkdir()
    for path in tree.rglob("*.py"):
        os.utime(path, (1e9, 1e9))
    before = code.digest("stages.two")
    code._memory.cache_clear()
    memory = code._memory(tree)
    known = sorted(Path(name).name for name in memory if name != "maker")
    assert known == ["__init__.py", "__init__.py", "b.py", "two.py"]
    assert code.digest("stages.two") == before
    (tree / "stages/lib/b.py").write_text("VALUE = 3\n")
    os.utime(tree / "stages/lib/b.py", (1e9 + 1, 1e9 + 1))
    assert code.digest("stages.two") != before


def test_recipes_do_not_wake_each_other():
    names = [f"stages.recipes.{name}" for name in ("probe", "cmgi", "gmp")]
    found = set()
    for name in names:
        waiting, seen = [name], set()
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += code._imports(module)
        assert not (set(names) - {name}) & seen
        found |= seen
    assert "stages.models.dense" in found


def test_what_benches_and_claims_name_of_the_package_exists():
    root, missing = Path(__file__).parents[2], []
    for path in sorted((*root.glob("tests/bench/*.py"), *root.glob("tests/claims/*.py"))):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        imports = [n for n in nodes if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("stages")]
        names = {alias.asname or alias.name: f"{n.module}.{alias.name}" for n in imports for alias in n.names}
        used = [n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
        asked = set(names.values()) | {f"{names[n.value.id]}.{n.attr}" for n in used if n.value.id in names}
        missing += [f"{path.name}: {name}" for name in sorted(asked) if pydoc.locate(name) is None]
    assert not missing
