"""Functions with plateaus, where gradients vanish, and with steep walls."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from playground.builtin.functions.parts import (
    Dimension,
    Several,
    constant,
    function_of_two,
    goldstein_price_value,
    spread,
)
from playground.core.function import Function, Minimum


def gaussian_well(dim: Dimension = 2, condition: Annotated[float, Ge(1)] = 10.0) -> Function:
    """A well in a plain: 1 − exp(−½ Σ cᵢ xᵢ²), with c from 1 to `condition`.

    Minimum 0 at the origin; the gradient vanishes far from it. Box ±1.

    :param dim: number of coordinates.
    :param condition: largest over smallest curvature at the minimum.

    Source: a normal density upside down.
    """
    curvatures = spread(dim, condition)
    return Function(
        lambda x: -torch.expm1(-(x.square() * constant(curvatures, x)).sum(-1) / 2),
        dim,
        domain=((-1.0, 1.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="a normal density upside down",
    )


def product_chain(dim: Several = 4) -> Function:
    """A chain of n weights without data: ½ (Π xᵢ − 1)². Flat near the origin, and steep where all weights are large.

    Minimum 0 wherever the product is 1; listed is (1, …, 1). Box ±2.

    :param dim: number of weights.

    Source: Shamir, Exponential convergence time of gradient descent for one-dimensional deep linear neural networks,
    2019.
    """
    return Function(
        lambda x: (x.prod(-1) - 1).square() / 2,
        dim,
        domain=((-2.0, 2.0),) * dim,
        minima=(Minimum((1.0,) * dim, 0.0),),
        source="Shamir 2019",
    )


def log_goldstein_price() -> Function:
    """The logarithm of Goldstein and Price's function over its minimum: log(f / 3).

    Minimum 0 at (0, −1); local minima where f has them; box ±2.

    Source: Picheny, Wagner & Ginsbourger, A benchmark of kriging-based infill criteria for noisy optimization, 2013,
    without their scale.
    """
    return function_of_two(
        lambda a, b: torch.log(goldstein_price_value(a, b) / 3),
        domain=((-2.0, 2.0),) * 2,
        minima=(Minimum((0.0, -1.0), 0.0),),
        source="Picheny, Wagner & Ginsbourger 2013",
    )


def saturating_bowl(dim: Dimension = 2, condition: Annotated[float, Ge(1)] = 10.0) -> Function:
    """A robust bowl: Σ log(1 + ½ cᵢ xᵢ²), with c from 1 to `condition`; its slope falls with the distance.

    Minimum 0 at the origin; box ±5.

    :param dim: number of coordinates.
    :param condition: largest over smallest curvature at the minimum.

    Source: Black & Anandan, The robust estimation of multiple motions, 1996: the Lorentzian.
    """
    curvatures = spread(dim, condition)

    def terms(x: Tensor) -> Tensor:
        return torch.log1p(x.square() * constant(curvatures, x) / 2)

    return Function(
        lambda x: terms(x).sum(-1),
        dim,
        domain=((-5.0, 5.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Black & Anandan 1996",
        terms=terms,
    )


def rippled_bowl(dim: Dimension = 2, height: Annotated[float, Ge(0)] = 0.1) -> Function:
    """A bowl whose slope comes in steps: Σ ½ xᵢ² + `height` (1 − cos 2π xᵢ) / 4π², without local minima up to 1.

    Minimum 0 at the origin, where the curvature is 1 + `height`; box ±5.

    :param dim: number of coordinates.
    :param height: how much the curvature changes; from 1 on, the curvature is negative in places.

    Source: Rastrigin's function with a low wave.
    """

    def terms(x: Tensor) -> Tensor:
        return x.square() / 2 + height / (2 * math.pi**2) * torch.sin(math.pi * x).square()

    return Function(
        lambda x: terms(x).sum(-1),
        dim,
        domain=((-5.0, 5.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Rastrigin 1974, with a low wave",
        terms=terms,
    )
