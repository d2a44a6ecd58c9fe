"""Compares several routes to one derivative; when they disagree, decides which one is wrong and why.

The rules are applied in order: first faults of the function (`_judge_function`), because at a kink no route is right;
then faults that autograd shows by itself (`_judge_backward`); then disagreements between routes, by majority
(`_judge_routes`). A difference counts only beyond the rounding that the function can cause.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from playground.core.derivatives.points import Coordinate

MAX_ROUTE_ULP = 1e3
"""The tolerance between two exact routes, in ulps: the rounding of some tens of operations."""

RESIDUE_ULP = 10
"""The residue where large terms cancel, as in 1 - tanh(x)² for large x; in ulps of the function's value and of 10."""

MAX_RESIDUE = 1e-3
"""The largest residue: the size of a value alone says little about cancelled terms."""

ERROR_MARGIN = 10
"""The tolerance of central differences, in multiples of their estimated error."""

SHARP_ERROR_SHARE = 1e-6
"""Central differences are conclusive if their estimated error is below this share of the disagreement."""

MAX_EXCUSED_SHARE = 0.5
"""The largest tolerance as a share of a derivative; otherwise high sensitivity to rounding would excuse any error."""

SCALED_UPSTREAM = -64.0
"""The gradient sent back in place of 1.

It is a power of two: a backward that multiplies by it then returns the same digits.
"""

MAX_REPEAT_DIFFERENCE = 1e-6
"""The relative difference above which two computations of a derivative or a value differ by more than rounding."""

MAX_PRECISE_DIFFERENCE = 1e-6
"""The relative error up to which autograd in float64 counts as right, so that only float32 lacks digits."""

EXACT_ROUTES = frozenset({"complex", "symbolic"})
"""Routes without a step size. If one of them confirms autograd, central differences alone do not refute it."""

DOUBLE_EPS = torch.finfo(torch.float64).eps

NO_STEP_MESSAGE = "no step suits: too long for the function or too short for rounding"


class Cause(enum.StrEnum):
    """Why routes disagree."""

    KINK = "kink"
    """The slopes to the left and right differ; for a second derivative, those of the gradient."""
    JUMP = "jump"
    """The value jumps at the point."""
    RANDOM = "random"
    """Repeated evaluations differ."""
    NOISE = "float32_noise"
    """The same code agrees with the other routes in float64."""
    BACKWARD = "wrong_backward"
    """All other routes agree with each other and contradict autograd."""
    ROUTE = "wrong_route"
    """One other route alone disagrees, usually the given formula."""
    STEP = "step"
    """Every step is too long for the function or too short for rounding, so that nothing confirms autograd."""
    DOMAIN = "not_finite"
    """A pole, or a point outside the domain."""
    UNDECIDED = "undecided"
    """There is no majority."""


