"""Fits a definition to this one scenario: its options written in, and what that leaves without use left out."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping
from typing import Any

from playground.runner.ejecting.folding import fold
from playground.runner.ejecting.modules import ModuleSource
from playground.runner.ejecting.names import Substitution, parameter_names, read_names, remove_parameters


def body_of(function: ast.FunctionDef) -> list[ast.stmt]:
    """Return a function's statements without its docstring."""
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def drop_unused_names(node: ast.FunctionDef, before: ast.FunctionDef) -> None:
    """Drop local names and parameters that stripping left without use."""
    once = {name for name in read_names(before) if name not in read_names(node)}
    node.body = [
        each
        for each in node.body
        if not (isinstance(each, ast.Assign) and all(isinstance(t, ast.Name) and t.id in once for t in each.targets))
    ] or [ast.Pass()]
    once = {name for name in read_names(before) if name not in read_names(node)}
    remove_parameters(node, once & set(parameter_names(node)))


def remove_arguments(call: ast.Call, before: ast.FunctionDef, now: ast.FunctionDef) -> None:
    """Leave out of a call what the function does not take any more."""
    gone = set(parameter_names(before)) - set(parameter_names(now))
    if not gone:
        return
    names = parameter_names(before)
    call.args = [argument for argument, name in zip(call.args, names, strict=False) if name not in gone]
    call.keywords = [keyword for keyword in call.keywords if keyword.arg not in gone]


def specialise(node: Any, source: ModuleSource, options: Mapping[str, Any]) -> set[str] | None:
    """Write options that are texts or truth values into a definition; return the parameters that it still has."""
    function = node
    if isinstance(node, ast.ClassDef):
        function = next((each for each in node.body if getattr(each, "name", "") == "__init__"), None)
    if not isinstance(function, ast.FunctionDef):
        return None
    if function.args.kwarg is not None:
        return None
    stored = {each.id for each in ast.walk(function) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    fixed = {
        name: options[name]
        for name in parameter_names(function)
        if name in options and (isinstance(options[name], str | bool) or options[name] is None) and name not in stored
    }
    constants: dict[str, ast.expr] = {name: ast.Constant(value) for name, value in fixed.items()}
    for index, statement in enumerate(function.body):
        function.body[index] = _TableLookup(source).visit(Substitution(constants).visit(statement))
    remove_parameters(function, set(fixed))
    fold(function)
    if isinstance(node, ast.ClassDef):
        _drop_dead_attributes(node, function)
    return set(parameter_names(function))


class _TableLookup(ast.NodeTransformer):
    """Looks constants up in tables at the module's top."""

    def __init__(self, source: ModuleSource) -> None:
        self._source = source

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Constant):
            table = getattr(self._source.definitions.get(node.value.id), "value", None)
            for key, value in zip(getattr(table, "keys", []), getattr(table, "values", []), strict=True):
                if isinstance(key, ast.Constant) and key.value == node.slice.value:
                    return copy.deepcopy(value)  # type: ignore[no-any-return]
        return node


def _drop_dead_attributes(node: ast.ClassDef, constructor: ast.FunctionDef) -> None:
    """Drop attributes that only say what the options were."""
    read = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Load)}
    constructor.body = [
        each
        for each in constructor.body
        if not (
            isinstance(each, ast.Assign)
            and isinstance(each.value, ast.Constant)
            and isinstance(each.targets[0], ast.Attribute)
            and each.targets[0].attr not in read
        )
    ] or [ast.Pass()]
