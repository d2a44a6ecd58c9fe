"""Derivatives of a scalar function, by automatic differentiation and by central differences.

The function is seen as g(z) of one flat vector z of shape `(n,)`, whatever its variables are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.engine.function import Objective

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
    """Derivatives with a bound on their error, entry by entry, estimated from a second step size."""

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
        return torch.zeros(len(z), len(z), dtype=z.dtype)
    rows = [
        torch.autograd.grad(entry, z, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
        for entry in first
    ]
    return torch.stack(rows)


def central_gradient(g: Flat, z: Tensor) -> Estimate:
    """Return (g(z + h eᵢ) - g(z - h eᵢ)) / 2h.

    The step h = ε^(1/3) max(1, |zᵢ|) balances truncation, h² g'''/6, against rounding, ε |g| / h. Truncation is
    estimated by a third of the difference to step 2h.

    :param z: shape `(n,)`; its dtype sets ε.
    """
    return _estimate(g, z, _difference, torch.finfo(z.dtype).eps ** (1 / 3), order=1)


def central_hessian(g: Flat, z: Tensor) -> Estimate:
    """Return (g(+,+) - g(+,-) - g(-,+) + g(-,-)) / 4 hᵢhⱼ, where the signs move coordinates i and j.

    The step h = ε^(1/4) max(1, |zᵢ|) balances truncation against rounding, ε |g| / h².

    :param z: shape `(n,)`; its dtype sets ε.
    """
    return _estimate(g, z, _second_difference, torch.finfo(z.dtype).eps ** (1 / 4), order=2)


def _estimate(
    g: Flat, z: Tensor, difference: Callable[[Flat, Tensor, Tensor], Tensor], h: float, order: int
) -> Estimate:
    """Take the difference at h and at 2h, and bound truncation and rounding from them."""
    z = z.detach()
    with torch.no_grad():
        steps = (z + h * z.abs().clamp(min=1)) - z  # what was really added, after rounding
        near, far = difference(g, z, torch.diag(steps)), difference(g, z, torch.diag(2 * steps))
        size = max(g(z + sign * row).abs().item() for row in torch.diag(2 * steps) for sign in (-1, 1))
        rounding = torch.finfo(z.dtype).eps * size / steps.min() ** order
        return Estimate(near, (far - near).abs() / 3 + rounding)


def _difference(g: Flat, z: Tensor, steps: Tensor) -> Tensor:
    return torch.stack([(g(z + step) - g(z - step)) / (2 * step.sum()) for step in steps])


def _second_difference(g: Flat, z: Tensor, steps: Tensor) -> Tensor:
    def entry(a: Tensor, b: Tensor) -> Tensor:
        return (g(z + a + b) - g(z + a - b) - g(z - a + b) + g(z - a - b)) / (4 * a.sum() * b.sum())

    return torch.stack([torch.stack([entry(a, b) for b in steps]) for a in steps])