@dataclass(frozen=True)
class DerivativeEntry:
    """One derivative at one point, by every route.

    A route whose result is not finite does not vote, except a given formula, which claims to be right everywhere.

    :param by: the coordinate of a first derivative, or the two of a second derivative.
    :param routes: value by route; `autograd`, reverse mode in the run's dtype, comes first.
    :param precise: `autograd`, computed in float64.
    :param scaled: `precise`, with `SCALED_UPSTREAM` sent back in place of 1, divided by it.
    :param again: `precise`, computed once more.
    :param error: estimated error of the route `central`.
    :param rounding_sensitivity: how fast it changes with the relative size of the coordinates; see `automatic`.
    :param value: of the function at the point.
    :param second_value: the value, computed once more.
    :param slopes: to the left and right, at a kink.
    :param curvatures: for a second derivative, its values to the left and right at a kink of the gradient.
    :param jump: the values to the left, at the point and to the right, at a jump.
    :param refusal: the error that the backward pass raised, or empty.
    :param curve: pairs of a step and the error of the plain central difference at that step: the V-curve.
    """

    by: tuple[Coordinate, ...]
    routes: Mapping[str, float]
    precise: float
    scaled: float
    again: float
    error: float
    rounding_sensitivity: float
    value: float
    second_value: float
    slopes: tuple[float, float] | None = None
    curvatures: tuple[float, float] | None = None
    jump: tuple[float, float, float] | None = None
    refusal: str = ""
    curve: tuple[tuple[float, float], ...] = ()

    @property
    def voters(self) -> tuple[str, ...]:
        """All routes with a result, except autograd."""
        return tuple(
            route
            for route, value in self.routes.items()
            if route != "autograd" and (math.isfinite(value) or route == "given")
        )

    def rounding(self, a: float, b: float, eps: float, central: bool) -> float:
        """Return the tolerance between two routes for their own rounding, in a dtype with this resolution."""
        return eps * MAX_ROUTE_ULP * max(abs(a), abs(b)) + (ERROR_MARGIN * self.error if central else 0.0)

    def allowed(self, a: float, b: float, eps: float, central: bool) -> float:
        """Return the tolerance between two routes where the function cancels or magnifies rounding."""
        size = max(abs(a), abs(b))
        sensitive = min(eps * MAX_ROUTE_ULP * self.rounding_sensitivity, MAX_EXCUSED_SHARE * size)
        residue = min(eps * RESIDUE_ULP * (10 + abs(self.value)), MAX_RESIDUE)
        if eps <= DOUBLE_EPS and self.is_sharp(abs(a - b)):
            residue = 0.0
        return self.rounding(a, b, eps, central) + sensitive + residue

    def is_sharp(self, apart: float) -> bool:
        """Tell whether the estimated error of central differences is far smaller than the disagreement.

        It is not where large terms cancel in the function. A slope of zero may then belong to a rounded value.
        """
        return self.error <= SHARP_ERROR_SHARE * min(apart, abs(self.routes["central"]))

    @property
    def is_proportional(self) -> bool:
        """Whether backward multiplies by the gradient sent back to it."""
        return not math.isfinite(self.precise) or _is_repeated(self.precise, self.scaled)


@dataclass(frozen=True)
class Finding:
    """What is wrong with an entry.

    :param routes: those that disagree with autograd; empty for a kink that all routes pass over.
    :param words: a phrase for people.
    :param by_routes: whether the disagreement of routes shows it, or autograd alone.
    """

    cause: Cause
    routes: tuple[str, ...]
    words: str
    by_routes: bool = True

    @property
    def is_no_derivative(self) -> bool:
        """Whether the function itself has no derivative there."""
        return self.cause in (Cause.KINK, Cause.JUMP, Cause.DOMAIN, Cause.RANDOM)

    @property
    def is_about_backward(self) -> bool:
        """Whether autograd alone shows it: it raises, varies or ignores the gradient sent back."""
        return self.cause is Cause.BACKWARD and not self.by_routes


@dataclass(frozen=True)
class PointDerivatives:
    """All derivatives at one point.

    :param value: of the function, in the dtype of the run.
    :param unavailable: for each missing route, the reason.
    """

    value: float
    entries: tuple[DerivativeEntry, ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)


def routes_agree(entry: DerivativeEntry, one: str, other: str, eps: float) -> bool:
    """Tell whether two routes give the same derivative.

    In a short dtype, rounding is not a mistake as long as half of the digits of a first derivative, or a third of those
    of a second, are right and float64 agrees.
    """
    a, b = entry.routes[one], entry.routes[other]
    if not (math.isfinite(a) and math.isfinite(b)):
        return a == b
    central, apart = "central" in (one, other), abs(a - b)
    if eps <= DOUBLE_EPS or one != "autograd":
        return apart <= entry.allowed(a, b, eps, central)
    digits = eps ** (1 / (1 + len(entry.by))) * max(abs(a), abs(b))
    return apart <= max(digits, entry.allowed(a, b, eps, central)) and _precise_agrees(entry, (other,), eps)


def judge_entry(entry: DerivativeEntry, eps: float) -> Finding | None:
    """Return what is wrong with a derivative; None if it exists and autograd is confirmed.

    :param eps: resolution of the run's dtype.
    """
    against = tuple(route for route in entry.voters if not routes_agree(entry, "autograd", route, eps))
    for judge in (_judge_function, _judge_backward, _judge_routes):
        if found := judge(entry, against, eps):
            return found
    return None


