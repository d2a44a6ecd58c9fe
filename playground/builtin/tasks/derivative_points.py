"""The inputs of the derivative task: points and given formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from playground.errors import Fault, PlaygroundError, ScenarioError, suggest_names
from playground.expression import Expression, parse

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.function import Function

Variables = Mapping[str, int | None]
"""Each variable with its length; None for a scalar."""


def wrap_vector_function(formula: Callable[[Tensor], Tensor], at: Mapping[str, Any]) -> Function:
    """Wrap a plain function of one vector `x`, whose length only the points determine.

    :raises ScenarioError: they do not.
    """
    from playground.core.function import Function

    points = at.get("x")
    first = points[0] if isinstance(points, list) and points else None
    if not isinstance(first, list):
        raise ScenarioError(
            Fault("this function takes a vector x: at: {x: [[...], ...]}, a list for each point", ("at",))
        )
    return Function(formula, dim=len(first), domain=())


def split_points(variables: Variables, at: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each point as a value for each variable.

    :raises ScenarioError: a variable is unknown or missing, or the variables have different numbers of points.
    """
    faults = [
        Fault(f"unknown variable {name!r}{suggest_names(name, variables)}", ("at", name))
        for name in at
        if name not in variables
    ]
    faults += [Fault(f"no value for variable {name!r}", ("at",)) for name in variables if name not in at]
    columns: dict[str, list[Any]] = {}
    for name, length in variables.items():
        if name in at:
            columns[name] = at[name] if isinstance(at[name], list) else [at[name]]
            faults += _column_faults(name, length, columns[name])
    counts = {len(column) for column in columns.values()}
    if len(counts) > 1 and not faults:
        faults.append(Fault(f"expected equally many points for each variable, got {sorted(counts)}", ("at",)))
    if faults:
        raise ScenarioError(*faults)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _column_faults(name: str, length: int | None, column: Sequence[Any]) -> Iterator[Fault]:
    if not column:
        yield Fault(f"no points for {name!r}", ("at", name))
    for index, value in enumerate(column):
        numbers = value if length is not None else [value]
        fits = isinstance(numbers, list) and (length is None or len(numbers) == length)
        if not fits or not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
            wanted = "a number" if length is None else f"a list of {length} numbers"
            yield Fault(f"expected {wanted} for {name!r}, got {value!r}", ("at", name, index))


def parse_derivatives(variables: Variables, derivative: str | dict[str, str] | None) -> dict[str, Expression]:
    """Return the given formulas by coordinate.

    :raises ScenarioError: a formula for an unknown coordinate, or one formula for several coordinates.
    """
    from playground.core.derivatives import list_coordinates

    names = [str(coordinate) for coordinate in list_coordinates(variables)]
    if derivative is None:
        return {}
    if isinstance(derivative, str):
        if len(names) != 1:
            raise ScenarioError(Fault(f"expected one formula for each of {', '.join(names)}", ("derivative",)))
        return {names[0]: parse_formula(derivative, variables, "derivative")}
    unknown = [name for name in derivative if name not in names]
    if unknown:
        raise ScenarioError(
            *(Fault(f"unknown variable {name!r}{suggest_names(name, names)}", ("derivative", name)) for name in unknown)
        )
    return {name: parse_formula(formula, variables, "derivative", name) for name, formula in derivative.items()}


def parse_formula(formula: str, variables: Variables, *path: str) -> Expression:
    """Return a formula of these variables.

    :param path: the keys of the formula in the scenario.
    :raises PlaygroundError: it is not a formula, or has another variable.
    """
    try:
        expression = parse(formula)
        expression.require_among(variables)
        return expression
    except PlaygroundError as error:
        raise error.under(*path) from None
