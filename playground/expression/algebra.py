"""Converts the tree to sympy by constructors, without parsing: exact derivatives, and values to a hundred digits."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

from playground.expression import printing, size
from playground.expression.effort import MAX_PROOF_CALLS, NoAnswerError, limit_calls
from playground.expression.errors import ExpressionError, shorten
from playground.expression.operations import OPERATIONS
from playground.expression.tree import Apply, ExpressionNode, Leaf, Number, Variable, fold

if TYPE_CHECKING:
    import sympy

DerivativeVariable = tuple[str, int | None]
"""A variable to differentiate by: a scalar `("x", None)`, or an entry of a vector `("x", 0)`."""

VariableValues = Mapping[str, float | Sequence[float]]
"""A number for each scalar, a sequence of numbers for each vector."""

PRECISION_DIGITS = 100
"""Decimal digits of intermediate results; more than a float's sixteen remain after any realistic cancellation."""

MAX_NUMBER_DIGITS = 5_000
"""Decimal digits beyond which a number counts as infinite: its exponential would take too long."""

MAX_SIMPLIFIED_OPERATIONS = 100
"""Maximum number of operations of a formula that sympy simplifies; the time of sympy grows without a bound."""


class Algebra:
    """An expression as sympy computes with it.

    :param nodes: the tree in `postorder`.
    """

    def __init__(self, nodes: Sequence[ExpressionNode]) -> None:
        self._nodes = nodes
        self._variables = {node for node in nodes if isinstance(node, Variable)}

    @cached_property
    def expression(self) -> sympy.Expr:
        """The expression in real symbols, named `x` or `x[0]`, with decimals as fractions: 0.1 is 1/10."""
        return self._built(_fraction if self._bounded else _float)

    def differentiate(self, *coordinates: DerivativeVariable) -> sympy.Expr:
        """Return the derivative by each coordinate in turn, lightly simplified; without any, the expression itself.

        :raises NoAnswerError: sympy finds no derivative, or it takes too many operations.
        """
        import sympy

        with limit_calls():
            formula = _derivative(self.expression, coordinates)
            if not coordinates or formula.count_ops() > MAX_SIMPLIFIED_OPERATIONS:
                return formula
            return min(formula, sympy.factor_terms(formula), key=lambda form: int(form.count_ops()))

    def text(self, *coordinates: DerivativeVariable) -> str:
        """Return the derivative by each coordinate in turn as plain text."""
        import sympy

        with limit_calls():
            return str(sympy.sstr(self.differentiate(*coordinates), full_prec=False))

    def latex(self, *coordinates: DerivativeVariable) -> str:
        """Return the derivative by each coordinate in turn in LaTeX."""
        import sympy

        names = {_symbol(variable): printing.latex_symbol(variable) for variable in self._variables}
        with limit_calls():
            return str(sympy.latex(self.differentiate(*coordinates), symbol_names=names))

    def value(self, point: VariableValues) -> float:
        """Return the value at a point, correct to the last digit of a float.

        :returns: infinite beyond the range of floats, nan if the expression has no real value.
        :raises NoAnswerError: sympy finds no value, or it takes too many operations.
        """
        import sympy  # noqa: F401  (import it before the calls are counted)

        with limit_calls():
            return float(self._value(partial(_at, point), _float))

    def derivative(self, point: VariableValues, *coordinates: DerivativeVariable) -> float:
        """Return the derivative by each coordinate in turn at a point, correct to the last digit of a float.

        :returns: infinite beyond the range of floats; nan if the expression has no finite value or no derivative, as
            at a pole, and at a kink of `abs`, `relu`, `max` or `min`, even if a factor smooths it.
        :raises NoAnswerError: sympy finds no derivative, or it takes too many operations or functions of numbers beyond
            10^±`MAX_NUMBER_DIGITS`.
        """
        import sympy  # noqa: F401  (import it before the calls are counted)

        with limit_calls():
            if not self._value(partial(_at, point), _float).is_finite:
                return math.nan
            formula = _derivative(self._binary, coordinates)
            values: dict[sympy.Basic, sympy.Basic] = {
                _symbol(variable): _evaluate_constant(_float(_at(point, variable))) for variable in self._variables
            }
            return math.nan if _is_at_kink(formula, values) else float(_evaluate_constant(_substitute(formula, values)))

    def equivalent(self, other: Algebra) -> bool | None:
        """Return whether two expressions are the same function, at every point where both have a value.

        :returns: False if their values differ at some point; True if sympy reduces their difference to zero; None if
            neither, or if the reduction could take too many operations.
        """
        import sympy  # noqa: F401  (import it before the calls are counted)

        try:
            with limit_calls(MAX_PROOF_CALLS):
                return self._equivalent(other)
        except NoAnswerError:
            return None

    def _equivalent(self, other: Algebra) -> bool | None:
        # Cheap tests first: equal forms, then values at fixed points, which can only refute. sympy tries a proof only
        # if all values agree and the expressions are small enough for exact arithmetic.
        difference = self.expression - other.expression
        if difference == 0:
            return True
        if any(_is_different(self._value(at, _fraction), other._value(at, _fraction)) for at in self._samples(other)):
            return False
        if (
            not (self._bounded and other._bounded)
            or size.bound_terms(self._nodes) + size.bound_terms(other._nodes) >= size.MAX_SIZE
        ):
            return None
        # with force=True, because log(x*y) is log(x) + log(y) wherever both have a value
        return True if _is_zero(difference.expand(force=True)) else None

    @cached_property
    def _bounded(self) -> bool:
        """Whether exact arithmetic on the expression only meets integers of a reasonable length."""
        return size.bound_digits(self._nodes) < size.MAX_SIZE

    @cached_property
    def _binary(self) -> sympy.Expr:
        """The expression with the floats that torch uses for decimals: `abs(x - 0.1)` has its kink at the float 0.1."""
        return self._built(
            lambda value: _fraction(value) if isinstance(value, int) and self._bounded else _float(value)
        )

    def _built(self, number: Callable[[int | float], sympy.Expr]) -> sympy.Expr:
        def leaf(node: Leaf) -> sympy.Expr:
            return number(node.value) if isinstance(node, Number) else _symbol(node)

        return fold(self._nodes, leaf, _apply)

    def _value(self, at: Callable[[Variable], float], number: Callable[[int | float], sympy.Expr]) -> sympy.Number:
        """Evaluate the tree itself: sympy's form of it may have cancelled an undefined part, as in x**2/x."""

        def leaf(node: Leaf) -> sympy.Expr:
            return _evaluate_constant(number(node.value) if isinstance(node, Number) else _float(at(node)))

        def apply(node: Apply, operands: list[sympy.Number]) -> sympy.Number:
            undefined = next((operand for operand in operands if operand.is_finite is None), None)
            return undefined if undefined is not None else _evaluate_constant(_apply(node, operands))

        return fold(self._nodes, leaf, apply)

    def _samples(self, other: Algebra) -> Iterator[Callable[[Variable], float]]:
        """Yield points at which to compare values, always the same: around zero, positive, near and far."""
        generator = random.Random(0)
        variables = sorted(self._variables | other._variables, key=str)
        for low, high in [(-1, 1), (0, 1), (-10, 10), (0, 10)] * 3:
            yield {variable: generator.uniform(low, high) for variable in variables}.__getitem__


