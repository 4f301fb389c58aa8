"""The digest of a stage's code: its module and all of ours that it imports, without what cannot change a result.

Left out are comments, layout and docstrings; the words of log lines, errors, progress bars, descriptions of settings
and command-line help; and the modules of :data:`RUNTIME`, which run a job but have no part in what it computes.
What lies in the folder ``templates`` of an imported package counts as its code, byte for byte.

Modules are named from the package's own folder, ``recipes.gmp``, whatever name the package is installed under.
"""

import ast
import hashlib
import json
import os
import time
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
SETTLED_NS = 2_000_000_000
RUNTIME = (
    "config.settings",
    "runtime.code_digest",
    "runtime.declared_reads",
    "runtime.disk",
    "runtime.errors",
    "runtime.process",
    "runtime.reporting",
)
"""Modules that run a job and cannot change its result: settings count by their values, files by their bytes."""
_LOGGER = "log"
_WORDS = frozenset({"description", "epilog", "help", "metavar"})
"""Named arguments that hold words for people, in any call."""
_SPOKEN = {"setting": 0, "progress": 1}
"""Functions of ours that take words for people, and the position of that argument."""


def digest(*modules: str) -> str:
    """One digest for ``modules`` and all that they import of ours, in functions too.

    It is that of the files as they were when this process first asked for one of them; see :func:`look_again`.
    """
    return _digest(PACKAGE, modules)


def look_again() -> None:
    """Let this process see what has changed in the package since it first asked."""
    for seen in (_digest, _files, _read, _imports, _memory):
        seen.cache_clear()


@cache
def _digest(package: Path, modules: tuple[str, ...]) -> str:
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and module not in RUNTIME:
            found.add(module)
            waiting += _imports(package, module)
    _keep(package)
    whole = hashlib.sha256()
    for module in sorted(found):
        whole.update(f"{module} {_read(package, module)[0]}\n".encode())
        for path in _templates(package, module):
            whole.update(f"{path.relative_to(package)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()[:16]


def _templates(package: Path, module: str) -> list[Path]:
    """The files in a package's folder ``templates`` that are not Python; none of a module or where it has no such."""
    path = _files(package).get(module)
    if not path or path.name != "__init__.py":
        return []
    found = (path.parent / "templates").rglob("*")
    return sorted(one for one in found if one.is_file() and one.suffix not in (".py", ".pyc"))


@cache
def _files(package: Path) -> dict[str, Path]:
    """{module: its file}; where a module and a package share a name, the module's."""
    found: dict[str, Path] = {}
    for folder, _, names in os.walk(package):  # a folder before those below it
        inside = Path(folder).relative_to(package).parts
        for name in (name for name in names if name.endswith(".py")):
            path = (*inside, name.removesuffix(".py")) if name != "__init__.py" else inside
            found.setdefault(".".join(path), Path(folder, name))
    return found


def _parsed(package: Path, path: Path) -> tuple[str, list[str]]:
    """The digest of a file and what it imports of ours."""
    tree = ast.parse(path.read_bytes(), str(path))
    place = path.relative_to(package).parent.parts
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            start = [*place[: len(place) - node.level + 1], *(node.module.split(".") if node.module else ())]
            names += [".".join(start), *(".".join([*start, alias.name]) for alias in node.names)]
    digest = hashlib.sha256(repr(_plain(tree)).encode()).hexdigest()
    return digest, [name for name in names if name]


def _plain(node):
    """A syntax tree as nested tuples, without words for people and without what is empty.

    Fields that newer versions of Python add are empty in older code, so the digest is the same under each.
    """
    if isinstance(node, list):
        return tuple(_plain(item) for item in node if not _is_text(item) and not _is_log_line(item))
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        return "Raise", _plain(node.exc.func)
    if isinstance(node, ast.Call):
        return _call(node)
    if isinstance(node, ast.AST):
        fields = ((name, _plain(value)) for name, value in ast.iter_fields(node) if value is not None and value != [])
        return type(node).__name__, *fields
    return node


def _call(node: ast.Call):
    place = _SPOKEN.get(getattr(node.func, "id", getattr(node.func, "attr", "")))
    arguments = [argument for i, argument in enumerate(node.args) if i != place]
    named = [(k.arg, _plain(k.value)) for k in node.keywords if k.arg not in _WORDS]
    return "Call", _plain(node.func), _plain(arguments), tuple(named)


def _is_text(node) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_log_line(node) -> bool:
    """Whether a statement is a call such as ``log.info(...)``."""
    call = node.value if isinstance(node, ast.Expr) else None
    owner = getattr(call.func, "value", None) if isinstance(call, ast.Call) else None
    return isinstance(owner, ast.Name) and owner.id == _LOGGER


@cache
def _memory(root: Path) -> dict:
    """What earlier processes parsed in this work tree, by file: [size, time of change, digest, imports]."""
    maker = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    try:
        memory = json.loads((root / ".snakemake/parsed.json").read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        memory = {}
    return memory if memory.get("maker") == maker else {"maker": maker}


def _keep(package: Path) -> None:
    """Write what was newly parsed beside Snakemake's own records, where it has any."""
    memory, place = _memory(package.parent), package.parent / ".snakemake"
    if memory.pop("new", False) and os.access(place, os.W_OK):
        partial = place / f"parsed.{os.getpid()}.json"
        partial.write_text(json.dumps(memory))
        partial.replace(place / "parsed.json")


@cache
def _read(package: Path, module: str) -> tuple[str, list[str]]:
    path = _files(package).get(module)
    if not path:
        return "", []
    memory, status = _memory(package.parent), path.stat()
    found = memory.get(str(path), [])
    if found[:2] != [status.st_size, status.st_mtime_ns]:
        found = [status.st_size, status.st_mtime_ns, *_parsed(package, path)]
        # a file that changed a moment ago may change again within the clock's grain
        if time.time_ns() - status.st_mtime_ns > SETTLED_NS:
            memory |= {str(path): found, "new": True}
    return found[2], found[3]


@cache
def _imports(package: Path, module: str) -> list[str]:
    inside = [name for name in _read(package, module)[1] if name in _files(package)]
    packages = [".".join(module.split(".")[:i]) for i in range(1, module.count(".") + 1)]
    return inside + packages
