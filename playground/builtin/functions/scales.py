"""Functions whose parameters have very different scales, or none."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from playground.builtin.functions.parts import Several, constant, spread
from playground.core.function import Function, Minimum


def layer_scales(width: Annotated[int, Ge(1)] = 4, ratio: Annotated[float, Ge(1)] = 100.0) -> Function:
    """Two layers of different scales: ½ Σ (uᵢ vᵢ − 1)² / n, with x = (u, v), u of size 1 / √ρ and v of size √ρ.

    Gradients of the first layer are larger by the factor ρ, although its weights are smaller by it. Minimum 0 wherever
    uᵢ vᵢ = 1; listed is the one with equal uᵢ. Box 0.5 to 2, times these sizes.

    :param width: n, the number of weights in each layer.
    :param ratio: ρ, the scale of the second layer's weights over that of the first layer's.

    Source: You, Gitman & Ginsburg, Large batch training of convolutional networks, 2017, for ratios between layers.
    """
    root = math.sqrt(ratio)

    def formula(x: Tensor) -> Tensor:
        first, second = x[..., :width], x[..., width:]
        return (first * second - 1).square().mean(-1) / 2

    return Function(
        formula,
        2 * width,
        domain=((0.5 / root, 2 / root),) * width + ((0.5 * root, 2 * root),) * width,
        minima=(Minimum((1 / root,) * width + (root,) * width, 0.0),),
        source="You, Gitman & Ginsburg 2017",
    )


def normalized_quadratic(dim: Several = 4, condition: Annotated[float, Ge(1)] = 10.0) -> Function:
    """A bowl of the direction alone: ½ Σ cᵢ (wᵢ / ‖w‖ − 1 / √n)² with w = x and c from 1 to `condition`.

    The gradient is at right angles to x and falls with its length, as for weights before a normalization. Minimum 0 at
    every positive multiple of (1, …, 1); listed is the one of length 1. Box ±2.

    :param dim: number of coordinates.
    :param condition: largest over smallest curvature.

    Source: Salimans & Kingma, Weight normalization, 2016.
    """
    curvatures, share = spread(dim, condition), 1 / math.sqrt(dim)

    def formula(x: Tensor) -> Tensor:
        direction = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        value: Tensor = ((direction - share).square() * constant(curvatures, x)).sum(-1) / 2
        return value

    return Function(
        formula,
        dim,
        domain=((-2.0, 2.0),) * dim,
        minima=(Minimum((share,) * dim, 0.0),),
        source="Salimans & Kingma 2016",
    )
