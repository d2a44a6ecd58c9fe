"""Reads a factory's summary and parameters from its source, because importing torch takes seconds."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple

from playground.plugins.docstring import docstring_summary
from playground.plugins.parameters import INJECTED_PARAMETERS, scenario_parameters
from playground.plugins.registry import Component

MAX_IMPORTS = 5
"""Maximum number of imports to follow from a name to its definition."""

MAX_BASES = 5
"""Classes through which inherited fields are followed."""


def component_summary(component: Component) -> str:
    """Return the first paragraph about a component on one line; empty if its source has no docstring.

    A component that is registered by reference is not imported.
    """
    if not isinstance(component.factory, str):
        return component.summary()
    module, _, attribute = component.factory.partition(":")
    found = _find_definition(module, attribute, MAX_IMPORTS)
    return docstring_summary((ast.get_docstring(found.node) if found else None) or "")


def component_parameters(component: Component) -> tuple[str, ...]:
    """Return the names of the parameters that a scenario may give to a component; none where its source is unknown.

    A component that is registered by reference is not imported.
    """
    if not isinstance(component.factory, str):
        return tuple(parameter.name for parameter in scenario_parameters(component))
    module, _, attribute = component.factory.partition(":")
    found = _find_definition(module, attribute, MAX_IMPORTS)
    names = _parameter_names(found, MAX_BASES) if found else []
    if component.kind == "dataset" and "generator" in names and "seed" not in names:
        names.append("seed")  # as `scenario_parameters` has it
    return tuple(name for name in names if name not in INJECTED_PARAMETERS[component.kind] and not name.startswith("_"))


class Definition(NamedTuple):
    """A class or function, and the module that defines it."""

    module: str
    node: ast.ClassDef | ast.FunctionDef


def _parameter_names(found: Definition, bases: int) -> list[str]:
    """Return the names of a function's parameters, of a constructor's, or of a dataclass's fields, inherited first."""
    node = found.node
    if isinstance(node, ast.FunctionDef):
        arguments = node.args
        return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return _parameter_names(Definition(found.module, each), bases)[1:]  # without self
    parents = [each.id for each in node.bases if isinstance(each, ast.Name)] if bases else []
    inherited = [_find_definition(found.module, each, MAX_IMPORTS) for each in parents]
    names = [name for base in inherited if base for name in _parameter_names(base, bases - 1)]
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and "ClassVar" not in ast.unparse(each)]
    names += [each.target.id for each in fields if isinstance(each.target, ast.Name)]
    return list(dict.fromkeys(names))


def _find_definition(module: str, name: str, imports: int) -> Definition | None:
    """Find a class or function at the top of a module, or in the module that it is imported from."""
    file = _source_file(module)
    if file is None or not imports:
        return None
    for node in _tree(file).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return Definition(module, node)
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _find_definition(_absolute_module(node, module, file), alias.name, imports - 1)
    return None


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
