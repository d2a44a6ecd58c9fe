"""Derivatives of a scalar function, by automatic differentiation and by central differences.

The function is seen as g(z) of one flat vector z of shape `(n,)`, whatever its variables are called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.engine.function import Objective

LADDER = tuple(4.0**power for power in range(1, -7, -1))
"""Steps of a central difference, in units of the one that balances truncation against rounding for a tame function."""

ROUGH = (7, 19, 37, 71)
"""Distances, in units of the last place, over which a function shows its rounding; powers of two would show none."""

Flat = Callable[[Tensor], Tensor]
"""g(z): a 0-d tensor from a vector of shape `(n,)`."""


@dataclass(frozen=True, order=True)
class Coordinate:
    """One entry of the flat vector: a scalar variable, or one entry of a vector variable."""

    variable: str
    index: int | None = None

    def __str__(self) -> str:
        """`x`, or `x[0]`."""
        return self.variable if self.index is None else f"{self.variable}[{self.index}]"


@dataclass(frozen=True)
class Estimate:
    """Derivatives with a bound on their error, entry by entry, estimated from several step sizes."""

    value: Tensor
    error: Tensor


def coordinates(variables: Mapping[str, int | None]) -> list[Coordinate]:
    """List the entries of the flat vector in order."""
    return [
        Coordinate(name, index)
        for name, length in variables.items()
        for index in ([None] if length is None else range(length))
    ]


def flatten(function: Objective) -> Flat:
    """Return the function as g(z)."""
    variables = function.variables

    def flat(z: Tensor) -> Tensor:
        pieces = torch.split(z, [1 if length is None else length for length in variables.values()])
        named = zip(variables.items(), pieces, strict=True)
        return function(**{name: piece[0] if length is None else piece for (name, length), piece in named})

    return flat


def gradient(g: Flat, z: Tensor) -> Tensor:
    """Return ∂g/∂zᵢ by reverse-mode automatic differentiation, shape `(n,)`."""
    z = z.detach().requires_grad_()
    (result,) = torch.autograd.grad(g(z), z, allow_unused=True, materialize_grads=True)
    return result


def hessian(g: Flat, z: Tensor) -> Tensor:
    """Return ∂²g/∂zᵢ∂zⱼ by differentiating the gradient once more, shape `(n, n)`."""
    z = z.detach().requires_grad_()
    (first,) = torch.autograd.grad(g(z), z, create_graph=True, allow_unused=True, materialize_grads=True)
    if not first.requires_grad:  # a linear function: nothing is left to differentiate
        return torch.zeros(len(z), len(z), dtype=z.dtype, device=z.device)
    rows = [
        torch.autograd.grad(entry, z, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
        for entry in first
    ]
    return torch.stack(rows)


def bend(derivative: Callable[[Flat, Tensor], Tensor], g: Flat, z: Tensor) -> Tensor:
    """Return how fast a derivative D changes with the relative size of each coordinate: Σⱼ |∂D/∂zⱼ| max(0.01, |zⱼ|).

    Rounding moves a point by some ε |zⱼ|, and the derivative by ε times this, however exact the route to it. It is
    measured on both sides; the smoother one counts, so that a kink at the point excuses nothing.

    :param derivative: `gradient` or `hessian`.
    :param z: shape `(n,)`; its dtype sets how far apart the points are.
    :returns: one number for each entry of the derivative.
    """
    share = torch.finfo(z.dtype).eps ** 0.5
    here = derivative(g, z)
    total = torch.zeros_like(here)
    for reach in torch.diag(z.abs().clamp(min=0.01)):
        sides = [(derivative(g, z + sign * share * reach) - here).abs().cpu() / share for sign in (-1, 1)]
        total += torch.minimum(*(side.nan_to_num(math.inf) for side in sides)).to(total)
    return total.nan_to_num(0.0, posinf=0.0)


def central_gradient(g: Flat, z: Tensor) -> Estimate:
    """Return (g(z + h eᵢ) - g(z - h eᵢ)) / 2h, computed in float64.

    The step h = ε^(1/3) max(1, |zᵢ|) balances truncation, h² g'''/6, against rounding, ε |g| / h; shorter ones are
    tried as well, for where the function turns or ends nearby.

    :param z: shape `(n,)`.
    """
    return _estimate(g, z, _difference, 1 / 3, order=1)


def central_hessian(g: Flat, z: Tensor) -> Estimate:
    """Return (g(+,+) - g(+,-) - g(-,+) + g(-,-)) / 4 hᵢhⱼ, where the signs move coordinates i and j, in float64.

    The step h = ε^(1/4) max(1, |zᵢ|) balances truncation against rounding, ε |g| / h²; see `central_gradient`.

    :param z: shape `(n,)`.
    """
    return _estimate(g, z, _second_difference, 1 / 4, order=2)


def _estimate(
    g: Flat, z: Tensor, difference: Callable[[Flat, Tensor, Tensor], Tensor], power: float, order: int
) -> Estimate:
    """Take the difference at shorter and shorter steps; keep for each entry the one with the least estimated error.

    Truncation is estimated by a third of the difference to the step before, which is four times as long: five times
    too much. Rounding is estimated by the function's size, and by how rough it is at the point.
    """
    z = z.detach().to("cpu", torch.float64)  # in float32 a difference would judge worse than what it is to judge
    with torch.no_grad():
        eps = torch.finfo(g(z).dtype).eps
        roughness = _roughness(g, z, eps)

        def taken(scale: float) -> tuple[Tensor, Tensor]:
            steps = (z + scale * eps**power * z.abs().clamp(min=1)) - z  # what was really added, after rounding
            rows = torch.diag(steps)
            size = torch.stack([g(z + sign * row).abs() for row in rows for sign in (-1, 1)]).max()
            return difference(g, z, rows), torch.maximum(roughness.to(size), eps * size) / steps.min() ** order

        far, _ = taken(LADDER[0])
        best = Estimate(far, torch.full_like(far, math.inf))
        for scale in LADDER[1:]:
            near, rounding = taken(scale)
            error = ((far - near).abs() / 3 + rounding).nan_to_num(math.inf)
            better = error < best.error
            best = Estimate(torch.where(better, near, best.value), torch.where(better, error, best.error))
            far = near
    return best


def _roughness(g: Flat, z: Tensor, eps: float) -> Tensor:
    """Return the rounding error of g near z: its third differences over distances where no smooth function has any.

    A sum of large terms that cancel is rougher than the size of its value tells.
    """
    found = [
        (g(z + 3 * step) - 3 * g(z + 2 * step) + 3 * g(z + step) - g(z)).abs()
        for distance in ROUGH
        for step in torch.diag(distance * eps * z.abs().clamp(min=1))
    ]
    return torch.stack(found).nan_to_num(0.0, posinf=0.0).max()


def _difference(g: Flat, z: Tensor, steps: Tensor) -> Tensor:
    return torch.stack([(g(z + step) - g(z - step)) / (2 * step.sum()) for step in steps])


def _second_difference(g: Flat, z: Tensor, steps: Tensor) -> Tensor:
    def entry(a: Tensor, b: Tensor) -> Tensor:
        return (g(z + a + b) - g(z + a - b) - g(z - a + b) + g(z - a - b)) / (4 * a.sum() * b.sum())

    return torch.stack([torch.stack([entry(a, b) for b in steps]) for a in steps])
