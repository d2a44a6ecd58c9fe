"""Minimize a function of a few variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from playground.core.task import DescentTask
from playground.errors import Fault, ScenarioError, suggest_names

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.axes import Ranges
    from playground.core.coordinates import CoordinateChange
    from playground.core.data import Data
    from playground.core.function import Function, Objective
    from playground.core.listing import Listing, Writer
    from playground.core.problem import Problem
    from playground.core.setting import Setting
    from playground.result import Recording
    from playground.scenario.quantity import Quantity
    from playground.views import View


class Minimize(DescentTask):
    """Minimize a function from a starting point.

    With a dataset, the loss of a batch is `mean(targets) · terms + mean(inputs) · x`: targets weight the function, or
    its terms one by one, and inputs tilt it. Over all samples the weights must average 1 and the tilts 0, so that the
    loss over all data is the function.

    :param function: the function to minimize.
    :param start: value of each variable, before any rotation or stretch: `{x: 1}`, `{x: [-1.2, 1.0]}`. By default, a
        registered function starts at its customary start, or else at a point drawn uniformly from its domain by the
        seed.
    :param dataset: noise for mini-batches; without it every step has the function itself.
    :param spread: the seed draws each number of the start uniformly within this distance.
    :param rotation: seed of a fixed rotation of the coordinates, which makes the function one of all coordinates
        together.
    :param stretch: multiply the coordinates by scales whose largest over smallest is this, evenly spaced on a
        logarithmic scale.
    :param shift: move the coordinates by this distance, alternately up and down, so that no minimum is at the origin,
        where weight decay would find it.
    """

    def __init__(
        self,
        function: Objective,
        start: dict[str, float | list[float]] | None = None,
        dataset: Data | None = None,
        spread: Annotated[float, Ge(0)] = 0.0,
        rotation: Annotated[int, Ge(0)] | None = None,
        stretch: Annotated[float, Ge(1)] = 1.0,
        shift: float = 0.0,
    ) -> None:
        self.original = function if hasattr(function, "variables") else _wrap_vector_function(function, start)
        self.start = start
        self.spread = spread
        self.function = self.original
        self.change: CoordinateChange | None = None
        if rotation is not None or stretch != 1 or shift:
            self._change_coordinates(rotation, stretch, shift)
        self.dataset = dataset
        self.metrics = ("distance",) if getattr(self.function, "minima", ()) else ()

    def problem(self, setting: Setting) -> Problem:
        """Build a module whose parameters are the variables and whose output is the value."""
        from playground.core.point import MovingPoint
        from playground.core.problem import Batches, Problem

        point = MovingPoint(self.function, self._start_point(), setting)
        formula = getattr(self.original, "formula", self.original)
        if self.dataset is None:
            return Problem(point, lambda forward, batch: forward(), objective=formula)
        data = tuple(each.to(setting.device, setting.dtype) for each in (self.dataset.inputs, self.dataset.targets))
        require_noise(self.function, *data)
        batches = Batches(data, setting.batch_size, setting.seed, self.dataset.ordered)
        return Problem(point, lambda forward, batch: forward(*batch), batches, objective=formula)

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
        cells, points = [], values
        if self.change is not None:
            change = self.change
            factors = (change.matrix if change.is_rotated else change.scales).to(setting.device, setting.dtype)
            offset = change.offset.to(setting.device, setting.dtype)
            text = f"coordinates = {writer.tensor(factors)}\noffset = {writer.tensor(offset)}"
            cells.append(Cell("The change of coordinates", text))
            moved = f"({values[0]} - offset)"
            points = (
                f"({moved}.unsqueeze(-2) * coordinates).sum(-1)" if change.is_rotated else f"{moved} * coordinates",
            )
        formula = writer.code(self.original)
        if formula is not None:
            definitions = f"def f({', '.join(map(python_name, names))}):\n    return {formula}"
            value = f"f({', '.join(points)})"
        else:
            definitions, value = writer.component("function", *points)
        starts = [f"{names[each]} = {writer.tensor(it)}.requires_grad_()" for each, it in problem.parameters.items()]
        cells += [Cell("The function", definitions), Cell("The start", "\n".join(starts))]
        shown = [f'print(f"{name} = {{{value}.tolist()!r}}")' for name, value in names.items()]
        listing = Listing(cells, f"[{', '.join(values)}]", lambda: value, outcome="\n".join(shown))
        return listing if self.dataset is None else self._list_noise(listing, problem, writer, value, values[0])

    def _list_noise(self, listing: Listing, problem: Problem, writer: Writer, value: str, x: str) -> Listing:
        """Add the tilts and weights of samples to a program.

        :param value: the function at the point, as an expression.
        :param x: the point, as an expression.
        :raises ScenarioError: the samples weight terms, which a program has no definition of.
        """
        from playground.core.listing import Cell

        tilts, weights = problem.batches.data
        if weights.shape[1] > 1:
            message = "samples that weight the terms of a function cannot be written into a stand-alone program"
            raise ScenarioError(Fault(message, ("dataset",)))
        data = f"inputs = {writer.tensor(tilts)}\ntargets = {writer.tensor(weights)}"

        def loss(inputs: str, targets: str) -> str:
            return f"({value} * {targets}.mean(0).squeeze(0) + ({inputs}.mean(0) * {x}).sum())"

        cells = [*listing.cells, Cell("The noise: samples tilt and weight the function", data)]
        return replace(listing, cells=cells, loss=loss, data=("inputs", "targets"))

    def _change_coordinates(self, rotation: int | None, stretch: float, shift: float) -> None:
        from playground.core.coordinates import CoordinateChange
        from playground.core.function import Function

        if not isinstance(self.original, Function):
            key = "rotation" if rotation is not None else "stretch" if stretch != 1 else "shift"
            raise ScenarioError(Fault("expected a function of one vector, got a formula", (key,)))
        self.change = CoordinateChange(self.original.dim, rotation, stretch, shift)
        self.function = self.change.apply(self.original)

    def _start_point(self) -> dict[str, Any]:
        """Return the start of this seed, in the coordinates that move."""
        import torch

        start = self._default_start() if self.start is None else self._given_start(self.start)
        if self.spread:
            start = {name: _draw_around(value, self.spread) for name, value in start.items()}
        if self.change is not None:
            start = {"x": self.change.invert(torch.tensor(start["x"], dtype=torch.float64)).tolist()}
        return start

    def _given_start(self, start: dict[str, Any]) -> dict[str, Any]:
        variables = self.function.variables
        faults = [
            Fault(f"unknown variable {name!r}{suggest_names(name, variables)}", ("start", name))
            for name in start
            if name not in variables
        ]
        faults += [Fault(f"no value for variable {name!r}", ("start",)) for name in variables if name not in start]
        for name, length in variables.items():
            faults += self._shape_faults(name, length)
        if faults:
            raise ScenarioError(*faults)
        return start

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

        function: Function | Objective = self.original
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


def _draw_around(value: float | list[float], distance: float) -> float | list[float]:
    """Draw each number uniformly within a distance from torch's global stream, which the run's seed has seeded."""
    import torch

    centre = torch.tensor(value, dtype=torch.float64)
    drawn: float | list[float] = (centre + distance * (2 * torch.rand_like(centre) - 1)).tolist()
    return drawn


def require_noise(function: Any, tilts: Tensor, weights: Tensor) -> None:
    """Refuse data whose average over all samples is not the function itself.

    :param tilts: shape `(samples, coordinates)`, must average 0.
    :param weights: of the function, shape `(samples, 1)`, or of its terms, shape `(samples, terms)`, must average 1.
    :raises ScenarioError: shapes or averages do not fit.
    """
    import torch

    from playground.core.function import Function

    if not isinstance(function, Function):
        raise ScenarioError(Fault("expected a function of one vector, got a formula", ("dataset",)))
    terms = 1 if function.terms is None else function.terms(tilts.new_ones(function.dim)).shape[-1]
    faults = []
    if tilts.shape[1] != function.dim:
        faults.append(f"inputs: expected {function.dim} columns, one for each coordinate, got {tilts.shape[1]}")
    if weights.shape[1] not in (1, terms):
        some = f"1 or {terms} columns, one for each term" if terms > 1 else "1 column"
        faults.append(f"targets: expected {some} of the function, got {weights.shape[1]}")
    tolerance = 1e3 * torch.finfo(tilts.dtype).eps
    for name, data, average in (("inputs", tilts, 0.0), ("targets", weights, 1.0)):
        if bool(((data.mean(0) - average).abs() > tolerance * (1 + data.abs().amax(0))).any()):
            faults.append(f"{name}: expected columns that average {average:g} over all samples")
    if faults:
        raise ScenarioError(*(Fault(text, ("dataset",)) for text in faults))
