"""Writes out the update of a parameter's first entry with its numbers, from the formula that the rule declares.

The formula is partially evaluated first: terms with a factor of 0 are dropped, and choices that a hyperparameter or the
step decides are made. The rest is computed in float64 and compared with the step; a formula that does not give the step
is not shown.
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
    """A formula contains more than the assignments and arithmetic that update rules may use."""


@dataclass
class FormulaLine:
    """One assignment of an update.

    :param expression: the right-hand side, partially evaluated.
    :param numbers: the value of each name before the assignment.
    """

    target: str
    expression: ast.expr
    value: float
    numbers: Mapping[str, float]

    @property
    def formula(self) -> str:
        """The assignment as the rule declares it, without dropped terms."""
        return f"{self.target} = {ast.unparse(self.expression)}".replace(" ** ", "**")

    def write(self, scope: Scope) -> str:
        """Return it with its numbers: `m = 0.9·0 + (1 − 0.9)·0.2 = 0.02`; empty if it cannot be written."""
        import torch

        moved = abs(self.value - self.numbers.get(self.target, self.value))
        if self.target == "p" and 0 < moved < math.inf:  # enough decimals to show the change
            scope = replace(scope, digits=min(MAX_DIGITS, max(scope.digits, 2 - math.floor(math.log10(moved)))))
        terms = write_terms(self.terms, self.value, scope, torch.float64)
        return f"{self.target} = {terms} = {scope.plain(self.value)}" if terms else ""

    def terms(self, number: NumberWriter) -> str:
        """Return the right-hand side with its numbers."""
        return _format_node(self.expression, self, number)


@dataclass
class FormulaEvaluation:
    """Evaluates the lines of a formula in order.

    :param numbers: of one entry: `p`, `g`, `lr`, `t`, hyperparameters and state; updated by each line.
    :param decided: names whose values are the same for all entries: hyperparameters, `lr`, `t` and what depends on
        these alone.
    :param by_value: whether this entry's numbers decide choices too.
    :ivar lines: the assignments that are left after partial evaluation.
    """

    numbers: dict[str, float]
    decided: set[str]
    by_value: bool
    lines: list[FormulaLine] = field(default_factory=list)
    _stands_for: dict[str, ast.expr] = field(default_factory=dict)

    def run(self, formula: tuple[str, ...]) -> FormulaEvaluation:
        """Evaluate every line into `lines` and `numbers`.

        :raises UnreadableUpdateError: a line is not an assignment of arithmetic.
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
        """Return an expression without terms that a factor of 0 or 1 removes, and without decided choices."""
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
        """Return the value of an expression that is the same for every entry; None if it depends on the entry.

        `t` and `lr` alone are kept as names, even where their value is 0 or 1.
        """
        is_kept_name = isinstance(node, ast.Name) and node.id in ("t", "lr")
        return self._value(node) if self._is_decided(node) and not is_kept_name else None

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
    """Return an expression with numbers, in mathematical notation.

    :param binding: precedence of the operator around it; an expression of lower precedence gets parentheses.
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
    """Evaluate a formula for one entry.

    :param settings: the rule's hyperparameters, `lr` and `t`.
    :param entry: `p`, `g` and the state of one entry.
    :param by_value: whether this entry's numbers decide choices too: true to write the entry's arithmetic, false for a
        formula that is shown for all entries.
    :raises UnreadableUpdateError: the formula is not arithmetic.
    """
    fixed = {name: float(value) for name, value in settings.items() if isinstance(value, bool | int | float)}
    try:
        return FormulaEvaluation({**fixed, **entry}, set(fixed), by_value).run(formula)
    except (ArithmeticError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableUpdateError(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class ParameterChange:
    """One parameter before and after an update, with the rule's state.

    :param gradient: the gradient after clipping.
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
        """Tell whether computed numbers agree with the first entry and the state after the step, up to rounding."""
        half = self._rounding
        kept = {name: _first_entry(tensor) for name, tensor in self.state_after.items() if name in found}
        return self.leads_to(found["p"]) and all(
            _is_near(found[name], value, half * abs(value) + 1e-30) for name, value in kept.items()
        )

    def leads_to(self, p: float) -> bool:
        """Tell whether a number agrees with the first entry after the step, up to rounding."""
        moved = abs(_first_entry(self.after) - _first_entry(self.before))
        room = self._rounding * (moved + abs(_first_entry(self.before)) / 10)
        return _is_near(p, _first_entry(self.after), room)

    @property
    def _rounding(self) -> float:
        """The relative deviation that counts as rounding, by the parameter's precision."""
        return {8: 1e-9, 4: 1e-4}.get(self.before.element_size(), 3e-2)


def write_update(
    formula: tuple[str, ...], settings: Mapping[str, Any], change: ParameterChange, scope: Scope
) -> tuple[str, ...]:
    """Return the update of a parameter's first entry with its numbers, line by line.

    :returns: the lines; none if the formula is not arithmetic or does not give the step.
    """
    try:
        made = evaluate_formula(formula, settings, change.entry(), by_value=True)
    except UnreadableUpdateError:
        return ()
    return tuple(filter(None, (line.write(scope) for line in made.lines))) if change.is_made_by(made.numbers) else ()


def matches_step(
    formula: tuple[str, ...], settings: Mapping[str, Any], changes: Sequence[ParameterChange]
) -> bool | None:
    """Tell whether a formula gives the first entry of every parameter; None if it cannot be computed."""
    try:
        found = [evaluate_formula(formula, settings, change.entry(), by_value=True).numbers["p"] for change in changes]
    except UnreadableUpdateError:
        return None
    return all(change.leads_to(p) for change, p in zip(changes, found, strict=True))


def simplify_formula(formula: tuple[str, ...], settings: Mapping[str, Any], change: ParameterChange) -> tuple[str, ...]:
    """Return a formula without the terms that the settings switch off; unchanged if it is not arithmetic."""
    try:
        return tuple(line.formula for line in evaluate_formula(formula, settings, change.entry(), by_value=False).lines)
    except UnreadableUpdateError:
        return formula


def _is_near(found: float, wanted: float, room: float) -> bool:
    return found == wanted or abs(found - wanted) <= room or (math.isnan(found) and math.isnan(wanted))


def _first_entry(tensor: Tensor) -> float:
    return tensor.flatten()[0].item()
