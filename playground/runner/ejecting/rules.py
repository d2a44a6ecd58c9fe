"""Writes an update rule as one small class: its numbers as attributes, and its methods with helpers inlined.

A rule of the playground serves thousands of runs at once, so its fields may be tensors, its options are fields, and
shared formulas are helper functions. In a program of one run all of these are fixed. The class therefore gets no base
class and no constructor; options and zero factors are decided, and a helper of one expression is written where it is
called.

The invariant: no expression is computed twice or in another order than in the rule. `_can_inline` refuses to inline
where that could happen; the helper then stays a function.
"""

from __future__ import annotations

import ast
import copy
import inspect
import sys
from collections.abc import Mapping
from typing import Any

from playground.core.update import UpdateRule
from playground.errors import PlaygroundError
from playground.plugins.docstring import own_docstring, parameter_descriptions
from playground.runner.ejecting.definitions import Definitions
from playground.runner.ejecting.folding import fold
from playground.runner.ejecting.literals import literal
from playground.runner.ejecting.modules import ModuleSource, is_standalone, read_source
from playground.runner.ejecting.names import Substitution, free_names, parameter_names
from playground.runner.ejecting.specialising import body_of
from playground.runner.ejecting.stripping import docstring_statement, plain_docstring, strip_definition

LOOP_CALLS = ("init", "update")
"""Methods that the loop calls; all other methods are written only if these use them."""


def add_rule_class(rule: UpdateRule, definitions: Definitions) -> str:
    """Add the class of a rule with this rule's numbers, and return the name of the class.

    :raises PlaygroundError: the rule cannot be written out.
    """
    kind = type(rule)
    methods = _collect_methods(rule)
    values = {name: value for name, value in inspect.getmembers(rule) if not callable(value)}
    read = {
        each.attr
        for method, _ in methods.values()
        for each in ast.walk(method)
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "self"
    }
    attributes = {name: values[name] for name in values if name in read - set(methods) or name == "lr"}
    ordered = {name: attributes[name] for name in sorted(attributes, key=_attribute_order(rule))}
    for name in ordered:
        literal(ordered[name])  # raises if a value cannot be written
    body = [_rule_docstring(kind), *_attribute_statements(kind, ordered), *(method for method, _ in methods.values())]
    node = ast.ClassDef(kind.__name__, [], [], body, [])
    if sys.version_info >= (3, 12):
        node.type_params = []
    # An inlined expression uses the names of the helper's module. The first module in the order of inlining wins.
    uses = {
        name: source.module.__name__
        for method, sources in methods.values()
        for name in free_names(method)
        for source in reversed(sources)
        if name in source.definitions or name in source.imports
    }
    definitions.add(kind.__name__, kind.__module__, node, uses)
    return kind.__name__


def _attribute_order(rule: UpdateRule) -> Any:
    names = list(getattr(rule, "__dataclass_fields__", ())) or list(vars(rule))
    return lambda name: (name != "lr", names.index(name) if name in names else len(names), name)


def _rule_docstring(kind: type) -> ast.Expr:
    """Return the docstring of the class, with its formula."""
    text = plain_docstring(own_docstring(kind) or f"The update rule {kind.__name__}.")
    formula = getattr(kind, "formula", ())
    if formula:
        first, _, rest = text.partition("\n\n")
        lines = "\n".join(f"    {line}" for line in formula)
        text = "\n\n".join(
            part for part in (first, f"In full, for each parameter p with gradient g:\n\n{lines}", rest) if part
        )
    return docstring_statement(text, 4)


def _attribute_statements(kind: type, values: Mapping[str, Any]) -> list[ast.stmt]:
    """Return an assignment for each number, with its description as a comment."""
    descriptions = parameter_descriptions(kind)
    nodes: list[ast.stmt] = []
    for name, value in values.items():
        node = ast.parse(f"{name} = {literal(value)}").body[0]
        if descriptions.get(name):
            node._comments = [f"# {descriptions[name].rstrip('.')}"]  # type: ignore[attr-defined]
        nodes.append(node)
    return nodes


def _collect_methods(rule: UpdateRule) -> dict[str, tuple[ast.FunctionDef, list[ModuleSource]]]:
    """Return `init`, `update` and the methods that they use, with helpers and options written in.

    :returns: by name, each method with the modules whose names it uses.
    """
    found: dict[str, tuple[ast.FunctionDef, list[ModuleSource]]] = {}
    waiting = list(LOOP_CALLS)
    while waiting:
        name = waiting.pop(0)
        if name in found or not callable(getattr(type(rule), name, None)):
            continue
        node, source = _find_method(type(rule), name)
        sources = [source]
        node = fold(_Inliner(sources, rule).visit(node))
        found[name] = node, sources
        waiting += [
            each.attr
            for each in ast.walk(node)
            if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "self"
        ]
    # The state of a rule without memory is always empty, which decides `if not state` in its `update`.
    if [ast.unparse(each) for each in body_of(found["init"][0])] == ["return {}"]:
        update = found["update"][0]
        state = parameter_names(update)[3]
        found["update"] = fold(_StatelessFolder(state).visit(update)), found["update"][1]
    return found


