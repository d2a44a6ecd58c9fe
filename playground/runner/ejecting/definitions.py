"""Collects the definitions that a program needs, by following names across modules.

A definition enters the program only after every definition that it uses (`add` visits them first), so that the program
runs from top to bottom. All definitions share one namespace there, so two modules that define the same name are
refused.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Mapping
from typing import Any

from playground.errors import PlaygroundError
from playground.figures.text import module_label
from playground.runner.ejecting.modules import ModuleSource, is_standalone, read_source
from playground.runner.ejecting.names import free_names
from playground.runner.ejecting.specialising import body_of, drop_unused_names, remove_arguments, specialise
from playground.runner.ejecting.stripping import strip_definition
from playground.runner.ejecting.unparsing import unparse_definition

RESERVED_NAMES = frozenset(
    (
        *("model", "inputs", "targets", "parameters", "parameter", "gradients", "gradient", "rule", "states", "losses"),
        *("loss", "optimizer", "schedule", "group", "order", "chosen", "value", "last", "best", "limit"),
        *("point", "points", "variables", "rates", "rate", "norm", "scale", "torch", "predictions", "f", "rows"),
    )
)
"""Names of the variables in the program; a definition must not hide one of them."""

DISPLAY_METHODS = ("extra_repr", "__repr__", "__str__")
"""Methods that only display a module; the program does without them."""


class Definitions:
    """Collects definitions; `take` returns the new ones, each after the definitions that it uses."""

    def __init__(self) -> None:
        self.imports: dict[str, str] = {}
        self._nodes: dict[str, ast.stmt] = {}
        self._origins: dict[str, str] = {}
        self._order: list[str] = []
        self._tables: dict[str, str] = {}
        self._words: set[str] = set()
        self._callees: dict[tuple[str, str], ast.FunctionDef | None] = {}

    def refer(self, target: Any, kind: str, options: Mapping[str, Any]) -> tuple[str, set[str] | None]:
        """Add a class or function, and return how the program calls it.

        :param kind: the kind of component, which the new name contains if the program uses the old one.
        :param options: arguments by name. Texts, booleans and None are written into the definition, which loses these
            parameters.
        :returns: the name in the program, and the parameters that are left; None for any parameters.
        :raises PlaygroundError: there is no source that a stand-alone program can contain.
        """
        if not inspect.isfunction(target) and not inspect.isclass(target):
            raise PlaygroundError(f"a {type(target).__name__} makes it, not a class or a function with a name")
        module, name = target.__module__, target.__qualname__
        if module not in sys.modules:
            raise PlaygroundError(f"{name} belongs to no module, so it has no source")
        if is_standalone(module):
            return self._foreign(module, name, target), None
        if "." in name or getattr(sys.modules.get(module), name, None) is not target:
            raise PlaygroundError(
                f"{name} of module {module_label(module)} is defined inside a function and cannot be written alone"
            )
        self._words |= {value for value in _flatten(options.values()) if isinstance(value, str)}
        source = read_source(module)
        node = self._prepared(source, name)
        left = specialise(node, source, options)
        called = name
        if name in RESERVED_NAMES:
            called = node.name = f"{name}_{kind}" if name != kind else f"this_{kind}"
        self.add(called, module, node)
        return called, left

    def add(self, name: str, module: str, node: ast.stmt, uses: Mapping[str, str] | None = None) -> None:
        """Add a definition after everything that it uses.

        :param uses: the module of each used name that does not come from `module`.
        :raises PlaygroundError: another definition, or the program itself, has this name.
        """
        if name in self._nodes:
            if self._origins[name] != module:
                first, second = module_label(self._origins[name]), module_label(module)
                raise PlaygroundError(f"{name!r} is defined by {first} and by {second}; rename one of them")
            return
        if name in RESERVED_NAMES:
            raise PlaygroundError(
                f"{name!r} of module {module_label(module)} has the name of a variable of the program; rename it"
            )
        self._nodes[name], self._origins[name] = node, module
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and _has_words_as_keys(node):
            # Such a table maps a scenario's words to functions, and most words do not occur in the program. Its entries
            # are followed in `take`, when all words are known; otherwise each activation would bring in all others.
            self._tables[name] = module
        else:
            for used in sorted(free_names(node)):
                self.need({used}, (uses or {}).get(used, module))
        self._order.append(name)

    def need(self, names: set[str], module: str) -> None:
        """Add the definitions and imports of some names of a module; Python's own names need none.

        :raises PlaygroundError: a stand-alone program cannot contain one of them.
        """
        source = read_source(module)
        for name in sorted(names):
            if name in source.definitions:
                self.add(name, module, self._prepared(source, name))
            elif name in source.imports:
                self._imported(name, source)
            elif not hasattr(builtins, name):
                raise PlaygroundError(f"{name!r} is not defined at the top level of module {module_label(module)}")

    def take(self) -> str:
        """Return the definitions added since the last call, as text."""
        for name in [name for name in self._tables if name in self._order]:
            self._keep_words(name)
        order, self._order = self._order, []
        return "\n\n\n".join(unparse_definition(self._nodes[name]) for name in order)

    def _imported(self, name: str, source: ModuleSource) -> None:
        imported = source.imports[name]
        if is_standalone(imported.module):
            self._import(name, imported.line)
            return
        user = module_label(source.module.__name__)
        if not imported.attribute or f"{imported.module}.{imported.attribute}" in sys.modules:
            raise PlaygroundError(f"module {user} imports a whole module: {imported.line!r}")
        if name != imported.attribute:
            raise PlaygroundError(f"module {user} imports a definition under another name: {imported.line!r}")
        self.need({name}, imported.module)

    def _import(self, name: str, line: str) -> None:
        if self.imports.setdefault(name, line) != line:
            raise PlaygroundError(f"{name!r} has two meanings, {self.imports[name]!r} and {line!r}; rename one of them")

    def _foreign(self, module: str, name: str, target: Any) -> str:
        """Import a class of an installed package, and return its name in the program.

        The shortest public path is used: `torch.optim.Adam`, not `torch.optim.adam.Adam`.
        """
        package = module.rpartition(".")[0]
        if getattr(sys.modules.get(package), name, None) is target:
            module = package
        if module.partition(".")[0] == "torch":
            self._import("torch", "import torch")
            return f"{module}.{name}"
        self._import(name, f"from {module} import {name}")
        return name

    def _prepared(self, source: ModuleSource, name: str) -> Any:
        """Return a copy of a definition for the program.

        Stripping comes first. It can leave calls that only checked something, arguments of parameters that are gone,
        local names without a use and methods that display a module; these are removed after it, in this order.
        """
        node = strip_definition(source.definitions[name], source)
        for function in [each for each in ast.walk(node) if isinstance(each, ast.FunctionDef)]:
            self._without_checks(function, source)
        if isinstance(node, ast.FunctionDef):
            drop_unused_names(node, source.definitions[name])  # type: ignore[arg-type]  # stripping keeps the kind
        if isinstance(node, ast.ClassDef):
            node.body = [each for each in node.body if getattr(each, "name", "") not in DISPLAY_METHODS] or [ast.Pass()]
        return node

    def _without_checks(self, function: ast.FunctionDef, source: ModuleSource) -> None:
        """Remove calls of functions that stripping left empty, and arguments for parameters that it removed."""
        for body in [each.body for each in ast.walk(function) if isinstance(each, ast.FunctionDef | ast.If)]:
            kept = [each for each in body if not (isinstance(each, ast.Expr) and self._checks(each.value, source))]
            body[:] = kept or [ast.Pass()]
        for call in [each for each in ast.walk(function) if isinstance(each, ast.Call)]:
            callee = self._callee(call, source)
            if callee is not None:
                remove_arguments(call, *callee)

    def _checks(self, call: ast.expr, source: ModuleSource) -> bool:
        callee = self._callee(call, source)
        return callee is not None and all(isinstance(each, ast.Pass) for each in body_of(callee[1]))

    def _callee(self, call: ast.expr, source: ModuleSource) -> tuple[ast.FunctionDef, ast.FunctionDef] | None:
        """Return the definition of a called playground or plugin function, before and after preparation."""
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            return None
        name = call.func.id
        if name in source.imports:
            imported = source.imports[name]
            if not imported.attribute or is_standalone(imported.module) or imported.module not in sys.modules:
                return None
            source, name = read_source(imported.module), imported.attribute
        node = source.definitions.get(name)
        if not isinstance(node, ast.FunctionDef):
            return None
        key = source.module.__name__, name
        if key not in self._callees:
            self._callees[key] = None  # ends the recursion for a function that calls itself
            self._callees[key] = self._prepared(source, name)
        now = self._callees[key]
        return None if now is None else (node, now)

    def _keep_words(self, name: str) -> None:
        """Reduce a table of words to the words that occur in the program, and add what its values use.

        The table and its values are placed before the definitions of this call, which use them.
        """
        node, module = self._nodes[name], self._tables.pop(name)
        words = self._words | {
            each.value
            for other in self._nodes.values()
            if other is not node
            for each in ast.walk(other)
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        }
        table: Any = node.value  # type: ignore[attr-defined]
        kept = [pair for pair in zip(table.keys, table.values, strict=True) if pair[0].value in words]
        table.keys, table.values = [key for key, _ in kept], [value for _, value in kept]
        self._order.remove(name)
        before = len(self._order)
        self.need(free_names(node), module)
        added = self._order[before:]
        self._order[:] = [*added, name, *self._order[:before]]


def _has_words_as_keys(node: ast.Assign) -> bool:
    keys = node.value.keys  # type: ignore[attr-defined]
    words = all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in keys)
    return words and getattr(node, "_annotated", "").startswith("Mapping[")


def _flatten(values: Any) -> list[Any]:
    return [item for value in values for item in (_flatten(value) if isinstance(value, list | tuple) else [value])]