def _judge_function(entry: DerivativeEntry, against: tuple[str, ...], eps: float) -> Finding | None:
    """Return why the function has no derivative, if it has none."""
    if not math.isfinite(entry.value):
        return Finding(Cause.DOMAIN, against, f"not finite: the function is {entry.value} there")
    if not _is_repeated(entry.value, entry.second_value):
        words = f"the function is random: two evaluations give {entry.value:.6g} and {entry.second_value:.6g}"
        return Finding(Cause.RANDOM, against, words)
    if entry.jump is not None:
        left, here, right = entry.jump
        words = f"a jump: the value is {left:.6g} to the left, {here:.6g} at the point and {right:.6g} to the right"
        return Finding(Cause.JUMP, against, words)
    if entry.slopes is not None:
        left, right = entry.slopes
        return Finding(Cause.KINK, against, f"a kink: the slope is {left:.6g} to the left and {right:.6g} to the right")
    if entry.curvatures is not None:
        left, right = entry.curvatures
        words = f"a kink of the gradient: the second derivative is {left:.6g} to the left and {right:.6g} to the right"
        return Finding(Cause.KINK, against, words)
    return None


def _judge_backward(entry: DerivativeEntry, against: tuple[str, ...], eps: float) -> Finding | None:
    """Return what autograd shows by itself: an error, a number that is not finite, or one that ignores its upstream."""
    if entry.refusal:
        words = f"a wrong backward: it raises {entry.refusal}"
        return Finding(Cause.BACKWARD, entry.voters, words, by_routes=False)
    ours = entry.routes["autograd"]
    if not math.isfinite(ours):
        exact = [route for route in against if route != "given"]
        if exact and _precise_agrees(entry, exact, eps):
            words = f"overflow of the dtype: in float64 autograd gives {entry.precise:.10g}"
            return Finding(Cause.NOISE, against, words)
        if "central" in against:
            words = f"a wrong backward: it is {ours:g} where the function has a finite slope{_describe_branches(ours)}"
            return Finding(Cause.BACKWARD, against, words)
        return Finding(Cause.DOMAIN, against, "not finite: a pole, or the edge of where the function is defined")
    if not _is_repeated(entry.precise, entry.again):
        words = f"a wrong backward: two calls give {entry.precise:.6g} and {entry.again:.6g}"
        return Finding(Cause.BACKWARD, against, words, by_routes=False)
    if not entry.is_proportional:
        how = "ignores" if _is_repeated(entry.scaled * SCALED_UPSTREAM, entry.precise) else "is not proportional to"
        return Finding(Cause.BACKWARD, against, f"a wrong backward: it {how} grad_output", by_routes=False)
    return None


def _judge_routes(entry: DerivativeEntry, against: tuple[str, ...], eps: float) -> Finding | None:
    """Return which route is wrong, by majority, and whether anything confirms autograd."""
    voters = _without_coarse(entry, against, eps)
    # Nothing contradicts autograd, but a route other than forward mode, which runs the same graph, must confirm it.
    if not against:
        return None if set(voters) - {"forward"} else Finding(Cause.STEP, ("central",), NO_STEP_MESSAGE)
    # The function loses digits in the run's dtype; the backward itself is right.
    if _precise_agrees(entry, against, eps):
        return Finding(Cause.NOISE, against, f"noise of the dtype: in float64 autograd gives {entry.precise:.10g}")
    if _is_of_the_dtype(entry, against, eps):
        return Finding(Cause.NOISE, against, f"noise of the dtype: in float64 autograd gives {entry.precise:.10g}")
    # Central differences alone contradict autograd, and a route without a step size confirms it: the step is to blame.
    if against == ("central",) and EXACT_ROUTES & set(voters):
        return None
    if len(against) == len(voters) == 1 and voters != entry.voters:
        return Finding(Cause.STEP, against, NO_STEP_MESSAGE)  # two routes, and terms may cancel in either
    if against == ("symbolic",) and math.isclose(
        entry.routes["autograd"], entry.routes["symbolic"], rel_tol=MAX_REPEAT_DIFFERENCE
    ):
        return None  # digits cancel in the function as it is written, but not in the simplified formula
    # Every route contradicts autograd, and all agree with each other.
    if len(against) == len(voters) and _agree_among(entry, voters, eps):
        return Finding(Cause.BACKWARD, against, f"a wrong backward{_describe_factor(entry, voters)}")
    # The same without forward mode, which agrees with autograd if a detach cuts the graph for both. Central differences
    # alone must then be conclusive.
    independent = tuple(route for route in voters if route != "forward")
    apart = abs(entry.routes["central"] - entry.routes["autograd"])
    sure = len(against) > 1 or entry.error <= SHARP_ERROR_SHARE * apart
    if against == independent and _agree_among(entry, against, eps) and sure:
        factor = _describe_factor(entry, against)
        words = f"a wrong backward{factor}, in forward mode as well: something is cut off from the graph"
        return Finding(Cause.BACKWARD, against, words)
    if against == ("central",):
        return Finding(Cause.STEP, against, NO_STEP_MESSAGE)
    if len(against) == 1:
        return Finding(Cause.ROUTE, against, f"only {against[0]} disagrees")
    return Finding(Cause.UNDECIDED, against, "undecided: the routes have no majority")


