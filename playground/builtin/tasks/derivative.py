"""Derivative checks: several independent routes to one derivative must agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from playground.builtin.tasks.derivative_points import (
    parse_derivatives,
    parse_formula,
    split_points,
    wrap_vector_function,
)
from playground.core.task import DirectTask, Outcome
from playground.errors import Fault, ScenarioError
from playground.expression import Expression, NoAnswerError
from playground.result import Expectation, ResultTable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from playground.core.data import Data
    from playground.core.derivatives import DerivativeEntry, Finding, PointDerivatives
    from playground.core.function import Objective
    from playground.core.listing import Listing, Writer
    from playground.core.problem import Problem
    from playground.core.setting import Setting
    from playground.scenario.quantity import Quantity


@dataclass(frozen=True)
class CheckedPoint:
    """A checked point.

    :param at: a value for each variable; empty if the point is a model's parameters.
    """

    at: Mapping[str, Any]
    checked: PointDerivatives


class DerivativeCheck(DirectTask):
    """Compare derivatives by autograd with every independent route; report which route is wrong and why.

    The routes are forward mode, the given formula, the symbolic derivative, the complex step, and central differences
    with Richardson extrapolation. The task checks a function at the points `at`, or the loss of a model on a dataset at
    the model's initial parameters, which tests a plugin's backward. It always expects that the routes agree, that a
    backward multiplies by `grad_output`, and that there is no kink, jump or pole. It measures `derivative` (by
    autograd) and `value`, one entry per point.

    :param function: the function to differentiate. Only an expression has a symbolic derivative.
    :param at: for each variable, the points to check: `{x: [4]}`; `{x: [0, 1], y: [2, 3]}` are two points. A vector has
        a list for each point.
    :param derivative: the formula to check, or one for each variable: `{x: 2*x, y: 3*y**2}`. With `order: 2`, it is the
        second derivative by the same variable twice.
    :param order: 1 for the gradient, 2 for the Hessian.
    :param same_as: another expression that must be the same function.
    :param dataset: with `model` and `loss`, in place of `function` and `at`: the data that the loss is computed on.
    :param model: the model whose parameters the loss is differentiated by.
    :param loss: compares predictions with targets.
    :param start: values of the model's parameters by name; the others are drawn by the seed.
    """

    metrics = ("derivative", "value")

    def __init__(
        self,
        function: Objective | None = None,
        at: dict[str, Any] | None = None,
        derivative: str | dict[str, str] | None = None,
        order: Literal[1, 2] = 1,
        same_as: str | None = None,
        dataset: Data | None = None,
        model: Callable[[int, int], nn.Module] | None = None,
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        start: dict[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.order = order
        self.points: list[dict[str, Any]] = []
        self.given: dict[str, Expression] = {}
        self.same_as: Expression | None = None
        self._problem: Callable[[Setting], Problem] | None = None
        if function is not None:
            _require_absent(dataset=dataset, model=model, loss=loss, start=start)
            if at is None:
                raise ScenarioError(Fault("missing key 'at', required with a function: {x: [4]}", ("function",)))
            self.function = function = (
                function if hasattr(function, "variables") else wrap_vector_function(function, at)
            )
            self.points = list(split_points(function.variables, at))
            self.given = parse_derivatives(function.variables, derivative)
            self.same_as = None if same_as is None else parse_formula(same_as, function.variables, "same_as")
        else:
            if dataset is None or model is None or loss is None:
                raise ScenarioError(Fault("expected a 'function', or a 'dataset', a 'model' and a 'loss'", ("task",)))
            _require_absent(at=at, derivative=derivative, same_as=same_as)
            self._problem = _problem_factory(dataset, model, loss, start)
        self._built: Problem | None = None

    def probe(self, setting: Setting) -> None:
        """Build the model and evaluate its loss once, or evaluate the function at its first point.

        :raises ComponentError: the value is not a single number.
        """
        from playground.core.problem import require_number

        if self._problem is not None:
            self._built = self._problem(setting)
            self._built.probe()
            return
        formula = getattr(self.function, "formula", self.function)
        require_number(self.problems(setting)[0].module(), formula, "the function")

    def answer(self, setting: Setting) -> Outcome:
        """Compute every route at every point and compare them."""
        import torch

        from playground.core.derivatives import JudgedDerivative, judge_derivatives, judge_entry, list_routes

        eps = torch.finfo(setting.dtype).eps
        points = [self._checked(point, setting) for point in self.points] or list(self._of_model(setting))
        # The direction through all parameters of a model is checked, but not measured.
        measured = points[: len(self.points) or 1]
        judged = [
            JudgedDerivative(_describe_place(point, entry), entry, judge_entry(entry, eps))
            for point in points
            for entry in point.checked.entries
        ]
        expectations = judge_derivatives(judged)
        if self.same_as is not None:
            expectations.append(self._sameness(self.same_as))
        return Outcome(
            metrics={
                "derivative": [
                    _unwrap_single([entry.routes["autograd"] for entry in p.checked.entries]) for p in measured
                ],
                "value": [point.checked.value for point in measured],
            },
            table=_table(points, list_routes([each.entry for each in judged])),
            points=tuple(_plain_point(point, eps) for point in points),
            expectations=tuple(expectations),
        )

    def quantities(self, problem: None) -> Mapping[str, Quantity]:
        """Return the shapes of the metrics: one entry per point, and for a gradient one per variable entry."""
        from playground.scenario.quantity import Quantity

        points = len(self.points) or 1
        derivative: tuple[Any, ...] = (points, ...)
        if self.points and self.order == 1:
            size = sum(len(value) if isinstance(value, list) else 1 for value in self.points[0].values())
            derivative = (points,) if size == 1 else (points, size)
        return {"derivative": Quantity(shape=derivative), "value": Quantity(shape=(points,))}

    def problems(self, setting: Setting) -> Sequence[Problem]:
        """Return the function at each point, or the model with its loss."""
        from playground.core.point import MovingPoint
        from playground.core.problem import Problem

        if self.function is None:
            return (self._model(setting),)
        places = [MovingPoint(self.function, at, setting) for at in self.points]
        return [Problem(place, lambda forward, batch: forward()) for place in places]

    def listing(self, problem: None, writer: Writer, setting: Setting) -> Listing:
        """Write the check by autograd, the given formula and plain central differences."""
        from playground.builtin.tasks.derivative_listing import write_function_check, write_model_check

        if self.function is not None:
            return write_function_check(self.function, self.points, self.given, self.order, writer, setting)
        if self.order != 1:
            message = "eject does not support second derivatives by a model's parameters (accepted: order 1)"
            raise ScenarioError(Fault(message, ("order",)))
        return write_model_check(self._problem.__self__, self._model(setting), writer, setting)  # type: ignore[union-attr]

    def _checked(self, at: Mapping[str, Any], setting: Setting) -> CheckedPoint:
        """Check the function at one point."""
        import torch

        from playground.core import derivatives

        function: Any = self.function
        flat = [number for value in at.values() for number in (value if isinstance(value, list) else [value])]
        z = torch.tensor(flat, dtype=setting.dtype, device=setting.device)
        names = derivatives.list_coordinates(function.variables)
        checked = derivatives.check_derivatives(derivatives.flatten(function), z, names, self.order)
        entries = []
        unavailable = dict(checked.unavailable)
        for entry in checked.entries:
            routes = {**entry.routes, **self._given(at, entry, z)}
            try:
                routes |= self._symbolic(at, entry, z)
            except NoAnswerError as error:
                unavailable["symbolic"] = str(error)
            entries.append(replace(entry, routes=routes))
        return CheckedPoint(at, replace(checked, entries=tuple(entries), unavailable=unavailable))

    def _model(self, setting: Setting) -> Problem:
        """Return the model with its loss; it is built once."""
        if self._built is None:
            self.probe(setting)
        return self._built  # type: ignore[return-value]  # which `probe` has built

    def _of_model(self, setting: Setting) -> Iterator[CheckedPoint]:
        """Check the loss by the model's parameters, all or some, and along one direction through all of them."""
        from playground.core import derivatives

        problem = self._model(setting)
        problem.module.eval()
        g, z = derivatives.flat_loss(problem, problem.parameters)
        shapes = {name: tensor.shape for name, tensor in problem.parameters.items()}
        for checked in derivatives.check_sample(g, z, shapes, self.order, setting.seed):
            yield CheckedPoint({}, checked)

    def _given(self, at: Mapping[str, Any], entry: DerivativeEntry, z: Tensor) -> dict[str, float]:
        """Return the route of the given formula, if there is one for `by`."""
        import torch

        if len(set(entry.by)) != 1 or (formula := self.given.get(str(entry.by[0]))) is None:
            return {}
        named = {name: torch.tensor(value, dtype=z.dtype, device=z.device).double() for name, value in at.items()}
        return {"given": float(formula(**named))}

    def _symbolic(self, at: Mapping[str, Any], entry: DerivativeEntry, z: Tensor) -> dict[str, float]:
        """Return the symbolic route, if the function is an expression.

        :raises NoAnswerError: the work for sympy would be too much.
        """
        import torch

        if not isinstance(self.function, Expression):
            return {}
        seen = {name: torch.tensor(value, dtype=z.dtype).tolist() for name, value in at.items()}
        pairs: Any = [(coordinate.variable, coordinate.index) for coordinate in entry.by]
        return {"symbolic": self.function.algebra.derivative(seen, *pairs)}

    def _sameness(self, other: Expression) -> Expectation:
        """Judge whether the function is the same as `same_as`."""
        what = f"the same function as {other}"
        if not isinstance(self.function, Expression):
            return Expectation(what, None, passed=False, note="only an expression can be compared with another")
        same = self.function.equivalent(other)
        note = "neither proved nor refuted" if same is None else ""
        return Expectation(what, same, passed=bool(same), note=note)


