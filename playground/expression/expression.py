"""A formula that a user wrote: checked once, then good for torch, sympy, plain text and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from playground.errors import suggestion
from playground.expression import constants, numeric, parser, printing
from playground.expression.algebra import Algebra, DerivativeVariable
from playground.expression.errors import ExpressionError
from playground.expression.tree import ExpressionNode, Variable, postorder

if TYPE_CHECKING:
    from sympy import Expr
    from torch import Tensor


def parse(text: str) -> Expression:
    """Return the expression that a text stands for.

    The language is Python's arithmetic: `+ - * / **`, parentheses, decimal numbers, `pi` and `e`, variables `x`,
    entries of vectors `x[0]`, and the functions of `operations.FUNCTIONS`. Nothing in the text is ever executed.

    :raises ExpressionError: one fault, whose `offset` is the column counted from 0: a syntax error, an unknown
        function, a variable used both as scalar and as vector, a constant part without a finite value, a limit passed.
    """
    expression = Expression(text, parser.tree(text))
    _ = expression.variables, expression._reduced  # both complain about what is wrong with them
    return expression


@dataclass(frozen=True)
class Expression:
    """A formula of named variables; made by `parse`. Equal when the trees are, however the texts are spaced."""

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
        """All that one can differentiate by: each scalar and each entry of each vector, in order."""
        return tuple(
            (name, index)
            for name, length in self.variables.items()
            for index in ([None] if length is None else range(length))
        )

    def require_among(self, variables: Mapping[str, int | None]) -> None:
        """Refuse a variable that is not among these.

        :param variables: each with its length; None for a scalar.
        :raises ExpressionError: the first that is none of them, or an entry that a vector does not have.
        """
        for node in postorder(self.tree):
            if isinstance(node, Variable) and (fault := _find_unknown_variable(node, variables)):
                raise ExpressionError.at(node.column, fault)

    def __call__(self, **variables: Tensor) -> Tensor:
        """Return the value in torch; differentiable, and usable under `vmap`.

        :param variables: scalars of shape `(...)`, vectors of shape `(..., n)`; more than occur may be given.
        :returns: shape `(...)`, what the variables that occur broadcast to, in their dtype. A constant has shape `()`
            and takes dtype and device from any variable given, else it is float64.
        :raises TypeError: a variable is missing.
        """
        if missing := self.variables.keys() - variables.keys():
            raise TypeError(f"{self} needs a value for {', '.join(sorted(missing))}")
        return numeric.evaluate(self._reduced, variables)

    def __str__(self) -> str:
        """The canonical text; it parses to the same tree."""
        return printing.plain(postorder(self.tree))

    def latex(self) -> str:
        """Return the formula in LaTeX, as it was written."""
        return printing.latex(postorder(self.tree))

    def code(self) -> str:
        """Return the formula as Python that makes the same operations on tensors as a call does, in the same order."""
        return printing.code(self._reduced)

    @cached_property
    def algebra(self) -> Algebra:
        """The same formula for sympy: derivatives, as formulas and as numbers, and equivalence."""
        return Algebra(postorder(self.tree))

    def sympy(self) -> Expr:
        """Return the formula in sympy's real symbols, `x` and `x[0]`."""
        return self.algebra.expression

    def derivative(self, *coordinates: DerivativeVariable) -> Expr:
        """Return the derivative by each coordinate in turn, lightly simplified.

        :param coordinates: `("x", None)` for a scalar, `("x", 0)` for an entry of a vector; the same twice is the
            second derivative.
        """
        return self.algebra.differentiated(*coordinates)

    def equivalent(self, other: Expression) -> bool | None:
        """Return whether both are the same function; None if that cannot be decided. See `Algebra.equivalent`."""
        return self.algebra.equivalent(other.algebra)

    @cached_property
    def _reduced(self) -> tuple[ExpressionNode, ...]:
        return postorder(constants.fold_constants(postorder(self.tree)))


def _find_unknown_variable(variable: Variable, variables: Mapping[str, int | None]) -> str:
    """Say why a variable is none of these; empty if it is one."""
    name, index = variable.name, variable.index
    if name not in variables:
        return f"unknown variable {name!r}{suggestion(name, variables)}"
    length = variables[name]
    if length is None:
        return f"{name!r} is a scalar and has no entries" if index is not None else ""
    if index is not None and index < length:
        return ""
    return f"{name!r} is a vector; its entries are {name}[0]" + (f" to {name}[{length - 1}]" if length > 1 else "")


def _extend_length(variable: Variable, lengths: Mapping[str, int | None]) -> int | None:
    """Return the variable's length with this occurrence counted in."""
    known = lengths.get(variable.name, 0)
    if variable.name in lengths and (known is None) != (variable.index is None):
        message = f"{variable.name!r} is used both as a scalar and as a vector with entries such as {variable.name}[0]"
        raise ExpressionError.at(variable.column, message)
    return None if variable.index is None else max(known or 0, variable.index + 1)