def _without_coarse(entry: DerivativeEntry, against: Sequence[str], eps: float) -> tuple[str, ...]:
    """Return the voters, without central differences if those agree with both sides.

    Their error is then larger than the disagreement of autograd and the other routes, so they confirm neither side.
    """
    coarse = (
        bool(against)
        and "central" not in against
        and all(routes_agree(entry, "central", each, eps) for each in against)
    )
    return tuple(route for route in entry.voters if not (coarse and route == "central"))


def _precise_agrees(entry: DerivativeEntry, against: Sequence[str], eps: float) -> bool:
    """Tell whether autograd in float64 agrees with the other routes, if the run's dtype is less precise.

    Forward mode runs in the run's dtype, so it does not count.
    """
    if not math.isfinite(entry.precise):
        return False
    return eps > DOUBLE_EPS and all(
        abs(entry.precise - entry.routes[route])
        <= entry.allowed(entry.precise, entry.routes[route], DOUBLE_EPS, route == "central")
        + MAX_PRECISE_DIFFERENCE * abs(entry.routes[route])
        for route in against
        if route != "forward"
    )


def _is_of_the_dtype(entry: DerivativeEntry, against: Sequence[str], eps: float) -> bool:
    """Tell whether the dtype explains the disagreement: autograd in float64 is as far from autograd in the run's dtype.

    A wrong backward is wrong in both dtypes.
    """
    if eps <= DOUBLE_EPS or not math.isfinite(entry.precise):
        return False
    ours = entry.routes["autograd"]
    return all(abs(entry.precise - ours) >= MAX_EXCUSED_SHARE * abs(entry.routes[route] - ours) for route in against)


def _agree_among(entry: DerivativeEntry, routes: Sequence[str], eps: float) -> bool:
    return all(routes_agree(entry, routes[0], route, eps) for route in routes[1:])


def _describe_factor(entry: DerivativeEntry, others: Sequence[str]) -> str:
    """Describe the factor by which autograd is off, if it is a simple one."""
    right, ours = entry.routes[others[0]], entry.routes["autograd"]
    if right == 0:
        return ": it is not zero" if ours else ""
    factor = ours / right
    if abs(factor) < 1e-6:
        return ": it is zero"
    if abs(factor + 1) < 1e-4:
        return ": its sign is wrong"
    simple = round(factor) if abs(factor) > 1 else 1 / round(1 / factor)
    return f": it is {simple:g} times as large" if abs(factor - simple) <= 1e-4 * abs(factor) and simple != 1 else ""


def _describe_branches(ours: float) -> str:
    if not math.isnan(ours):
        return ""
    return ": an infinite or undefined slope times 0, such as from a branch that torch.where does not take"


def _is_repeated(one: float, other: float) -> bool:
    """Tell whether two computations of one number agree."""
    return (
        one == other
        or (math.isnan(one) and math.isnan(other))
        or math.isclose(one, other, rel_tol=MAX_REPEAT_DIFFERENCE)
    )