def _symbol(variable: Variable) -> sympy.Symbol:
    import sympy

    return sympy.Symbol(str(variable), real=True)


def _fraction(value: int | float) -> sympy.Expr:
    """Return the decimal exactly as written."""
    import sympy

    fraction = Fraction(repr(value))
    return sympy.Rational(fraction.numerator, fraction.denominator)


def _float(value: int | float) -> sympy.Expr:
    """Return the exact value of the float."""
    import sympy

    return sympy.Float(value, PRECISION_DIGITS)


def _at(point: VariableValues, variable: Variable) -> float:
    value: Any = point[variable.name]
    return float(value if variable.index is None else value[variable.index])


def _apply(node: Apply, operands: Sequence[sympy.Expr]) -> sympy.Expr:
    import sympy

    result: sympy.Expr = OPERATIONS[node.operation].sympy(sympy, *operands)
    return result


def _derivative(formula: sympy.Expr, coordinates: Sequence[DerivativeVariable]) -> sympy.Expr:
    try:
        for coordinate in coordinates:
            formula = formula.diff(_symbol(Variable(*coordinate)))
    except (TypeError, ValueError) as error:  # for example, the maximum of two numbers that are never real
        raise ExpressionError.at(0, f"sympy finds no derivative: {shorten(str(error))}") from error
    return formula


