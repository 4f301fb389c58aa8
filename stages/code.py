"""The digest of a stage's code: its module and all of ours that it imports, without comments and docstrings."""

import ast
import hashlib
import json
import os
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETTLED_NS = 2_000_000_000


def digest(*modules: str) -> str:
    """One digest for ``modules`` (dotted names) and all that they import of ours, in functions too.

    An edit of a comment, a docstring or the layout leaves it as it is.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports(module)
    _keep()
    whole = hashlib.sha256()
    for module in sorted(found):
        whole.update(f"{module} {_content(module)}\n".encode())
    return whole.hexdigest()[:16]


def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _parsed(path: Path, changed_ns: int) -> tuple[str, list[str]]:
    """The digest of a file and what it imports of ours."""
    tree = ast.parse(path.read_bytes(), str(path))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    digest = hashlib.sha256(repr(_plain(tree)).encode()).hexdigest()
    return digest, [name for name in names if name.split(".")[0] == "stages"]


def _plain(node):
    """A syntax tree as nested tuples, without texts that stand alone and without what is empty.

    Fields that newer versions of Python add are empty in older code, so the digest is the same under each.
    """
    if isinstance(node, list):
        return tuple(_plain(item) for item in node if not _is_text(item))
    if isinstance(node, ast.AST):
        fields = ((name, _plain(value)) for name, value in ast.iter_fields(node) if value is not None and value != [])
        return type(node).__name__, *fields
    return node


def _is_text(node) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def _memory(root: Path) -> dict:
    """What earlier processes parsed in this work tree, by file: [size, time of change, digest, imports]."""
    maker = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    try:
        memory = json.loads((root / ".snakemake/parsed.json").read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        memory = {}
    return memory if memory.get("maker") == maker else {"maker": maker}


def _keep() -> None:
    """Write what was newly parsed beside Snakemake's own records, where it has any."""
    memory, place = _memory(ROOT), ROOT / ".snakemake"
    if memory.pop("new", False) and os.access(place, os.W_OK):
        partial = place / f"parsed.{os.getpid()}.json"
        partial.write_text(json.dumps(memory))
        partial.replace(place / "parsed.json")


def _read(module: str) -> tuple[str, list[str]]:
    path = _file(module)
    if not path:
        return "", []
    memory, status = _memory(ROOT), path.stat()
    found = memory.get(str(path), [])
    if found[:2] != [status.st_size, status.st_mtime_ns]:
        found = [status.st_size, status.st_mtime_ns, *_parsed(path, status.st_mtime_ns)]
        # a file that changed a moment ago may change again within the clock's grain
        if time.time_ns() - status.st_mtime_ns > SETTLED_NS:
            memory |= {str(path): found, "new": True}
    return found[2], found[3]


def _content(module: str) -> str:
    return _read(module)[0]


def _imports(module: str) -> list[str]:
    inside = [name for name in _read(module)[1] if _file(name)]
    packages = [".".join(module.split(".")[:i]) for i in range(1, module.count(".") + 1)]
    return inside + packages
