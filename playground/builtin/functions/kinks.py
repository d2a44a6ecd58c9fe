"""Functions with kinks, on which a gradient does not vanish towards the minimum."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from playground.builtin.functions.parts import Dimension, Several, constant, spread
from playground.core.function import Function, Minimum


def weighted_l1(dim: Dimension = 2, condition: Annotated[float, Ge(1)] = 10.0) -> Function:
    """A pyramid: Σ cᵢ |xᵢ|, with c from 1 to `condition`. Minimum 0 at the origin, where it has a kink; box ±5.

    :param dim: number of coordinates.
    :param condition: largest over smallest slope.

    Source: Shor, Minimization methods for non-differentiable functions, 1985.
    """
    slopes = spread(dim, condition)

    def terms(x: Tensor) -> Tensor:
        return x.abs() * constant(slopes, x)

    return Function(
        lambda x: terms(x).sum(-1),
        dim,
        domain=((-5.0, 5.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Shor 1985",
        terms=terms,
    )


def maximum_norm(dim: Dimension = 2, condition: Annotated[float, Ge(1)] = 10.0) -> Function:
    """The largest of cᵢ |xᵢ|, with c from 1 to `condition`; only one coordinate has a gradient at a time.

    Minimum 0 at the origin, where it has a kink; box ±5.

    :param dim: number of coordinates.
    :param condition: largest over smallest slope.

    Source: Nesterov, Introductory lectures on convex optimization, 2004, section 3.2.1, with weights.
    """
    slopes = spread(dim, condition)
    return Function(
        lambda x: (x.abs() * constant(slopes, x)).amax(-1),
        dim,
        domain=((-5.0, 5.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Nesterov 2004, section 3.2.1",
    )


def maximum_of_quadratics(dim: Dimension = 4) -> Function:
    """The largest of n + 1 bowls: ½ k ‖x‖² + bₖ · x, k from 1 to n + 1, where bₖ = eₖ and the last is −(1, …, 1).

    The bₖ add up to 0, so that the largest bₖ · x is never negative. Minimum 0 at the origin, where all bowls meet in a
    kink; box ±5.

    :param dim: number of coordinates.

    Source: after Lemaréchal & Mifflin, Nonsmooth optimization, 1978, MAXQUAD, with a known minimum.
    """
    halves = [k / 2 for k in range(1, dim + 2)]

    def formula(x: Tensor) -> Tensor:
        slopes = torch.cat([x, -x.sum(-1, keepdim=True)], dim=-1)
        return (x.square().sum(-1, keepdim=True) * constant(halves, x) + slopes).amax(-1)

    return Function(
        formula,
        dim,
        domain=((-5.0, 5.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Lemaréchal & Mifflin 1978, with a known minimum",
    )


def chebyshev_rosenbrock(dim: Several = 2) -> Function:
    """Nesterov's kinked valley: ¼ (x₁ − 1)² + Σ |xᵢ₊₁ − 2xᵢ² + 1|, over i from 1 to n − 1.

    Minimum 0 at (1, …, 1), the end of a valley along the kink; box ±2; customary start (−1, 1, …, 1).

    :param dim: number of coordinates.

    Source: Gürbüzbalaban & Overton, On Nesterov's nonsmooth Chebyshev–Rosenbrock functions, 2012, the first of three.
    """

    def formula(x: Tensor) -> Tensor:
        kinks = (x[..., 1:] - 2 * x[..., :-1].square() + 1).abs().sum(-1)
        return (x[..., 0] - 1).square() / 4 + kinks

    return Function(
        formula,
        dim,
        domain=((-2.0, 2.0),) * dim,
        minima=(Minimum((1.0,) * dim, 0.0),),
        source="Gürbüzbalaban & Overton 2012",
        start=(-1.0,) + (1.0,) * (dim - 1),
    )
