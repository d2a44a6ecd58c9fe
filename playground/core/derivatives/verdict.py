"""Several routes to one derivative, and when they disagree, which one is wrong and why that may be."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from playground.core.derivatives.points import Coordinate

MAX_ROUTE_ULP = 1e3
"""Units in the last place that two exact routes may differ by, after the rounding of some tens of operations."""

RESIDUE_ULP = 10
"""Units in the last place of the function's value, and of 10, left where large terms cancel: 1 - tanh(x)² far out."""

MAX_RESIDUE = 1e-3
"""No residue is larger: the size of a value alone says little of what cancelled."""

ERROR_MARGIN = 10
"""Central differences may be off by this many times their own estimate of their error."""

SHARP_ERROR_SHARE = 1e-6
"""Share of a disagreement below which the estimated error of central differences leaves no doubt of them."""

MAX_EXCUSED_SHARE = 0.5
"""Share of a derivative that no sensitivity to rounding excuses: else a large one would agree with everything."""

SCALED_UPSTREAM = -64.0
"""What is sent back in place of 1: a backward that multiplies by it gives the same bits times this power of two."""

MAX_REPEAT_DIFFERENCE = 1e-6
"""Share of a derivative or a value by which two computations of it may differ; more is no rounding."""

MAX_PRECISE_DIFFERENCE = 1e-6
"""Share by which autograd in float64 may be off and still show that only float32 is short of digits."""

EXACT_ROUTES = frozenset({"complex", "symbolic"})
"""Routes without a step to choose: where one confirms autograd, central differences alone prove nothing."""

DOUBLE_EPS = torch.finfo(torch.float64).eps

NO_STEP_MESSAGE = "no step suits: too long for the function or too short for rounding"


class Cause(enum.StrEnum):
    """Why routes disagree."""

    KINK = "kink"
    """The function, or of a second derivative its gradient, has a slope to the left and another to the right."""
    JUMP = "jump"
    """The value jumps at the point."""
    RANDOM = "random"
    """The function gives another value each time."""
    NOISE = "float32_noise"
    """In float64 the same code agrees with the others."""
    BACKWARD = "wrong_backward"
    """Every other route agrees with every other, against autograd."""
    ROUTE = "wrong_route"
    """One other route alone disagrees: mostly the given formula."""
    STEP = "step"
    """No step is short enough for the function and long enough for rounding, so that nothing confirms autograd."""
    DOMAIN = "not_finite"
    """A pole, or outside the domain."""
    UNDECIDED = "undecided"
    """There is no majority."""


@dataclass(frozen=True)
class DerivativeEntry:
    """One derivative at one point, by every route.

    A route that is not finite has no answer and no vote; only a given formula claims to have one everywhere.

    :param by: what it is taken by: one coordinate, or two for a second derivative.
    :param routes: value by route; `autograd`, reverse mode in the run's dtype, comes first.
    :param precise: the same as `autograd`, computed in float64.
    :param scaled: the same as `precise`, with `UPSTREAM` sent back in place of 1, and divided by it.
    :param again: the same as `precise`, computed once more.
    :param error: estimated error of the route `central`.
    :param bend: how fast it changes with the relative size of the coordinates; see `bend`.
    :param value: of the function at the point.
    :param second_value: the same, computed once more.
    :param slopes: to the left and right, where there is a kink.
    :param curvatures: of a second derivative: what it is to the left and right, where the gradient has a kink.
    :param jump: the values to the left, at the point and to the right, where there is a jump.
    :param refusal: what the backward pass raised; empty where it did not.
    :param curve: step, and error of the plain central difference at that step: the V-curve.
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
        """Every route but autograd that has an answer."""
        return tuple(
            route
            for route, value in self.routes.items()
            if route != "autograd" and (math.isfinite(value) or route == "given")
        )

    def rounding(self, a: float, b: float, eps: float, central: bool) -> float:
        """Return how far two routes may lie apart by their own rounding, in a dtype with this resolution."""
        return eps * MAX_ROUTE_ULP * max(abs(a), abs(b)) + (ERROR_MARGIN * self.error if central else 0.0)

    def allowed(self, a: float, b: float, eps: float, central: bool) -> float:
        """Return how far two routes may lie apart where the function cancels or magnifies rounding."""
        size = max(abs(a), abs(b))
        sensitive = min(eps * MAX_ROUTE_ULP * self.rounding_sensitivity, MAX_EXCUSED_SHARE * size)
        residue = min(eps * RESIDUE_ULP * (10 + abs(self.value)), MAX_RESIDUE)
        if eps <= DOUBLE_EPS and self.is_sharp(abs(a - b)):
            residue = 0.0
        return self.rounding(a, b, eps, central) + sensitive + residue

    def is_sharp(self, apart: float) -> bool:
        """Tell whether central differences are, by their own estimate, far better than a disagreement is large.

        Where large terms cancel in the function they are not, and a slope of zero may be that of a rounded value.
        """
        return self.error <= SHARP_ERROR_SHARE * min(apart, abs(self.routes["central"]))

    @property
    def is_proportional(self) -> bool:
        """Whether backward multiplies by what is sent back to it."""
        return not math.isfinite(self.precise) or _is_repeated(self.precise, self.scaled)


@dataclass(frozen=True)
class Finding:
    """What is wrong with an entry.

    :param routes: those that autograd does not agree with; empty for a kink that no route minds.
    :param words: a phrase for people.
    :param by_routes: whether routes show it, or autograd alone.
    """

    cause: Cause
    routes: tuple[str, ...]
    words: str
    by_routes: bool = True

    @property
    def is_no_derivative(self) -> bool:
        """Whether it is the function that has no derivative there."""
        return self.cause in (Cause.KINK, Cause.JUMP, Cause.DOMAIN, Cause.RANDOM)

    @property
    def is_about_backward(self) -> bool:
        """Whether autograd alone shows it, with no other route: it raises, varies or ignores what is sent back."""
        return self.cause is Cause.BACKWARD and not self.by_routes


@dataclass(frozen=True)
class PointDerivatives:
    """All derivatives at one point.

    :param value: of the function, in the dtype of the run.
    :param unavailable: why a route has nothing to say there, by route.
    """

    value: float
    entries: tuple[DerivativeEntry, ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)


def routes_agree(entry: DerivativeEntry, one: str, other: str, eps: float) -> bool:
    """Tell whether two routes give the same derivative.

    What a shorter dtype makes of it is rounding, not a mistake, as long as half of the digits are left of a first
    derivative and a third of them of a second, and float64 has no quarrel.
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
    """Say what is wrong with a derivative; None when autograd is confirmed and there is a derivative.

    :param eps: resolution of the run's dtype.
    """
    against = tuple(route for route in entry.voters if not routes_agree(entry, "autograd", route, eps))
    for judge in (_judge_function, _judge_backward, _judge_routes):
        if found := judge(entry, against, eps):
            return found
    return None


