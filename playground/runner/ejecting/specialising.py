"""Writes a scenario's options into a definition, and removes what is unused afterwards.

Options that are texts, booleans or None choose between branches; `folding.py` then removes the branches not taken.
Numbers stay parameters, so that a reader can change them where the component is called.
"""

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
    """Remove local names and parameters that only removed code read.

    :param node: the function after stripping; changed in place.
    :param before: the function before; a name that it did not read either is kept.
    """
    once = {name for name in read_names(before) if name not in read_names(node)}
    node.body = [
        each
        for each in node.body
        if not (isinstance(each, ast.Assign) and all(isinstance(t, ast.Name) and t.id in once for t in each.targets))
    ] or [ast.Pass()]
    once = {name for name in read_names(before) if name not in read_names(node)}
    remove_parameters(node, once & set(parameter_names(node)))


def remove_arguments(call: ast.Call, before: ast.FunctionDef, now: ast.FunctionDef) -> None:
    """Remove the arguments of a call that belong to removed parameters.

    :param before: the called function before the removal, and `now` after it.
    """
    gone = set(parameter_names(before)) - set(parameter_names(now))
    if not gone:
        return
    names = parameter_names(before)
    call.args = [argument for argument, name in zip(call.args, names, strict=False) if name not in gone]
    call.keywords = [keyword for keyword in call.keywords if keyword.arg not in gone]


def specialise(node: Any, source: ModuleSource, options: Mapping[str, Any]) -> set[str] | None:
    """Write options that are texts, booleans or None into a definition, in place.

    :param node: a function, or a class, whose `__init__` is specialised.
    :returns: the parameters that are left; None if the definition stays as it is, because it takes any keyword or has
        no constructor.
    """
    function = node
    if isinstance(node, ast.ClassDef):
        function = next((each for each in node.body if getattr(each, "name", "") == "__init__"), None)
    if not isinstance(function, ast.FunctionDef):
        return None
    if function.args.kwarg is not None:
        return None
    # A parameter that the body assigns to is not the option any more after that, so it is no constant.
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
    """Replaces `TABLE["word"]` by the entry of a dictionary at the module's top level."""

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
    """Remove attributes that hold a constant and are never read: the constructor stored an option in them."""
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