def _find_method(kind: type, name: str) -> tuple[ast.FunctionDef, ModuleSource]:
    for owner in kind.__mro__:
        if name in vars(owner):
            source = read_source(owner.__module__)
            definition = _find_definition(owner, source)
            for node in getattr(definition, "body", []):
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    if any(isinstance(each, ast.Name) and each.id == "super" for each in ast.walk(node)):
                        raise PlaygroundError(f"{owner.__name__}.{name} calls super()")
                    for outer in _closure_names(vars(owner)[name]):
                        raise PlaygroundError(f"{owner.__name__}.{name} uses {outer!r} of the function around it")
                    made = strip_definition(node, source)
                    if ast.get_docstring(made) is not None:
                        made.body[0] = docstring_statement(plain_docstring(ast.get_docstring(node) or ""), 8)
                    return made, source
            break
    raise PlaygroundError(f"{kind.__name__}.{name} has no definition in the source of its class")


def _closure_names(method: Any) -> tuple[str, ...]:
    """Return the variables that a method takes from a function around its class; also of static and class methods."""
    function = inspect.unwrap(getattr(method, "__func__", method))
    return getattr(getattr(function, "__code__", None), "co_freevars", ())


def _find_definition(kind: type, source: ModuleSource) -> ast.stmt | None:
    """Return the definition of a class, at the top level of its module or inside a function or class."""
    top, *inner = [name for name in kind.__qualname__.split(".") if name != "<locals>"]
    node = source.definitions.get(top)
    for name in inner:
        within = getattr(node, "body", [])
        node = next((each for each in within if isinstance(each, ast.ClassDef) and each.name == name), None)
    return node


class _Inliner(ast.NodeTransformer):
    """Writes the rule's options, and helpers of one expression, into a method.

    Each transformation decides what is fixed for this run: a boolean or text field becomes a constant, a comparison of
    a number with 0 becomes true or false, `isinstance(self.lr, Tensor)` becomes false, and a helper's expression
    replaces its call. Numbers themselves stay attributes, so that a reader can change them in the program.
    """

    def __init__(self, sources: list[ModuleSource], rule: UpdateRule) -> None:
        self._sources, self._source, self._rule = sources, sources[-1], rule

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "self" and isinstance(node.ctx, ast.Load):
            value = getattr(self._rule, node.attr, None)
            if isinstance(value, bool | str):
                return ast.Constant(value)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Evaluate a comparison of a field with 0: a rule skips a term whose factor is zero."""
        self.generic_visit(node)
        left, right = node.left, node.comparators[0]
        if isinstance(left, ast.Attribute) and isinstance(right, ast.Constant) and len(node.ops) == 1:
            value = getattr(self._rule, left.attr, None) if ast.unparse(left.value) == "self" else None
            if isinstance(value, int | float) and right.value == 0:
                return fold(ast.Compare(ast.Constant(value), node.ops, [right]))  # type: ignore[no-any-return]
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if ast.unparse(node.func) == "isinstance" and ast.unparse(node.args[0]).startswith("self."):
            return ast.Constant(False) if ast.unparse(node.args[1]) in ("Tensor", "torch.Tensor") else node
        helper = self._helper(node)
        if helper is None:
            return node
        function, source = helper
        body = body_of(function)
        given = dict(zip(parameter_names(function), node.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        if not isinstance(body[0], ast.Return) or body[0].value is None or set(given) != set(parameter_names(function)):
            return node
        if not _can_inline(body[0].value, given):
            return node
        made = Substitution(given).visit(copy.deepcopy(body[0].value))
        self._sources.append(source)
        return fold(_Inliner(self._sources, self._rule).visit(made))  # type: ignore[no-any-return]

    def _helper(self, call: ast.Call) -> tuple[ast.FunctionDef, ModuleSource] | None:
        """Return the called function and its module, if its body is one statement."""
        if not isinstance(call.func, ast.Name) or any(isinstance(each, ast.Starred) for each in call.args):
            return None
        source, name = self._source, call.func.id
        if name in source.imports:
            imported = source.imports[name]
            if is_standalone(imported.module) or imported.module not in sys.modules:
                return None
            source, name = read_source(imported.module), imported.attribute
        node = source.definitions.get(name)
        if not isinstance(node, ast.FunctionDef) or node.args.vararg or node.args.kwarg:
            return None
        function = fold(strip_definition(node, source))
        body = body_of(function)
        return (function, source) if len(body) == 1 else None


def _can_inline(value: ast.expr, given: Mapping[str, ast.expr]) -> bool:
    """Tell whether arguments can replace parameters without computing anything twice or in another order.

    An argument that is computed may replace a parameter that is used once. At most one argument may contain a call,
    because the order of two calls could change. Lambdas and comprehensions are refused: their variables could hide a
    name.
    """
    if any(isinstance(each, ast.Lambda | ast.comprehension) for each in ast.walk(value)):
        return False
    uses = [each.id for each in ast.walk(value) if isinstance(each, ast.Name)]
    for name, argument in given.items():
        simple = not any(
            isinstance(each, ast.Call | ast.BinOp | ast.Subscript | ast.IfExp) for each in ast.walk(argument)
        )
        if uses.count(name) > 1 and not simple:
            return False
    return sum(any(isinstance(each, ast.Call) for each in ast.walk(argument)) for argument in given.values()) <= 1


class _StatelessFolder(ast.NodeTransformer):
    """Evaluates `if state` and `if not state` for a state that is always empty."""

    def __init__(self, state: str) -> None:
        self._state = state

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        if ast.unparse(node.test) == f"not {self._state}":
            node.test = ast.Constant(True)
        elif ast.unparse(node.test) == self._state:
            node.test = ast.Constant(False)
        return node
