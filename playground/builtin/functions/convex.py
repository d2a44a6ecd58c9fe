"""Convex functions that are badly conditioned, or curved differently at different distances from their minimum."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from playground.builtin.functions.parts import Dimension, Several, constant, spread
from playground.core.function import Function, Minimum


def tridiagonal(dim: Dimension = 10) -> Function:
    """Nesterov's hard quadratic: ½ [x₁² + Σ (xᵢ − xᵢ₊₁)² + xₙ²] − x₁, whose Hessian is tridiagonal.

    A method that combines gradients reaches one more coordinate with each step from 0. Minimum −n / (2 (n + 1)) at
    xᵢ = 1 − i / (n + 1); box ±2; customary start 0.

    :param dim: number of coordinates.

    Source: Nesterov, Introductory lectures on convex optimization, 2004, section 2.1.2, times 4 / L.
    """

    def terms(x: Tensor) -> Tensor:
        first, last = x[..., :1], x[..., -1:]
        inner = (x[..., :-1] - x[..., 1:]).square() / 2
        return torch.cat([first.square() / 2 - first, inner, last.square() / 2], dim=-1)

    return Function(
        lambda x: terms(x).sum(-1),
        dim,
        domain=((-2.0, 2.0),) * dim,
        minima=(Minimum(tuple(1 - i / (dim + 1) for i in range(1, dim + 1)), -dim / (2 * (dim + 1))),),
        source="Nesterov 2004, section 2.1.2",
        start=(0.0,) * dim,
        terms=terms,
    )


def trid(dim: Several = 6) -> Function:
    """Trid: Σ (xᵢ − 1)² − Σ xᵢ xᵢ₋₁, a quadratic whose minimum is far from the origin.

    Minimum −n (n + 4) (n − 1) / 6 at xᵢ = i (n + 1 − i); box ±n².

    :param dim: number of coordinates.

    Source: Neumaier, as in Hedar, Test functions for unconstrained global optimization, 2005.
    """
    return Function(
        lambda x: (x - 1).square().sum(-1) - (x[..., 1:] * x[..., :-1]).sum(-1),
        dim,
        domain=((-float(dim**2), float(dim**2)),) * dim,
        minima=(Minimum(tuple(float(i * (dim + 1 - i)) for i in range(1, dim + 1)), -dim * (dim + 4) * (dim - 1) / 6),),
        source="Neumaier; Hedar 2005",
    )


def pseudo_huber(
    dim: Dimension = 2, condition: Annotated[float, Ge(1)] = 10.0, delta: Annotated[float, Gt(0)] = 1.0
) -> Function:
    """A smooth Huber loss in each coordinate: Σ cᵢ δ² (√(1 + (xᵢ / δ)²) − 1), with c from 1 to `condition`.

    A bowl of curvatures cᵢ near the minimum, and a cone of slopes cᵢ δ far from it. Minimum 0 at the origin; box ±5.

    :param dim: number of coordinates.
    :param condition: largest over smallest curvature at the minimum.
    :param delta: the distance at which the bowl becomes a cone.

    Source: Charbonnier et al., Deterministic edge-preserving regularization in computed imaging, 1997, with weights.
    """
    curvatures = spread(dim, condition)

    def terms(x: Tensor) -> Tensor:
        # (√(1 + r²) − 1) without cancellation: r² / (√(1 + r²) + 1)
        square = (x / delta).square()
        return constant(curvatures, x) * delta**2 * square / ((1 + square).sqrt() + 1)

    return Function(
        lambda x: terms(x).sum(-1),
        dim,
        domain=((-5.0, 5.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Charbonnier et al. 1997",
        terms=terms,
    )


def log_cosh_sum(dim: Dimension = 2, condition: Annotated[float, Ge(1)] = 10.0) -> Function:
    """A soft maximum of |aᵢ xᵢ|: log Σ cosh(aᵢ xᵢ) / n, with a² from 1 to `condition`.

    Minimum 0 at the origin, where the curvatures are aᵢ² / n; far from it the function is nearly linear. Box ±2.

    :param dim: number of coordinates.
    :param condition: largest over smallest curvature at the minimum.

    Source: Boyd & Vandenberghe, Convex optimization, 2004, section 3.1.5, for pairs of opposite terms.
    """
    slopes = [curvature**0.5 for curvature in spread(dim, condition)]

    def formula(x: Tensor) -> Tensor:
        y = constant(slopes, x) * x
        # log(1 + Σ (cosh y − 1) / n) keeps its digits near the minimum: cosh y − 1 = 2 sinh²(y / 2)
        return torch.log1p(2 * torch.sinh(y / 2).square().mean(-1))

    return Function(
        formula,
        dim,
        domain=((-2.0, 2.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Boyd & Vandenberghe 2004, section 3.1.5",
    )


def sum_of_powers(dim: Dimension = 4) -> Function:
    """Σ |xᵢ|^(i + 1): a bowl in the first coordinate, flatter and flatter in the others.

    Minimum 0 at the origin, where only the first coordinate has a curvature; box ±1.

    :param dim: number of coordinates.

    Source: Molga & Smutnicki, Test functions for optimization needs, 2005: sum of different powers.
    """

    def terms(x: Tensor) -> Tensor:
        # an even power needs no absolute value, whose second derivative at 0 autograd gets wrong
        powers = [x[..., i] ** (i + 2) if i % 2 == 0 else x[..., i].abs() ** (i + 2) for i in range(dim)]
        return torch.stack(powers, dim=-1)

    return Function(
        lambda x: terms(x).sum(-1),
        dim,
        domain=((-1.0, 1.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Molga & Smutnicki 2005",
        terms=terms,
    )
