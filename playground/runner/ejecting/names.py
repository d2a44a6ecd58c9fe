"""Finds the names that a definition uses, and removes parameters that it no longer uses."""

from __future__ import annotations

import ast
import copy
import dis
from collections.abc import Iterator
from types import CodeType
from typing import Any

_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")


def free_names(node: ast.stmt) -> set[str]:
    """Return the names that a definition takes from its module or from Python.

    Python's own compiler decides what is global: it knows every scope, comprehension and annotation. The names are read
    from the bytecode of the definition and of all functions inside it.
    """
    module = ast.fix_missing_locations(ast.Module([copy.deepcopy(node)], []))
    code = compile(module, "<definition>", "exec", dont_inherit=True)
    own = {getattr(node, "name", "")}
    return {
        instruction.argval
        for each in _walk_codes(code)
        for instruction in dis.get_instructions(each)
        if instruction.opname in _GLOBAL
    } - own


def _walk_codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _walk_codes(constant)


def read_names(node: ast.AST) -> set[str]:
    """Return all names that are read anywhere in a node."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}


def parameter_names(function: ast.FunctionDef) -> list[str]:
    """Return the names of a function's parameters, positional parameters first."""
    arguments = function.args
    return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def remove_parameters(function: ast.FunctionDef, names: set[str]) -> None:
    """Remove parameters and their defaults from a function."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    kept = [pair for pair in zip(positional, defaults, strict=True) if pair[0].arg not in names]
    arguments.posonlyargs, arguments.args = [], [argument for argument, _ in kept]
    arguments.defaults = [default for _, default in kept if default is not None]
    pairs = list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    arguments.kwonlyargs = [argument for argument, _ in pairs if argument.arg not in names]
    arguments.kw_defaults = [default for argument, default in pairs if argument.arg not in names]


class Substitution(ast.NodeTransformer):
    """Replaces names by expressions."""

    def __init__(self, values: dict[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> Any:
        """Return the expression for a name that is read."""
        if isinstance(node.ctx, ast.Load) and node.id in self._values:
            return copy.deepcopy(self._values[node.id])
        return node
