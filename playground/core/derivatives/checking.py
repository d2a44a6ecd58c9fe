"""Differentiates a function at a point by every route that applies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import torch
from torch import Tensor

from playground.core.derivatives.automatic import (
    UnavailableError,
    forward_gradient,
    forward_hessian,
    gradient,
    hessian,
    rounding_sensitivity,
)
from playground.core.derivatives.breaks import find_breaks
from playground.core.derivatives.complex_step import complex_gradient
from playground.core.derivatives.differences import central_hessian, probe
from playground.core.derivatives.points import Coordinate, VectorFunction
from playground.core.derivatives.verdict import ERROR_MARGIN, SCALED_UPSTREAM, DerivativeEntry, PointDerivatives

VALUE_REPEATS = 8
"""How often the value is computed again: two draws of a random function may be equal by chance."""

Route = Callable[[VectorFunction, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class ReverseModeResult:
    """The results of reverse mode in the run's dtype and in float64; `DerivativeEntry` describes each.

    :param refusal: the error that it raised, in which case every number is NaN.
    """

    value: Tensor
    precise: Tensor
    scaled: Tensor
    again: Tensor
    rounding_sensitivity: Tensor
    refusal: str = ""


def check_derivatives(g: VectorFunction, z: Tensor, names: Sequence[Coordinate], order: int = 1) -> PointDerivatives:
    """Differentiate g at z by every route that applies.

    :param z: shape `(n,)`; its dtype is that of the run.
    :param names: of its entries.
    :param order: 1 for the gradient, 2 for the Hessian.
    :returns: one entry for each coordinate, or for each pair of them.
    """
    value = g(z).item()  # outside `try`: an error of the function itself is not an error of its backward
    backward = _go_backward(g, z, order)
    found, unavailable = _take_other_routes(g, z, order)
    seen = probe(g, z)
    breaks = find_breaks(g, z, seen)
    central = seen.gradient() if order == 1 else central_hessian(g, z)
    again = [g(z.detach().to("cpu", torch.float64)).item() for _ in range(VALUE_REPEATS)]
    second_value = next((each for each in again if each != seen.here.item()), again[0])
    entries = []
    for index in combinations_with_replacement(range(len(z)), order):
        broken = [breaks[i] for i in index]
        slope, error = central.value[index].item(), central.error[index].item()
        if any(each.steep for each in broken):
            slope, error = math.nan, math.inf
        routes = {"autograd": backward.value[index].item()}
        routes |= {name: values[index].item() for name, values in found.items()}
        precise = backward.precise[index].item()
        # The reference for the V-curve: the most exact value available.
        truth = routes.get("complex", precise if abs(precise - slope) <= ERROR_MARGIN * error else slope)
        errors = [abs(raw[index].item() - truth) for raw in central.raw]
        entries.append(
            DerivativeEntry(
                by=tuple(names[i] for i in index),
                routes={**routes, "central": slope},
                precise=precise,
                scaled=backward.scaled[index].item(),
                again=backward.again[index].item(),
                error=error,
                rounding_sensitivity=backward.rounding_sensitivity[index].item(),
                value=seen.here.item(),
                second_value=second_value,
                slopes=next((each.slopes for each in broken if each.slopes), None),
                curvatures=broken[0].curvatures if order == 2 and len(set(index)) == 1 else None,
                jump=next((each.jump for each in broken if each.jump), None),
                refusal=backward.refusal,
                curve=tuple(zip(central.steps.tolist(), errors, strict=True)),
            )
        )
    return PointDerivatives(value, tuple(entries), unavailable)


def _go_backward(g: VectorFunction, z: Tensor, order: int) -> ReverseModeResult:
    reverse = gradient if order == 1 else hessian
    double = z.double()
    try:
        return ReverseModeResult(
            value=reverse(g, z),
            precise=reverse(g, double),
            scaled=reverse(g, double, SCALED_UPSTREAM) / SCALED_UPSTREAM,
            again=reverse(g, double),
            rounding_sensitivity=rounding_sensitivity(reverse, g, z),
        )
    except Exception as error:  # a custom backward may raise anything or return a wrong shape
        nothing = torch.full((len(z),) * order, math.nan)
        words = str(error).strip().partition("\n")[0] or type(error).__name__
        return ReverseModeResult(
            value=nothing,
            precise=nothing,
            scaled=nothing,
            again=nothing,
            rounding_sensitivity=nothing * 0,
            refusal=words,
        )


def _take_other_routes(g: VectorFunction, z: Tensor, order: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the derivatives by forward mode and the complex step, and for each missing route the reason."""
    exact: dict[str, Route] = {"forward": forward_gradient, "complex": complex_gradient}
    if order == 2:
        exact = {"forward": forward_hessian}
    found, unavailable = {}, {}
    for name, route in exact.items():
        try:
            found[name] = route(g, z)
        except UnavailableError as error:
            unavailable[name] = str(error)
    return found, unavailable
