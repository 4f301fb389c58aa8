"""The digest of code: comments wake nothing, a line wakes what imports it."""

import ast
import os
import pydoc
from pathlib import Path

import pytest

from stages.runtime import code_digest

A = """\
\"\"\"Doc.\"\"\"

from ..runtime.errors import UserError
from ..runtime.reporting import log, progress


class Section:
    size: int = setting("how large", ge=1)


def f(parser, items):
    \"\"\"Doc.\"\"\"
    log.info("begins")
    parser.add_argument("--size", help="how large", default=1)
    for item in progress(items, "working"):
        if item < 0:
            raise UserError(f"{item}: below 0; give more")
    return 1
"""


def digest(*modules: str) -> str:
    """The digest of what lies there now."""
    code_digest.look_again()
    return code_digest.digest(*modules)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    package = tmp_path / "stages"
    for name in ("", "lib", "runtime"):
        (package / name).mkdir(parents=True, exist_ok=True)
        (package / name / "__init__.py").write_text("")
    (package / "lib/a.py").write_text(A)
    (package / "lib/b.py").write_text("VALUE = 2\n")
    (package / "runtime/errors.py").write_text("class UserError(Exception):\n    pass\n")
    (package / "runtime/reporting.py").write_text("log = None\n")
    (package / "one.py").write_text("def main():\n    from .lib.a import f\n\n    return f()\n")
    (package / "two.py").write_text("from .lib import b\n\nprint(b.VALUE)\n")
    monkeypatch.setattr(code_digest, "PACKAGE", package)
    return package


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Doc."""', '"""Other words."""'),
        ("    return 1", "    # why\n    return (1)"),
        ('log.info("begins")', 'log.info("starts with %d items", len(items))'),
        ('log.info("begins")', 'log.debug("begins")'),
        ("below 0; give more", "negative; give a larger one"),
        ('help="how large"', 'help="how very large"'),
        ('setting("how large"', 'setting("the size"'),
        ('"working"', '"busy"'),
    ],
)
def test_words_and_layout_wake_nothing(tree, old, new):
    before = digest("one")
    assert old in A
    (tree / "lib/a.py").write_text(A.replace(old, new))
    assert digest("one") == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return 1", "return 2"),
        ("if item < 0", "if item < 1"),
        ("default=1", "default=2"),
        ("ge=1", "ge=2"),
        ("raise UserError(", "raise ValueError("),
        ("progress(items,", "progress(items[1:],"),
    ],
)
def test_what_can_change_a_result_wakes(tree, old, new):
    before = digest("one")
    assert old in A
    (tree / "lib/a.py").write_text(A.replace(old, new))
    assert digest("one") != before


def test_a_line_wakes_exactly_what_imports_it(tree):
    before = digest("one"), digest("two")
    (tree / "lib/a.py").write_text("def f():\n    return 3\n")
    after = digest("one"), digest("two")
    assert before[0] != after[0] and before[1] == after[1]


def test_a_process_takes_the_package_as_it_first_found_it(tree):
    before = digest("one"), digest("two")
    (tree / "lib/b.py").write_text("VALUE = 3\n")
    assert (code_digest.digest("one"), code_digest.digest("two")) == before
    assert digest("one") == before[0] and digest("two") != before[1]


def test_a_module_goes_before_a_package_of_its_name(tree):
    before = digest("two")
    (tree / "lib/b").mkdir()
    (tree / "lib/b/__init__.py").write_text("VALUE = 4\n")
    assert digest("two") == before
    (tree / "lib/b.py").unlink()
    assert digest("two") != before


def test_an_edit_of_a_template_wakes_what_imports_its_package(tree):
    (tree / "one.py").write_text("from .pages import page\n")
    (tree / "pages/templates/parts").mkdir(parents=True)
    (tree / "pages/__init__.py").write_text("")
    (tree / "pages/page.py").write_text("")
    (tree / "pages/templates/page.html.j2").write_text("<p>{{ words }}</p>")
    before = digest("one"), digest("two")
    (tree / "pages/templates/page.html.j2").write_text("<b>{{ words }}</b>")
    edited = digest("one")
    (tree / "pages/templates/parts/style.css").write_text("b {}")
    added = digest("one")
    (tree / "pages/notes.txt").write_text("not a template")
    assert len({before[0], edited, added}) == 3
    assert (digest("one"), digest("two")) == (added, before[1])


def test_an_edit_of_a_runtime_module_wakes_nothing(tree):
    before = digest("one")
    (tree / "runtime/reporting.py").write_text("log = print\n")
    assert digest("one") == before


def test_runtime_modules_compute_nothing():
    """They import no numeric library and nothing of ours but each other: no result can depend on them."""
    for module in code_digest.RUNTIME:
        tree = ast.parse(code_digest._files(code_digest.PACKAGE)[module].read_text())
        names = {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
        names |= {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and not n.level}
        assert not names & {"numpy", "torch", "pandas", "scipy", "sklearn", "h5py", "soundfile"}, module
        ours = {name for name in code_digest._imports(code_digest.PACKAGE, module) if name not in ("runtime", "config")}
        assert ours <= set(code_digest.RUNTIME), module


def test_what_is_known_of_a_file_holds_until_it_changes(tree):
    (tree.parent / ".snakemake").mkdir()
    for path in tree.rglob("*.py"):
        os.utime(path, (1e9, 1e9))
    before = digest("two")
    code_digest._memory.cache_clear()
    memory = code_digest._memory(tree.parent)
    known = sorted(Path(name).name for name in memory if name != "maker")
    assert known == ["__init__.py", "b.py", "two.py"]
    assert digest("two") == before
    (tree / "lib/b.py").write_text("VALUE = 3\n")
    os.utime(tree / "lib/b.py", (1e9 + 1, 1e9 + 1))
    assert digest("two") != before


def test_recipes_do_not_wake_each_other():
    names = [f"recipes.{name}" for name in ("probe", "cmgi", "gmp")]
    found = set()
    for name in names:
        waiting, seen = [name], set()
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += code_digest._imports(code_digest.PACKAGE, module)
        assert not (set(names) - {name}) & seen
        found |= seen
    assert "models.dense" in found


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