def _judge_function(entry: DerivativeEntry, against: tuple[str, ...], eps: float) -> Finding | None:
    """Say why the function has no derivative to speak of."""
    if not math.isfinite(entry.value):
        return Finding(Cause.DOMAIN, against, f"not finite: the function is {entry.value} there")
    if not _is_repeated(entry.value, entry.second_value):
        words = f"the function is random: it is {entry.value:.6g} once and {entry.second_value:.6g} the next time"
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
    """Say what autograd shows of itself: an error, no finite number, or one that ignores what is sent back."""
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
        words = f"a wrong backward: it gives {entry.precise:.6g} once and {entry.again:.6g} the next time"
        return Finding(Cause.BACKWARD, against, words, by_routes=False)
    if not entry.is_proportional:
        how = "ignores" if _is_repeated(entry.scaled * SCALED_UPSTREAM, entry.precise) else "is not proportional to"
        return Finding(Cause.BACKWARD, against, f"a wrong backward: it {how} grad_output", by_routes=False)
    return None


def _judge_routes(entry: DerivativeEntry, against: tuple[str, ...], eps: float) -> Finding | None:
    """Say who is wrong where routes disagree, by majority; and whether anything confirms autograd."""
    voters = _without_coarse(entry, against, eps)
    if not against:
        return None if set(voters) - {"forward"} else Finding(Cause.STEP, ("central",), NO_STEP_MESSAGE)
    if _precise_agrees(entry, against, eps):
        return Finding(Cause.NOISE, against, f"noise of the dtype: in float64 autograd gives {entry.precise:.10g}")
    if _is_of_the_dtype(entry, against, eps):
        return Finding(Cause.NOISE, against, f"noise of the dtype: in float64 autograd gives {entry.precise:.10g}")
    if against == ("central",) and EXACT_ROUTES & set(voters):
        return None
    if len(against) == len(voters) == 1 and voters != entry.voters:
        return Finding(Cause.STEP, against, NO_STEP_MESSAGE)  # one formula against another: either may cancel
    if against == ("symbolic",) and math.isclose(
        entry.routes["autograd"], entry.routes["symbolic"], rel_tol=MAX_REPEAT_DIFFERENCE
    ):
        return None  # some digits cancel in the function as it is written, and not in the algebra
    if len(against) == len(voters) and _agree_among(entry, voters, eps):
        return Finding(Cause.BACKWARD, against, f"a wrong backward{_describe_factor(entry, voters)}")
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
        return Finding(Cause.ROUTE, against, f"{against[0]} alone disagrees")
    return Finding(Cause.UNDECIDED, against, "no two routes are enough to tell which is right")


def _without_coarse(entry: DerivativeEntry, against: Sequence[str], eps: float) -> tuple[str, ...]:
    """Return the voters, without central differences where they agree with autograd and with all that disagree with it.

    Then their error is larger than the disagreement, so that they confirm neither side.
    """
    coarse = (
        bool(against)
        and "central" not in against
        and all(routes_agree(entry, "central", each, eps) for each in against)
    )
    return tuple(route for route in entry.voters if not (coarse and route == "central"))


def _precise_agrees(entry: DerivativeEntry, against: Sequence[str], eps: float) -> bool:
    """Tell whether autograd in float64, where that is more precise, gives what the other routes give.

    Forward mode is as short of digits as what it is compared with, and has no say.
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
    """Tell whether autograd in float64 is so far from that in the run's dtype that the dtype explains the disagreement.

    What is wrong in a backward is so in both.
    """
    if eps <= DOUBLE_EPS or not math.isfinite(entry.precise):
        return False
    ours = entry.routes["autograd"]
    return all(abs(entry.precise - ours) >= MAX_EXCUSED_SHARE * abs(entry.routes[route] - ours) for route in against)


def _agree_among(entry: DerivativeEntry, routes: Sequence[str], eps: float) -> bool:
    return all(routes_agree(entry, routes[0], route, eps) for route in routes[1:])


def _describe_factor(entry: DerivativeEntry, others: Sequence[str]) -> str:
    """Say by which factor autograd is off, where that is a simple one."""
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
    return ": an infinite or undefined slope times 0, as of a branch that torch.where does not take"


def _is_repeated(one: float, other: float) -> bool:
    """Tell whether two computations of one number agree."""
    return (
        one == other
        or (math.isnan(one) and math.isnan(other))
        or math.isclose(one, other, rel_tol=MAX_REPEAT_DIFFERENCE)
    )
