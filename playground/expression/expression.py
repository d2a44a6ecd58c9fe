"""A user's formula: checked once, then usable in torch, sympy, plain text and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from playground.errors import suggest_names
from playground.expression import constants, numeric, parser, printing
from playground.expression.algebra import Algebra, DerivativeVariable
from playground.expression.errors import ExpressionError
from playground.expression.tree import ExpressionNode, Variable, postorder

if TYPE_CHECKING:
    from sympy import Expr
    from torch import Tensor


def parse(text: str) -> Expression:
    """Parse the text of an expression.

    The language is Python's arithmetic: `+ - * / **`, parentheses, decimal numbers, `pi` and `e`, variables `x`,
    entries of vectors `x[0]`, and the functions of `operations.FUNCTIONS`. Nothing in the text is ever executed.

    :raises ExpressionError: one fault, whose `offset` is its column counted from 0: a syntax error, an unknown
        function, a variable used both as scalar and as vector, a constant part without a finite value, or a limit.
    """
    expression = Expression(text, parser.parse_tree(text))
    _ = expression.variables, expression._reduced  # both raise if the expression is not valid
    return expression


@dataclass(frozen=True)
class Expression:
    """A formula of named variables; made by `parse`. Expressions are equal if their trees are, whatever the spacing."""

    text: str = field(compare=False)
    tree: ExpressionNode

    @cached_property
    def variables(self) -> Mapping[str, int | None]:
        """Each variable, sorted by name, with its length: 1 + the largest index of a vector, None for a scalar."""
        lengths: dict[str, int | None] = {}
        for node in postorder(self.tree):
            if isinstance(node, Variable):
                lengths[node.name] = _extend_length(node, lengths)
        return dict(sorted(lengths.items()))

    @property
    def coordinates(self) -> tuple[DerivativeVariable, ...]:
        """All variables to differentiate by: each scalar and each entry of each vector, in order."""
        return tuple(
            (name, index)
            for name, length in self.variables.items()
            for index in ([None] if length is None else range(length))
        )

    def require_among(self, variables: Mapping[str, int | None]) -> None:
        """Refuse variables other than these.

        :param variables: each with its length; None for a scalar.
        :raises ExpressionError: the first unknown variable, or an entry that a vector does not have.
        """
        for node in postorder(self.tree):
            if isinstance(node, Variable) and (fault := _find_unknown_variable(node, variables)):
                raise ExpressionError.at(node.column, fault)

    def __call__(self, **variables: Tensor) -> Tensor:
        """Return the value in torch; differentiable, and usable under `vmap`.

        :param variables: scalars of shape `(...)`, vectors of shape `(..., n)`; unused ones are allowed.
        :returns: shape `(...)`, the broadcast shape of the variables that occur, in their dtype. A constant has shape
            `()` and the dtype and device of any given variable; without variables it is float64.
        :raises TypeError: a variable is missing.
        """
        if missing := self.variables.keys() - variables.keys():
            raise TypeError(f"{self} needs a value for {', '.join(sorted(missing))}")
        return numeric.evaluate(self._reduced, variables)

    def __str__(self) -> str:
        """The canonical text; it parses to the same tree."""
        return printing.format_plain(postorder(self.tree))

    def latex(self) -> str:
        """Return the formula in LaTeX, as written."""
        return printing.format_latex(postorder(self.tree))

    def code(self) -> str:
        """Return the formula as Python code that runs the same tensor operations as a call, in the same order."""
        return printing.format_code(self._reduced)

    @cached_property
    def algebra(self) -> Algebra:
        """The same formula for sympy: derivatives, as formulas and as numbers, and equivalence."""
        return Algebra(postorder(self.tree))

    def sympy(self) -> Expr:
        """Return the formula in sympy's real symbols, `x` and `x[0]`."""
        return self.algebra.expression

    def derivative(self, *coordinates: DerivativeVariable) -> Expr:
        """Return the derivative by each coordinate in turn, lightly simplified.

        :param coordinates: `("x", None)` for a scalar, `("x", 0)` for an entry of a vector; the same one twice for the
            second derivative.
        """
        return self.algebra.differentiate(*coordinates)

    def equivalent(self, other: Expression) -> bool | None:
        """Return whether both are the same function; None if that is unknown. See `Algebra.equivalent`."""
        return self.algebra.equivalent(other.algebra)

    @cached_property
    def _reduced(self) -> tuple[ExpressionNode, ...]:
        return postorder(constants.fold_constants(postorder(self.tree)))


def _find_unknown_variable(variable: Variable, variables: Mapping[str, int | None]) -> str:
    """Return why a variable is unknown; empty if it is known."""
    name, index = variable.name, variable.index
    if name not in variables:
        return f"unknown variable {name!r}{suggest_names(name, variables)}"
    length = variables[name]
    if length is None:
        return f"{name!r} is a scalar and has no entries" if index is not None else ""
    if index is not None and index < length:
        return ""
    return f"{name!r} is a vector; its entries are {name}[0]" + (f" to {name}[{length - 1}]" if length > 1 else "")


def _extend_length(variable: Variable, lengths: Mapping[str, int | None]) -> int | None:
    """Return the variable's length, including this occurrence."""
    known = lengths.get(variable.name, 0)
    if variable.name in lengths and (known is None) != (variable.index is None):
        message = f"{variable.name!r} is used both as a scalar and as a vector with entries such as {variable.name}[0]"
        raise ExpressionError.at(variable.column, message)
    return None if variable.index is None else max(known or 0, variable.index + 1)
