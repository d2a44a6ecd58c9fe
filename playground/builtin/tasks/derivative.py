"""Check derivatives: several independent routes to one number must agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, Literal

from playground.engine.task import DirectTask, Outcome
from playground.errors import Fault, PlaygroundError, ScenarioError, suggestion
from playground.expression import Expression, parse
from playground.result import Expectation, Table

if TYPE_CHECKING:
    from torch import Tensor

    from playground.engine.derivatives import Coordinate
    from playground.engine.function import Objective
    from playground.engine.problem import Problem
    from playground.engine.setting import Setting

ROUNDING = 1e3
"""Units in the last place that two exact routes may differ by, after the rounding of some tens of operations."""

RESIDUE = 10
"""Units in the last place of the function's value, and of 10, left where large terms cancel: 1 - tanh(x)² far out."""

MARGIN = 10
"""Central differences may be off by this many times their own estimate of their error."""


@dataclass(frozen=True)
class Entry:
    """One derivative at one point, by every route.

    :param by: what it is taken by: one coordinate, or two for a second derivative.
    :param routes: value by route; `autograd` is always there.
    :param error: estimated error of the route `central`.
    :param bend: how fast it changes with the relative size of the coordinates; see `playground.engine.derivatives`.
    """

    by: tuple[Coordinate, ...]
    routes: Mapping[str, float]
    error: float
    bend: float


@dataclass(frozen=True)
class Checked:
    """One point, with the function's value and its derivatives there."""

    at: Mapping[str, Any]
    value: float
    entries: tuple[Entry, ...]


class DerivativeCheck(DirectTask):
    """Compare derivatives from autograd with the given formula, the symbolic derivative and central differences.

    It always expects its routes to agree; measures `derivative` (by autograd) and `value`, one entry per point.

    :param function: what is differentiated. An expression has a symbolic derivative; any other function goes without.
    :param at: for each variable the points to check: `{x: [4]}`, `{x: [0, 1], y: [2, 3]}` are two points; a vector has
        a list for each point.
    :param derivative: the formula to check, or one for each variable: `{x: 2*x, y: 3*y**2}`. With `order: 2` it is the
        second derivative by that variable twice.
    :param order: 1 for the gradient, 2 for the Hessian.
    :param same_as: another expression that must be the same function.
    """

    metrics = ("derivative", "value")

    def __init__(
        self,
        function: Objective,
        at: dict[str, Any],
        derivative: str | dict[str, str] | None = None,
        order: Literal[1, 2] = 1,
        same_as: str | None = None,
    ) -> None:
        self.function = function
        self.order = order
        self.points = list(_points(function.variables, at))
        self.given = _given(function.variables, derivative)
        self.same_as = None if same_as is None else _parsed(same_as, function.variables, "same_as")

    def answer(self, setting: Setting) -> Outcome:
        """Compute every route at every point, and compare."""
        checked = [self._check(point, setting) for point in self.points]
        expectations = [_agreement(route, checked, setting) for route in self._routes()]
        if self.same_as is not None:
            expectations.append(self._sameness(self.same_as))
        return Outcome(
            metrics={
                "derivative": [_single([entry.routes["autograd"] for entry in point.entries]) for point in checked],
                "value": [point.value for point in checked],
            },
            table=self._table(checked),
            points=tuple(_plain(point) for point in checked),
            expectations=tuple(expectations),
        )

    def problem(self, setting: Setting) -> Problem:
        """Return the function at the first point."""
        from playground.engine.point import Point
        from playground.engine.problem import Problem

        return Problem(Point(self.function, self.points[0], setting), lambda forward, batch: forward())

    def _routes(self) -> list[str]:
        """Name the routes that autograd is compared with."""
        given = ["given"] if self.given else []
        symbolic = ["symbolic"] if isinstance(self.function, Expression) else []
        return [*given, *symbolic, "central"]

    def _check(self, point: Mapping[str, Any], setting: Setting) -> Checked:
        """Differentiate at one point, by every route."""
        import torch

        from playground.engine import derivatives

        g = derivatives.flatten(self.function)
        coordinates = derivatives.coordinates(self.function.variables)
        flat = [number for value in point.values() for number in (value if isinstance(value, list) else [value])]
        z = torch.tensor(flat, dtype=setting.dtype, device=setting.device)
        if self.order == 1:
            differentiate, differences = derivatives.gradient, derivatives.central_gradient
        else:
            differentiate, differences = derivatives.hessian, derivatives.central_hessian
        exact, central, bend = differentiate(g, z), differences(g, z), derivatives.bend(differentiate, g, z)
        entries = []
        for indices in combinations_with_replacement(range(len(z)), self.order):
            by = tuple(coordinates[index] for index in indices)
            routes = {"autograd": exact[indices].item(), **self._formulas(point, by, z)}
            routes["central"] = central.value[indices].item()
            entries.append(Entry(by, routes, central.error[indices].item(), bend[indices].item()))
        return Checked(point, g(z).item(), tuple(entries))

    def _formulas(self, point: Mapping[str, Any], by: tuple[Coordinate, ...], z: Tensor) -> dict[str, float]:
        """Return the routes that are formulas: the given one, where there is one for `by`, and the symbolic one."""
        import torch

        routes = {}
        if len(set(by)) == 1 and (formula := self.given.get(str(by[0]))) is not None:
            named = {name: torch.tensor(value, dtype=z.dtype, device=z.device) for name, value in point.items()}
            routes["given"] = formula(**named).item()
        if isinstance(self.function, Expression):
            seen = {name: torch.tensor(value, dtype=z.dtype).tolist() for name, value in point.items()}
            pairs = [(coordinate.variable, coordinate.index) for coordinate in by]
            routes["symbolic"] = self.function.algebra.derivative(seen, *pairs)
        return routes

    def _sameness(self, other: Expression) -> Expectation:
        """Judge whether the function is the one that it is said to be."""
        what = f"the same function as {other}"
        if not isinstance(self.function, Expression):
            return Expectation(what, None, passed=False, note="only an expression can be compared with another")
        same = self.function.equivalent(other)
        note = "neither proved nor refuted" if same is None else ""
        return Expectation(what, same, passed=bool(same), note=note)

    def _table(self, checked: Sequence[Checked]) -> Table:
        routes = ["autograd", *self._routes()]
        columns = (*self.function.variables, "by", *routes)
        rows = [
            (*point.at.values(), " ".join(map(str, entry.by)), *(entry.routes.get(route, "") for route in routes))
            for point in checked
            for entry in point.entries
        ]
        return Table(columns, tuple(rows))


