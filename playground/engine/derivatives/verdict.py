"""Several routes to one derivative, and when they disagree, which one is wrong and why that may be."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement

import torch
from torch import Tensor

from playground.engine.derivatives.automatic import (
    UnavailableError,
    bend,
    forward_gradient,
    forward_hessian,
    gradient,
    hessian,
)
from playground.engine.derivatives.complex_step import complex_gradient
from playground.engine.derivatives.differences import central_hessian, probe
from playground.engine.derivatives.points import Coordinate, Flat

ROUNDING = 1e3
"""Units in the last place that two exact routes may differ by, after the rounding of some tens of operations."""

RESIDUE = 10
"""Units in the last place of the function's value, and of 10, left where large terms cancel: 1 - tanh(x)² far out."""

MARGIN = 10
"""Central differences may be off by this many times their own estimate of their error."""

SHARP = 1e-6
"""Share of a disagreement below which the estimated error of central differences leaves no doubt of them."""

Route = Callable[[Flat, Tensor], Tensor]


class Cause(enum.StrEnum):
    """Why routes disagree."""

    KINK = "kink"
    """The function turns at the point: it has a slope to the left and another to the right."""
    NOISE = "float32_noise"
    """In float64 the same code agrees with the others."""
    BACKWARD = "wrong_backward"
    """Every other route agrees with every other, against autograd."""
    ROUTE = "wrong_route"
    """One other route alone disagrees: mostly the given formula."""
    STEP = "step"
    """Central differences alone disagree: no step is short enough for the function and long enough for rounding."""
    DOMAIN = "not_finite"
    """A pole, or outside the domain."""
    UNDECIDED = "undecided"
    """There is no majority."""


@dataclass(frozen=True)
class Entry:
    """One derivative at one point, by every route.

    :param by: what it is taken by: one coordinate, or two for a second derivative.
    :param routes: value by route; `autograd`, reverse mode in the run's dtype, comes first.
    :param precise: the same as `autograd`, computed in float64.
    :param error: estimated error of the route `central`.
    :param bend: how fast it changes with the relative size of the coordinates; see `bend`.
    :param value: of the function at the point.
    :param slopes: to the left and right, where there is a kink.
    :param curve: step, and error of the plain central difference at that step: the V-curve.
    """

    by: tuple[Coordinate, ...]
    routes: Mapping[str, float]
    precise: float
    error: float
    bend: float
    value: float
    slopes: tuple[float, float] | None = None
    curve: tuple[tuple[float, float], ...] = ()

    def allowed(self, a: float, b: float, eps: float, central: bool) -> float:
        """Return how far two routes may lie apart, in a dtype with this resolution."""
        rounding = eps * (ROUNDING * max(abs(a), abs(b), self.bend) + RESIDUE * (10 + abs(self.value)))
        return rounding + (MARGIN * self.error if central else 0.0)


@dataclass(frozen=True)
class Finding:
    """What is wrong with an entry.

    :param routes: those that autograd does not agree with; empty for a kink that no route minds.
    :param words: a phrase for people.
    """

    cause: Cause
    routes: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class Checked:
    """All derivatives at one point.

    :param value: of the function, in the dtype of the run.
    :param unavailable: why a route has nothing to say there, by route.
    """

    value: float
    entries: tuple[Entry, ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)


def check(g: Flat, z: Tensor, names: Sequence[Coordinate], order: int = 1) -> Checked:
    """Differentiate g at z by every route that it allows.

    :param z: shape `(n,)`; its dtype is that of the run.
    :param names: of its entries.
    :param order: 1 for the gradient, 2 for the Hessian.
    :returns: one entry for each coordinate, or for each pair of them.
    """
    exact: dict[str, Route] = {"autograd": gradient, "forward": forward_gradient, "complex": complex_gradient}
    if order == 2:
        exact = {"autograd": hessian, "forward": forward_hessian}
    found: dict[str, Tensor] = {}
    unavailable: dict[str, str] = {}
    for name, route in exact.items():
        try:
            found[name] = route(g, z)
        except UnavailableError as error:
            unavailable[name] = str(error)
    reverse = exact["autograd"]
    precise, bends = reverse(g, z.double()), bend(reverse, g, z)
    looked = probe(g, z)
    central = looked.gradient() if order == 1 else central_hessian(g, z)
    slopes = looked.slopes()
    found["central"] = central.value
    entries = []
    for index in combinations_with_replacement(range(len(z)), order):
        near = abs(precise[index].item() - central.value[index].item()) <= MARGIN * central.error[index].item()
        truth = found.get("complex", precise if near else central.value)[index].item()
        errors = [abs(raw[index].item() - truth) for raw in central.raw]
        entries.append(
            Entry(
                tuple(names[i] for i in index),
                {name: values[index].item() for name, values in found.items()},
                precise[index].item(),
                central.error[index].item(),
                bends[index].item(),
                looked.here.item(),
                slopes[index[0]] if order == 1 else None,
                tuple(zip(central.steps.tolist(), errors, strict=True)),
            )
        )
    return Checked(g(z).item(), tuple(entries), unavailable)


