"""Reads a factory's docstring from its source, because importing torch takes seconds, too long for a listing."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path

from playground.plugins.docstring import docstring_summary
from playground.plugins.registry import Component

MAX_IMPORTS = 5
"""Maximum number of imports to follow from a name to its definition."""


def component_summary(component: Component) -> str:
    """Return the first paragraph about a component on one line; empty if its source has no docstring.

    A component that is registered by reference is not imported.
    """
    if not isinstance(component.factory, str):
        return component.summary()
    module, _, attribute = component.factory.partition(":")
    return docstring_summary(_docstring(module, attribute, MAX_IMPORTS))


def _docstring(module: str, name: str, imports: int) -> str:
    """Return the docstring of a class or function at the top of a module, or of the module it comes from."""
    file = _source_file(module)
    if file is None or not imports:
        return ""
    for node in _tree(file).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node) or ""
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _docstring(_absolute_module(node, module, file), alias.name, imports - 1)
    return ""


def _absolute_module(node: ast.ImportFrom, module: str, file: Path) -> str:
    """Return the absolute name of the module that an import is from."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    parts = package[: len(package) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _source_file(module: str) -> Path | None:
    """Return the file of a module, found from its outermost package without importing any."""
    top, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    if not inner:
        return Path(spec.origin)
    path = Path(spec.origin).parent.joinpath(*inner)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def _tree(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ast.Module([], [])