def _require_absent(**keys: Any) -> None:
    """Refuse keys of the other mode of this task."""
    faults = [
        Fault(
            f"{key!r} cannot be combined with the other keys: "
            "expected either a 'function' and 'at', or a 'dataset', a 'model' and a 'loss'",
            (key,),
        )
        for key, value in keys.items()
        if value is not None
    ]
    if faults:
        raise ScenarioError(*faults)


def _problem_factory(
    dataset: Data, model: Any, loss: Any, start: dict[str, Any] | None
) -> Callable[[Setting], Problem]:
    """Return a function that builds the problem of a training task."""
    from playground.builtin.tasks.classification import Classification
    from playground.builtin.tasks.regression import Regression

    kind = Regression if dataset.classes is None else Classification
    return kind(dataset, model, loss, start).problem


def _describe_place(point: CheckedPoint, entry: DerivativeEntry) -> str:
    at = ", ".join(f"{name} = {value}" for name, value in point.at.items())
    by = f"by {' '.join(map(str, entry.by))}"
    return f"at {at} {by}" if at else by


def _table(points: Sequence[CheckedPoint], routes: Sequence[str]) -> ResultTable:
    columns = (*points[0].at, "by", "autograd", *routes)
    rows = [
        (
            *point.at.values(),
            " ".join(map(str, entry.by)),
            *(entry.routes.get(route, "") for route in ("autograd", *routes)),
        )
        for point in points
        for entry in point.checked.entries
    ]
    return ResultTable(columns, tuple(rows))


def _unwrap_single(values: list[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else values


def _plain_point(point: CheckedPoint, eps: float) -> dict[str, Any]:
    from playground.core.derivatives import judge_entry

    return {
        "at": dict(point.at),
        "value": point.checked.value,
        "unavailable": dict(point.checked.unavailable),
        "derivatives": [_plain_entry(entry, judge_entry(entry, eps)) for entry in point.checked.entries],
    }


def _plain_entry(entry: DerivativeEntry, found: Finding | None) -> dict[str, Any]:
    return {
        "by": [str(coordinate) for coordinate in entry.by],
        **entry.routes,
        "central_error": entry.error,
        "finding": str(found.cause) if found else None,
        "finding_words": found.words if found else "",
        "curve": [list(pair) for pair in entry.curve],
    }