def agree(entry: Entry, one: str, other: str, eps: float) -> bool:
    """Tell whether two routes give the same derivative.

    What a shorter dtype makes of it is rounding, not a mistake, as long as half of the digits are left of a first
    derivative and a third of them of a second, and float64 has no quarrel.
    """
    a, b = entry.routes[one], entry.routes[other]
    if abs(a - b) <= entry.allowed(a, b, eps, "central" in (one, other)):
        return True
    digits = eps ** (1 / (1 + len(entry.by))) * max(abs(a), abs(b))
    return one == "autograd" and abs(a - b) <= digits and _precise_agrees(entry, (other,), eps)


def finding(entry: Entry, eps: float) -> Finding | None:
    """Say what is wrong with a derivative; None when every route agrees with autograd and there is no kink.

    :param eps: resolution of the run's dtype.
    """
    others = [route for route in entry.routes if route != "autograd"]
    against = tuple(route for route in others if not agree(entry, "autograd", route, eps))
    if entry.slopes is not None:
        left, right = entry.slopes
        return Finding(Cause.KINK, against, f"a kink: the slope is {left:.6g} to the left and {right:.6g} to the right")
    if not against:
        return None
    if not all(math.isfinite(entry.routes[route]) for route in ("autograd", *against)):
        return Finding(Cause.DOMAIN, against, "not finite: a pole, or the edge of where the function is defined")
    if _precise_agrees(entry, against, eps):
        return Finding(Cause.NOISE, against, f"noise of the dtype: in float64 autograd gives {entry.precise:.10g}")
    if len(against) == len(others) and _agree_among(entry, others, eps):
        return Finding(Cause.BACKWARD, against, f"a wrong backward{_hint(entry, others)}")
    by_values = [route for route in others if route != "forward"]
    if against == tuple(by_values) and _agree_among(entry, by_values, eps) and (len(by_values) > 1 or _sharp(entry)):
        words = (
            f"a wrong backward{_hint(entry, by_values)}, in forward mode as well: something is cut off from the graph"
        )
        return Finding(Cause.BACKWARD, against, words)
    if against == ("central",):
        return Finding(Cause.STEP, against, "no step suits: too long for the function or too short for rounding")
    if len(against) == 1:
        return Finding(Cause.ROUTE, against, f"{against[0]} alone disagrees")
    return Finding(Cause.UNDECIDED, against, "no two routes are enough to tell which is right")


def _precise_agrees(entry: Entry, against: Sequence[str], eps: float) -> bool:
    """Tell whether autograd in float64, where that is more precise, gives what the other routes give.

    Forward mode is as short of digits as what it is compared with, and has no say.
    """
    return eps > torch.finfo(torch.float64).eps and all(
        abs(entry.precise - entry.routes[route])
        <= entry.allowed(entry.precise, entry.routes[route], eps if route != "central" else 0.0, route == "central")
        for route in against
        if route != "forward"
    )


def _agree_among(entry: Entry, routes: Sequence[str], eps: float) -> bool:
    return all(agree(entry, routes[0], route, eps) for route in routes[1:])


def _sharp(entry: Entry) -> bool:
    """Tell whether central differences are, by their own estimate, far better than it takes to contradict autograd."""
    return entry.error <= SHARP * abs(entry.routes["central"] - entry.routes["autograd"])


def _hint(entry: Entry, others: Sequence[str]) -> str:
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