def _agreement(route: str, checked: Sequence[Checked], setting: Setting) -> Expectation:
    """Judge one route against autograd, over all points."""
    import torch

    eps = torch.finfo(setting.dtype).eps
    worst, note = 0.0, ""
    for point in checked:
        for entry in point.entries:
            if route not in entry.routes:
                continue
            ours, theirs = entry.routes["autograd"], entry.routes[route]
            difference = abs(ours - theirs)
            worst = difference if math.isnan(difference) else max(worst, difference)
            allowed = eps * (ROUNDING * max(abs(ours), abs(theirs), entry.bend) + RESIDUE * (10 + abs(point.value)))
            if route == "central":
                allowed += MARGIN * entry.error
            if not difference <= allowed and not note:
                at = ", ".join(f"{name} = {value}" for name, value in point.at.items())
                by = " ".join(map(str, entry.by))
                other = (
                    f"{route} {theirs:.10g}" if math.isfinite(theirs) else "not differentiable here: a kink or a pole"
                )
                note = f"at {at} by {by}: autograd {ours:.10g}, {other}"
    return Expectation(f"autograd agrees with {_NAMES[route]}", worst, passed=not note, note=note)


_NAMES = {
    "given": "the given formula",
    "symbolic": "the symbolic derivative",
    "central": "central differences",
}


def _points(variables: Mapping[str, int | None], at: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each point as a value for each variable.

    :raises ScenarioError: a variable is unknown or missing, or there are not as many points for one as for another.
    """
    faults = [
        Fault(f"unknown variable {name!r}{suggestion(name, variables)}", ("at", name))
        for name in at
        if name not in variables
    ]
    faults += [Fault(f"at: no value for {name!r}", ("at",)) for name in variables if name not in at]
    columns: dict[str, list[Any]] = {}
    for name, length in variables.items():
        if name in at:
            columns[name] = at[name] if isinstance(at[name], list) else [at[name]]
            faults += _column_faults(name, length, columns[name])
    counts = {len(column) for column in columns.values()}
    if len(counts) > 1 and not faults:
        faults.append(Fault(f"at: as many values for each variable, got {sorted(counts)}", ("at",)))
    if faults:
        raise ScenarioError(*faults)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _column_faults(name: str, length: int | None, column: Sequence[Any]) -> Iterator[Fault]:
    if not column:
        yield Fault(f"at: no points for {name!r}", ("at", name))
    for index, value in enumerate(column):
        numbers = value if length is not None else [value]
        fits = isinstance(numbers, list) and (length is None or len(numbers) == length)
        if not fits or not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
            wanted = "a number" if length is None else f"a list of {length} numbers"
            yield Fault(f"expected {wanted} for {name!r}, got {value!r}", ("at", name, index))


def _given(variables: Mapping[str, int | None], derivative: str | dict[str, str] | None) -> dict[str, Expression]:
    """Return the given formulas by coordinate.

    :raises ScenarioError: a formula for something that is no coordinate, or one formula for several.
    """
    from playground.engine.derivatives import coordinates

    names = [str(coordinate) for coordinate in coordinates(variables)]
    if derivative is None:
        return {}
    if isinstance(derivative, str):
        if len(names) != 1:
            raise ScenarioError(Fault(f"expected one formula for each of {', '.join(names)}", ("derivative",)))
        return {names[0]: _parsed(derivative, variables, "derivative")}
    unknown = [name for name in derivative if name not in names]
    if unknown:
        raise ScenarioError(
            *(Fault(f"unknown variable {name!r}{suggestion(name, names)}", ("derivative", name)) for name in unknown)
        )
    return {name: _parsed(formula, variables, "derivative", name) for name, formula in derivative.items()}


def _parsed(formula: str, variables: Mapping[str, int | None], *path: str) -> Expression:
    try:
        expression = parse(formula)
        expression.require_among(variables)
        return expression
    except PlaygroundError as error:
        raise error.under(*path) from None


def _single(values: list[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else values


def _plain(point: Checked) -> dict[str, Any]:
    return {
        "at": dict(point.at),
        "value": point.value,
        "derivatives": [
            {"by": [str(coordinate) for coordinate in entry.by], **entry.routes, "central_error": entry.error}
            for entry in point.entries
        ],
    }