def _is_zero(difference: sympy.Expr) -> bool:
    """Whether sympy reduces an expression to zero in few operations, directly or in more elementary functions."""
    import sympy

    if difference == 0 or difference.count_ops() > MAX_SIMPLIFIED_OPERATIONS:
        return bool(difference == 0)
    forms = (difference, difference.rewrite(sympy.exp), difference.rewrite(sympy.Abs))
    return any(form.simplify() == 0 for form in forms)


def _evaluate_constant(value: sympy.Expr) -> sympy.Number:
    """Return the real number or the infinity that a constant equals; nan if it is neither."""
    import sympy

    number = value if isinstance(value, sympy.Float) else value.evalf(PRECISION_DIGITS)
    if not isinstance(number, sympy.Number):
        return sympy.nan
    if number.is_zero:
        return sympy.S.Zero  # 0/0 is then nan; with two Floats it would raise an exception
    if number.is_finite and abs(number) > _largest_number():
        return sympy.oo if number > 0 else -sympy.oo
    return number


@cache
def _largest_number() -> sympy.Expr:
    return _float(10) ** MAX_NUMBER_DIGITS


def _is_at_kink(formula: sympy.Expr, values: dict[sympy.Basic, sympy.Basic]) -> bool:
    """Whether the point is exactly at a step that differentiation left in the formula."""
    import sympy

    # sympy differentiates abs to sign, max and min to Heaviside, and those to DiracDelta; where the argument of one of
    # them is zero, the expression has a kink and no derivative, although the formula may have a value.
    steps = formula.atoms(sympy.sign, sympy.Heaviside, sympy.DiracDelta)
    return any(_evaluate_constant(_substitute(step.args[0], values)).is_zero for step in steps)


def _substitute(formula: sympy.Expr, values: dict[sympy.Basic, sympy.Basic]) -> sympy.Expr:
    """Return the formula with numbers for its symbols; substitutes operand by operand and limits their length.

    :param values: numbers by symbol; the results for all parts of the formula are added to it.
    :raises NoAnswerError: an operand is too large.
    """
    if formula not in values:
        if not formula.args:
            return formula
        operands = [_substitute(operand, values) for operand in formula.args]
        _refuse_long_numbers(formula, operands)
        value = formula.func(*operands)
        values[formula] = value.evalf(PRECISION_DIGITS) if value.is_number else value
    return values[formula]


def _refuse_long_numbers(formula: sympy.Expr, operands: Sequence[sympy.Expr]) -> None:
    """Refuse the exponential or sine of a number beyond 10^`MAX_NUMBER_DIGITS`; reducing it would use all its digits.

    :raises NoAnswerError: there is one.
    """
    if formula.is_Add or formula.is_Mul:
        return
    exponents = operands[1:] if formula.is_Pow else operands
    if any(operand.is_Float and operand.is_finite and abs(operand) > _largest_number() for operand in exponents):
        raise NoAnswerError(f"it takes a function of a number beyond 10^{MAX_NUMBER_DIGITS}")


def _is_different(one: sympy.Number, other: sympy.Number) -> bool:
    """Whether two values are both finite and differ by more than rounding in the last half of the digits explains."""
    if not (one.is_finite and other.is_finite):
        return False
    return bool(abs(one - other) > (1 + abs(one) + abs(other)) / 10 ** (PRECISION_DIGITS // 2))
