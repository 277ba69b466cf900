"""Code digests: what a stage's result depends on beside its data.

The digest is taken of the syntax tree without comments, docstrings and annotations of layout, of the stage's module and
of every module of the same package that it imports, directly or not. Rewording a comment makes nothing stale; changing
a statement makes exactly the stages stale that can reach it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

__all__ = ["code_digest"]


def code_digest(*modules: str) -> str:
    """Return one digest of all named modules and of what they import from their own packages."""
    reached: dict[str, str] = {}
    for module in modules:
        _reach(module, reached)
    return hashlib.sha256(repr(sorted(reached.items())).encode()).hexdigest()


def _reach(module: str, reached: dict[str, str]) -> None:
    if module in reached:
        return
    read = _read(module)
    if read is None:
        return
    reached[module], imports = read
    for name in imports:
        _reach(name, reached)


@cache
def _read(module: str) -> tuple[str, tuple[str, ...]] | None:
    """Return a module's own digest and the modules of its package that it imports; None if it has no source."""
    found = _found(module)
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        return None
    tree = ast.parse(Path(found.origin).read_bytes())
    text = repr(_essence(tree))
    package = module if found.submodule_search_locations else module.rpartition(".")[0]
    return hashlib.sha256(text.encode()).hexdigest(), tuple(sorted(_imports(tree, package, module.partition(".")[0])))


@cache
def _found(module: str) -> ModuleSpec | None:
    """Return where a module is, or None if there is none; its packages are imported, the module itself is not."""
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


def _essence(node: object) -> object:
    """Return a syntax tree as nested tuples: no positions, no docstrings, no empty fields, no extra fields."""
    if isinstance(node, list):
        return tuple(_essence(item) for item in node if not _is_text(item) and not _is_type_only(item))
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, value) for name, value in ast.iter_fields(node) if name not in {"type_comment", "kind", "ctx"})
    return (type(node).__name__, *((name, _essence(value)) for name, value in fields if value not in (None, [])))


def _is_text(node: object) -> bool:
    """Say whether a statement is a string by itself: a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_type_only(node: object) -> bool:
    if not isinstance(node, ast.If) or node.orelse:
        return False
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imports(tree: ast.Module, package: str, top: str) -> set[str]:
    """Return the modules of the same top-level package that run-time code of a tree imports."""
    found: set[str] = set()
    for node in _runtime_nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            prefix = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*prefix, *([node.module] if node.module else [])])
            names = [alias.name for alias in node.names]
            inside = _modules_of(origin, names) if origin.partition(".")[0] == top else []
            found |= {f"{origin}.{name}" for name in inside}
            if len(inside) < len(names):  # else nothing of the package itself is used
                found.add(origin)
    return {name for name in found if name.partition(".")[0] == top}


def _modules_of(package: str, names: list[str]) -> list[str]:
    """Return which of the names are modules of a package; none if it is no package."""
    found = _found(package)
    if found is None or found.submodule_search_locations is None:
        return []
    return [name for name in names if _found(f"{package}.{name}") is not None]


def _runtime_nodes(tree: ast.AST) -> list[ast.AST]:
    nodes: list[ast.AST] = []
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        nodes.append(node)
        pending += [child for child in ast.iter_child_nodes(node) if not _is_type_only(child)]
    return nodes
