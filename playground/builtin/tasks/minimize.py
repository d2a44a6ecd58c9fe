"""Minimize a function of a few variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from playground.core.task import DescentTask
from playground.errors import Fault, ScenarioError, suggest_names

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.axes import Ranges
    from playground.core.function import Function, Objective
    from playground.core.listing import Listing, Writer
    from playground.core.problem import Problem
    from playground.core.setting import Setting
    from playground.result import Recording
    from playground.scenario.quantity import Quantity
    from playground.views import View


class Minimize(DescentTask):
    """Minimize a function from a starting point.

    :param function: the function to minimize.
    :param start: value of each variable: `{x: 1}`, `{x: [-1.2, 1.0]}`. By default, a registered function starts at its
        customary start, or else at a point drawn uniformly from its domain by the seed.
    """

    def __init__(self, function: Objective, start: dict[str, float | list[float]] | None = None) -> None:
        self.function = function if hasattr(function, "variables") else _wrap_vector_function(function, start)
        self.start = start
        self.metrics = ("distance",) if getattr(self.function, "minima", ()) else ()

    def problem(self, setting: Setting) -> Problem:
        """Build a module whose parameters are the variables and whose output is the value."""
        from playground.core.point import MovingPoint
        from playground.core.problem import Problem

        point = MovingPoint(self.function, self._start_point(), setting)
        formula = getattr(self.function, "formula", self.function)
        return Problem(point, lambda forward, batch: forward(), objective=formula)

    def measure(self, problem: Problem, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Measure `distance`, the Euclidean distance to the nearest known minimum, if minima are known."""
        import torch

        minima = getattr(self.function, "minima", ())
        if not minima:
            return {}
        point = parameters["x"]
        known = torch.tensor([minimum.point for minimum in minima], dtype=point.dtype, device=point.device)
        return {"distance": (known - point).square().sum(dim=1).min().sqrt()}

    def quantities(self, problem: Problem) -> Mapping[str, Quantity]:
        """Return that `distance` is not negative."""
        from playground.scenario.quantity import Quantity

        return {"distance": Quantity(shape=(), low=0.0)} if self.metrics else {}

    def views(self, problem: Problem, recording: Recording, ranges: Ranges) -> tuple[View, ...]:
        """Show the function with its known minima."""
        from playground.core.landscape import compute_landscape

        minima = [minimum.point for minimum in getattr(self.function, "minima", ())]
        return (compute_landscape(problem, recording, ranges, minima),)

    def listing(self, problem: Problem, writer: Writer, setting: Setting) -> Listing:
        """Write the function and its starting point."""
        from playground.core.listing import Cell, Listing
        from playground.expression import python_name

        names = {name: writer.variable(name) for name in problem.parameters}
        values = tuple(names.values())
        formula = writer.code(self.function)
        if formula is not None:
            definitions = f"def f({', '.join(map(python_name, names))}):\n    return {formula}"
            loss = f"f({', '.join(values)})"
        else:
            definitions, loss = writer.component("function", *values)
        starts = [f"{names[each]} = {writer.tensor(it)}.requires_grad_()" for each, it in problem.parameters.items()]
        shown = [f'print(f"{name} = {{{value}.tolist()!r}}")' for name, value in names.items()]
        return Listing(
            [Cell("The function", definitions), Cell("The start", "\n".join(starts))],
            parameters=f"[{', '.join(values)}]",
            loss=lambda: loss,
            outcome="\n".join(shown),
        )

    def _start_point(self) -> dict[str, Any]:
        if self.start is None:
            return dict(self._default_start())
        variables = self.function.variables
        faults = [
            Fault(f"unknown variable {name!r}{suggest_names(name, variables)}", ("start", name))
            for name in self.start
            if name not in variables
        ]
        missing = [name for name in variables if name not in self.start]
        if missing:
            faults.append(Fault(f"start: no value for {', '.join(map(repr, missing))}", ("start",)))
        for name, length in variables.items():
            faults += self._shape_faults(name, length)
        if faults:
            raise ScenarioError(*faults)
        return self.start

    def _shape_faults(self, name: str, length: int | None) -> list[Fault]:
        given = (self.start or {}).get(name)
        if given is None or (length is None and not isinstance(given, list)):
            return []
        if isinstance(given, list) and len(given) == length:
            return []
        wanted = "a number" if length is None else f"a list of {length} numbers"
        return [Fault(f"start of {name!r}: expected {wanted}, got {given!r}", ("start", name))]

    def _default_start(self) -> dict[str, Any]:
        import torch

        function: Function | Objective = self.function
        domain = getattr(function, "domain", None)
        if (customary := getattr(function, "start", None)) is not None:
            return {"x": list(customary)}
        if not domain:
            names = ", ".join(f"{name}: ..." for name in function.variables)
            raise ScenarioError(Fault(f"this function needs a start: {{{names}}}", ("start",)))
        low, high = torch.tensor(domain, dtype=torch.float64).T
        return {"x": (low + (high - low) * torch.rand(len(domain), dtype=torch.float64)).tolist()}


def _wrap_vector_function(formula: Any, start: dict[str, Any] | None) -> Function:
    """Wrap a plain function of one vector `x`, whose length only the start determines."""
    from playground.core.function import Function

    point = (start or {}).get("x")
    if not isinstance(point, list):
        raise ScenarioError(Fault("this function needs a start: {x: [...]}", ("start",)))
    return Function(formula, dim=len(point), domain=())
