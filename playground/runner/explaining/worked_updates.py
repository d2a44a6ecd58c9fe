"""The update of one entry of a parameter, written out with its numbers from the formula that its rule declares.

The formula is partially evaluated first: a term whose factor is a setting of 0 is left out, and so is a choice that a
setting or the step decides. What remains is computed in float64 and held against the step that was made.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from playground.runner.explaining.worked_arithmetic import MAX_DIGITS, NumberWriter, Scope, write_terms

if TYPE_CHECKING:
    from torch import Tensor

_OPERATORS: Final[Mapping[type, Callable[[float, float], float]]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b if b else math.copysign(math.inf, a) if a else math.nan,
    ast.Pow: lambda a, b: a**b,
}

_COMPARISONS: Final[Mapping[type, Callable[[float, float], bool]]] = {
    ast.Gt: lambda a, b: a > b,
    ast.Lt: lambda a, b: a < b,
    ast.GtE: lambda a, b: a >= b,
    ast.LtE: lambda a, b: a <= b,
}

_FUNCTIONS: Final[Mapping[str, Callable[..., float]]] = {
    "sqrt": lambda x: math.sqrt(x) if x >= 0 else math.nan,
    "abs": abs,
    "max": max,
    "min": min,
    "sign": lambda x: float((x > 0) - (x < 0)),
}

_PRECEDENCE: Final[Mapping[type, int]] = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 2, ast.Pow: 4}
_SIGNS: Final[Mapping[type, str]] = {ast.Add: " + ", ast.Sub: " − ", ast.Mult: "·", ast.Div: " / "}


class UnreadableUpdateError(ValueError):
    """The formula is not in the language of formulas of update rules."""


@dataclass
class FormulaLine:
    """One assignment of an update.

    :param numbers: what its names stood for.
    """

    target: str
    expression: ast.expr
    value: float
    numbers: Mapping[str, float]

    @property
    def formula(self) -> str:
        """As the rule declares it, without what is off."""
        return f"{self.target} = {ast.unparse(self.expression)}".replace(" ** ", "**")

    def write(self, scope: Scope) -> str:
        """Return it with its numbers: `m = 0.9·0 + (1 − 0.9)·0.2 = 0.02`; empty where it is no arithmetic."""
        import torch

        moved = abs(self.value - self.numbers.get(self.target, self.value))
        if self.target == "p" and 0 < moved < math.inf:  # as many decimals as it takes to see the move
            scope = replace(scope, digits=min(MAX_DIGITS, max(scope.digits, 2 - math.floor(math.log10(moved)))))
        terms = write_terms(
            lambda number: _format_node(self.expression, self, number), self.value, scope, torch.float64
        )
        return f"{self.target} = {terms} = {scope.plain(self.value)}" if terms else ""


@dataclass
class FormulaEvaluation:
    """Evaluates the lines of a formula one after the other.

    :param numbers: of `p`, `g`, `lr`, `t`, the settings and the state, of one entry; written.
    :param decided: the names that are the same for all entries: settings, `lr`, `t` and what follows from them.
    :param by_value: decide choices by this entry's numbers too.
    """

    numbers: dict[str, float]
    decided: set[str]
    by_value: bool
    lines: list[FormulaLine] = field(default_factory=list)
    _stands_for: dict[str, ast.expr] = field(default_factory=dict)

    def run(self, formula: tuple[str, ...]) -> FormulaEvaluation:
        """Evaluate every line; what is left of them is in `lines`, what all names became in `numbers`.

        :raises UnreadableUpdateError: a line is no assignment of arithmetic.
        """
        for text in formula:
            self._assign(text)
        return self

    def _assign(self, text: str) -> None:
        try:
            statement = ast.parse(text).body[0]
        except (SyntaxError, IndexError) as error:
            raise UnreadableUpdateError(text) from error
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise UnreadableUpdateError(text)
        target, node = statement.targets[0].id, self._fold(statement.value)
        value, numbers = self._value(node), dict(self.numbers)
        if self._is_decided(node):
            self.decided.add(target)
        else:
            self.decided.discard(target)
        self.numbers[target] = value
        self._stands_for.pop(target, None)
        if isinstance(node, ast.Constant | ast.Name):
            if not (isinstance(node, ast.Name) and node.id == target):
                self._stands_for[target] = node
            return
        self.lines.append(FormulaLine(target, node, value, numbers))

    def _fold(self, node: ast.expr) -> ast.expr:
        """Return an expression without what a setting of 0 or 1 leaves out, and without choices that are decided."""
        if isinstance(node, ast.Name):
            return self._stands_for.get(node.id, node)
        if isinstance(node, ast.IfExp):
            if self.by_value or self._is_decided(node.test):
                return self._fold(node.body if self._value(node.test) else node.orelse)
            return ast.IfExp(node.test, self._fold(node.body), self._fold(node.orelse))
        if isinstance(node, ast.Call):
            return ast.Call(node.func, [self._fold(each) for each in node.args], [])
        if isinstance(node, ast.UnaryOp):
            return ast.UnaryOp(node.op, self._fold(node.operand))
        if isinstance(node, ast.BinOp):
            return self._folded(ast.BinOp(self._fold(node.left), node.op, self._fold(node.right)))
        return node

    def _folded(self, node: ast.BinOp) -> ast.expr:
        left, right = self._fixed(node.left), self._fixed(node.right)
        match node.op:
            case ast.Mult() if left == 0 or right == 0:
                return ast.Constant(0)
            case ast.Mult() if left == 1:
                return node.right
            case ast.Mult() | ast.Div() if right == 1:
                return node.left
            case ast.Div() | ast.Pow() if left == 0:
                return ast.Constant(0)
            case ast.Add() if left == 0:
                return node.right
            case ast.Add() | ast.Sub() if right == 0:
                return node.left
        return node

    def _fixed(self, node: ast.expr) -> float | None:
        """Return the number that a part is for every entry at this step; None where it depends on the entry."""
        alone = isinstance(node, ast.Name) and node.id in ("t", "lr")
        return self._value(node) if self._is_decided(node) and not alone else None

    def _is_decided(self, node: ast.expr) -> bool:
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and each.id not in _FUNCTIONS}
        return names <= self.decided

    def _value(self, node: ast.expr) -> float:
        return _evaluate_node(node, self.numbers)


def _evaluate_node(node: ast.expr, numbers: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            return float(value)
        case ast.Name(id=name) if name in numbers:
            return numbers[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate_node(operand, numbers)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return float(not _evaluate_node(operand, numbers))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_evaluate_node(left, numbers), _evaluate_node(right, numbers))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _evaluate_node(body if _evaluate_node(test, numbers) else orelse, numbers)
        case ast.BoolOp(op=op, values=values):
            found = [bool(_evaluate_node(each, numbers)) for each in values]
            return float(all(found) if isinstance(op, ast.And) else any(found))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return float(_COMPARISONS[type(op)](_evaluate_node(left, numbers), _evaluate_node(right, numbers)))
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_evaluate_node(each, numbers) for each in arguments))
    raise UnreadableUpdateError(ast.unparse(node))


def _format_node(node: ast.expr, line: FormulaLine, number: NumberWriter, binding: int = 0) -> str:
    """Return an expression with numbers, in the field's own signs.

    :param binding: how strongly what stands around it binds; a weaker one is put in parentheses.
    """
    match node:
        case ast.Constant() | ast.Name():
            return number(_evaluate_node(node, line.numbers))
        case ast.UnaryOp(operand=operand):
            return f"(-{_format_node(operand, line, number, 3)})"
        case ast.Call(func=ast.Name(id="sqrt"), args=[argument]):
            return f"√({_format_node(argument, line, number)})"
        case ast.Call(func=ast.Name(id="abs"), args=[argument]):
            return f"|{_format_node(argument, line, number)}|"
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return f"{name}({', '.join(_format_node(each, line, number) for each in arguments)})"
        case ast.BinOp(left=left, op=op, right=right):
            strength = _PRECEDENCE[type(op)]
            if isinstance(op, ast.Pow):
                power = "²" if isinstance(right, ast.Constant) and right.value == 2 else None
                text = _format_node(left, line, number, 5) + (power or f"^{_format_node(right, line, number, 5)}")
            else:
                text = (
                    _format_node(left, line, number, strength)
                    + _SIGNS[type(op)]
                    + _format_node(right, line, number, strength + 1)
                )
            return f"({text})" if strength < binding else text
    raise UnreadableUpdateError(ast.unparse(node))


def evaluate_formula(
    formula: tuple[str, ...], settings: Mapping[str, Any], entry: Mapping[str, float], by_value: bool
) -> FormulaEvaluation:
    """Return a formula computed for one entry, with the lines of it that count.

    :param settings: the rule's numbers, `lr` and `t`.
    :param entry: `p`, `g` and the state, of one entry.
    :param by_value: decide choices by this entry's numbers too: true for its arithmetic, not for a formula of all.
    :raises UnreadableUpdateError: the formula is no arithmetic.
    """
    fixed = {name: float(value) for name, value in settings.items() if isinstance(value, bool | int | float)}
    try:
        return FormulaEvaluation({**fixed, **entry}, set(fixed), by_value).run(formula)
    except (ArithmeticError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableUpdateError(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class ParameterChange:
    """One parameter through an update, with what its rule remembers of it.

    :param gradient: that the step was made with.
    """

    before: Tensor
    after: Tensor
    gradient: Tensor
    state_before: Mapping[str, Tensor]
    state_after: Mapping[str, Tensor]

    def entry(self) -> dict[str, float]:
        """Return the numbers of the first entry before the step."""
        state = {name: _first_entry(tensor) for name, tensor in self.state_before.items()}
        return {**state, "p": _first_entry(self.before), "g": _first_entry(self.gradient)}

    def is_made_by(self, found: Mapping[str, float]) -> bool:
        """Say whether these numbers are the first entry, and the state, that the step left."""
        half = self._rounding
        kept = {name: _first_entry(tensor) for name, tensor in self.state_after.items() if name in found}
        return self.leads_to(found["p"]) and all(
            _is_near(found[name], value, half * abs(value) + 1e-30) for name, value in kept.items()
        )

    def leads_to(self, p: float) -> bool:
        """Say whether this number is the first entry that the step left."""
        moved = abs(_first_entry(self.after) - _first_entry(self.before))
        room = self._rounding * (moved + abs(_first_entry(self.before)) / 10)
        return _is_near(p, _first_entry(self.after), room)

    @property
    def _rounding(self) -> float:
        """The relative deviation that is rounding."""
        return {8: 1e-9, 4: 1e-4}.get(self.before.element_size(), 3e-2)


def write_update(
    formula: tuple[str, ...], settings: Mapping[str, Any], change: ParameterChange, scope: Scope
) -> tuple[str, ...]:
    """Return the update of a parameter's first entry, line by line with its numbers.

    :returns: nothing where the formula is no arithmetic, or does not give the step that was made.
    """
    try:
        made = evaluate_formula(formula, settings, change.entry(), by_value=True)
    except UnreadableUpdateError:
        return ()
    return tuple(filter(None, (line.write(scope) for line in made.lines))) if change.is_made_by(made.numbers) else ()


def matches_step(
    formula: tuple[str, ...], settings: Mapping[str, Any], changes: Sequence[ParameterChange]
) -> bool | None:
    """Say whether a formula gives the first entry of every parameter; None where it cannot be computed."""
    try:
        found = [evaluate_formula(formula, settings, change.entry(), by_value=True).numbers["p"] for change in changes]
    except UnreadableUpdateError:
        return None
    return all(change.leads_to(p) for change, p in zip(changes, found, strict=True))


def simplify_formula(formula: tuple[str, ...], settings: Mapping[str, Any], change: ParameterChange) -> tuple[str, ...]:
    """Return a formula without what the settings switch off; as it stands where it is no arithmetic."""
    try:
        return tuple(line.formula for line in evaluate_formula(formula, settings, change.entry(), by_value=False).lines)
    except UnreadableUpdateError:
        return formula


def _is_near(found: float, wanted: float, room: float) -> bool:
    return found == wanted or abs(found - wanted) <= room or (math.isnan(found) and math.isnan(wanted))


def _first_entry(tensor: Tensor) -> float:
    return tensor.flatten()[0].item()
