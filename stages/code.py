"""The digest of a stage's code: its module and all of ours that it imports, without comments and docstrings."""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent


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
def _parsed(path: Path, mtime_ns: int) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(path.read_bytes(), str(path))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        body = getattr(node, "body", None)
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented or isinstance(body, list):
            kept = [b for b in body or [] if not _is_text(b)]
            if isinstance(body, list):
                node.body = kept or ([ast.Pass()] if body else [])
    text = ast.dump(tree, include_attributes=False)
    return hashlib.sha256(text.encode()).hexdigest(), tuple(n for n in names if n.split(".")[0] == "stages")


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _read(module: str) -> tuple[str, tuple[str, ...]]:
    path = _file(module)
    return _parsed(path, path.stat().st_mtime_ns) if path else ("", ())


def _content(module: str) -> str:
    return _read(module)[0]


def _imports(module: str) -> list[str]:
    inside = [name for name in _read(module)[1] if _file(name)]
    packages = [".".join(module.split(".")[:i]) for i in range(1, module.count(".") + 1)]
    return inside + packages
