"""The definitions that a program needs, followed from name to name across modules."""

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
"""Names that the program itself uses."""

DISPLAY_METHODS = ("extra_repr", "__repr__", "__str__")
"""Methods of a module that only show it."""


class Definitions:
    """Collects definitions; `take` returns those that are new, each after what it uses."""

    def __init__(self) -> None:
        self.imports: dict[str, str] = {}
        self._nodes: dict[str, ast.stmt] = {}
        self._origins: dict[str, str] = {}
        self._order: list[str] = []
        self._tables: dict[str, str] = {}
        self._words: set[str] = set()
        self._callees: dict[tuple[str, str], ast.FunctionDef | None] = {}

    def refer(self, target: Any, kind: str, options: Mapping[str, Any]) -> tuple[str, set[str] | None]:
        """Make a class or function available.

        :param kind: what it is for, in case that its name is taken.
        :param options: what it is called with; texts and truth values are written into it, and are no parameters then.
        :returns: what it is called in the program, and the parameters that it still has; None where it takes any.
        :raises PlaygroundError: it has no source that could stand in a program of its own.
        """
        if not inspect.isfunction(target) and not inspect.isclass(target):
            raise PlaygroundError(f"it is made by a {type(target).__name__}, not by a class or a function with a name")
        module, name = target.__module__, target.__qualname__
        if module not in sys.modules:
            raise PlaygroundError(f"{name} belongs to no module, and so has no source")
        if is_standalone(module):
            return self._foreign(module, name, target), None
        if "." in name or getattr(sys.modules.get(module), name, None) is not target:
            raise PlaygroundError(
                f"{name} of module {module_label(module)} is made inside another function, and has no source alone"
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
        """Add a definition, after everything that it uses.

        :param uses: the module of each name that it uses, where that is not its own.
        :raises PlaygroundError: its name is taken by another, or by the program.
        """
        if name in self._nodes:
            if self._origins[name] != module:
                first, second = module_label(self._origins[name]), module_label(module)
                raise PlaygroundError(f"{name!r} is defined by {first} and by {second}; rename one of them")
            return
        if name in RESERVED_NAMES:
            raise PlaygroundError(
                f"{name!r} of module {module_label(module)} has a name that the program itself uses; rename it"
            )
        self._nodes[name], self._origins[name] = node, module
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and _has_words_as_keys(node):
            self._tables[name] = module  # what it holds is known when everything else is there
        else:
            for used in sorted(free_names(node)):
                self.need({used}, (uses or {}).get(used, module))
        self._order.append(name)

    def need(self, names: set[str], module: str) -> None:
        """Make names of a module available.

        :raises PlaygroundError: one cannot stand in a program of its own.
        """
        source = read_source(module)
        for name in sorted(names):
            if name in source.definitions:
                self.add(name, module, self._prepared(source, name))
            elif name in source.imports:
                self._imported(name, source)
            elif not hasattr(builtins, name):
                raise PlaygroundError(f"{name!r} of module {module_label(module)} is defined nowhere at its top")

    def take(self) -> str:
        """Return the definitions that are new since the last call, as text."""
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
            raise PlaygroundError(f"module {user} uses {imported.line!r}, a whole module")
        if name != imported.attribute:
            raise PlaygroundError(f"module {user} uses {imported.line!r}, by another name")
        self.need({name}, imported.module)

    def _import(self, name: str, line: str) -> None:
        if self.imports.setdefault(name, line) != line:
            raise PlaygroundError(f"{name!r} is {self.imports[name]!r} and {line!r}; rename one of them")

    def _foreign(self, module: str, name: str, target: Any) -> str:
        """Return how a class of an installed package is called; one of `torch.optim` as everybody calls it."""
        package = module.rpartition(".")[0]
        if getattr(sys.modules.get(package), name, None) is target:
            module = package
        if module.partition(".")[0] == "torch":
            self._import("torch", "import torch")
            return f"{module}.{name}"
        self._import(name, f"from {module} import {name}")
        return name

    def _prepared(self, source: ModuleSource, name: str) -> Any:
        """Return a definition as it stands in a program: stripped, and without what stripping left unused."""
        node = strip_definition(source.definitions[name], source)
        for function in [each for each in ast.walk(node) if isinstance(each, ast.FunctionDef)]:
            self._without_checks(function, source)
        if isinstance(node, ast.FunctionDef):
            drop_unused_names(node, source.definitions[name])  # type: ignore[arg-type]  # stripping keeps the kind
        if isinstance(node, ast.ClassDef):
            node.body = [each for each in node.body if getattr(each, "name", "") not in DISPLAY_METHODS] or [ast.Pass()]
        return node

    def _without_checks(self, function: ast.FunctionDef, source: ModuleSource) -> None:
        """Drop calls of what does nothing but check, and arguments that nobody reads any more."""
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
        """Return a called function of ours as it was and as it is now."""
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
            self._callees[key] = None  # a function that calls itself is not asked about itself
            self._callees[key] = self._prepared(source, name)
        now = self._callees[key]
        return None if now is None else (node, now)

    def _keep_words(self, name: str) -> None:
        """Keep of a table whose keys are a scenario's words those that the program says."""
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
