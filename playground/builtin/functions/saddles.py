"""Functions with saddle points near which a descent is slow, and no local minimum that is not global."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from playground.builtin.functions.parts import Several, constant, spread
from playground.core.function import Function, Minimum
from playground.core.seeding import make_generator

Size = Annotated[int, Ge(1)]
"""Number of rows, columns or layers."""


def strict_saddle(dim: Several = 4, condition: Annotated[float, Ge(1)] = 10.0) -> Function:
    """Two wells with a saddle between: ¼ (x₁² − 1)² + ½ Σ cᵢ xᵢ² over i from 2 to n, with c from 1 to `condition`.

    Minima 0 at (±1, 0, …, 0); the saddle, of curvature −1, is at the origin, which is the customary start: spread it.
    Box ±2.

    :param dim: number of coordinates.
    :param condition: largest over smallest curvature across the wells.

    Source: Ge, Huang, Jin & Yuan, Escaping from saddle points, 2015, for the definition of strict saddles.
    """
    curvatures = spread(dim - 1, condition)

    def formula(x: Tensor) -> Tensor:
        across = (x[..., 1:].square() * constant(curvatures, x)).sum(-1) / 2
        return (x[..., 0].square() - 1).square() / 4 + across

    return Function(
        formula,
        dim,
        domain=((-2.0, 2.0),) * dim,
        minima=tuple(Minimum((side,) + (0.0,) * (dim - 1), 0.0) for side in (1.0, -1.0)),
        source="Ge, Huang, Jin & Yuan 2015",
        start=(0.0,) * dim,
    )


def monkey_saddle() -> Function:
    """A monkey saddle with a bound: a³ − 3ab² + ¾ (a² + b²)² + ¼ with x = (a, b).

    In polar coordinates r³ cos 3θ + ¾ r⁴ + ¼. The origin, the customary start, is a saddle without curvature: spread
    it. Three minima 0 at distance 1, in the directions π/3, π and 5π/3; box ±2.

    Source: Hilbert & Cohn-Vossen, Geometry and the imagination, 1952, with a quartic bound.
    """
    root = math.sqrt(3) / 2

    def formula(x: Tensor) -> Tensor:
        a, b = x[..., 0], x[..., 1]
        return a**3 - 3 * a * b**2 + 0.75 * (a**2 + b**2) ** 2 + 0.25

    return Function(
        formula,
        2,
        domain=((-2.0, 2.0),) * 2,
        minima=tuple(Minimum(point, 0.0) for point in ((-1.0, 0.0), (0.5, root), (0.5, -root))),
        source="Hilbert & Cohn-Vossen 1952, with a quartic bound",
        start=(0.0, 0.0),
    )


def matrix_factorization(condition: Annotated[float, Ge(1)] = 4.0) -> Function:
    """Factorize a 4×4 matrix of rank 2: ½ ‖U Vᵀ − M‖², x = the rows of U and then of V, each of two numbers.

    M has the singular values √`condition` and 1 / √`condition`. The origin, the customary start, is a saddle: spread
    it. Minimum 0; listed is the balanced one, and U A, V A⁻ᵀ are others for every invertible 2×2 matrix A. Box ±2.

    :param condition: the larger over the smaller singular value.

    Source: Ge, Jin & Zheng, No spurious local minima in nonconvex low rank problems, 2017.
    """
    larger, smaller = condition**0.25, condition**-0.25
    left = [[larger / 2, smaller / 2 * sign] for sign in (1, 1, -1, -1)]
    right = [[larger / 2, smaller / 2 * sign] for sign in (1, -1, 1, -1)]
    product = [[sum(a * b for a, b in zip(row, column, strict=True)) for column in right] for row in left]

    def formula(x: Tensor) -> Tensor:
        pair = x.reshape(*x.shape[:-1], 2, 4, 2)
        u, v = pair[..., 0, :, :], pair[..., 1, :, :]
        error: Tensor = u @ v.transpose(-1, -2) - constant(product, x)
        return error.square().sum((-1, -2)) / 2

    return Function(
        formula,
        16,
        domain=((-2.0, 2.0),) * 16,
        minima=(Minimum(tuple(number for row in (*left, *right) for number in row), 0.0),),
        source="Ge, Jin & Zheng 2017",
        start=(0.0,) * 16,
    )


def linear_network(layers: Size = 3) -> Function:
    """A deep linear network: ½ ‖W_L … W₁ − M‖² with 2×2 matrices, x = their rows, the first layer first.

    M = diag(2, ½). The origin, the customary start, is a saddle without curvature if there are more than two layers:
    spread it. Minimum 0; listed is the one with equal layers, and there are others. Box ±2.

    :param layers: L, the number of matrices.

    Source: Saxe, McClelland & Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks, 2014.
    """
    roots = [2.0 ** (1 / layers), 2.0 ** (-1 / layers)]

    def formula(x: Tensor) -> Tensor:
        stack = x.reshape(*x.shape[:-1], layers, 2, 2)
        matrices = [stack[..., layer, :, :] for layer in range(layers)]
        product = matrices[0]
        for matrix in matrices[1:]:
            product = matrix @ product
        error: Tensor = product - constant([[2.0, 0.0], [0.0, 0.5]], x)
        return error.square().sum((-1, -2)) / 2

    return Function(
        formula,
        4 * layers,
        domain=((-2.0, 2.0),) * (4 * layers),
        minima=(Minimum((roots[0], 0.0, 0.0, roots[1]) * layers, 0.0),),
        source="Saxe, McClelland & Ganguli 2014",
        start=(0.0,) * (4 * layers),
    )


def phase_retrieval(dim: Several = 4, samples: Size = 32) -> Function:
    """Find a vector from squared products: Σ ((aₖ · x)² − (aₖ · x*)²)² / 4m, with m fixed normal vectors aₖ.

    x* = (1, …, 1) / √n. The origin is a maximum, and saddles lie around it at right angles to x*. Minima 0 at ±x*;
    box ±2.

    :param dim: number of coordinates.
    :param samples: m, the number of vectors aₖ.

    Source: Sun, Qu & Wright, A geometric analysis of phase retrieval, 2018, with real numbers.
    """
    drawn = torch.randn(samples, dim, dtype=torch.float64, generator=make_generator(0, "phase retrieval"))
    found = [1 / math.sqrt(dim)] * dim
    vectors, wanted = drawn.tolist(), (drawn @ torch.tensor(found, dtype=torch.float64)).square().tolist()

    def terms(x: Tensor) -> Tensor:
        products = (x.unsqueeze(-2) * constant(vectors, x)).sum(-1)
        return (products.square() - constant(wanted, x)).square() / (4 * samples)

    return Function(
        lambda x: terms(x).sum(-1),
        dim,
        domain=((-2.0, 2.0),) * dim,
        minima=tuple(Minimum(tuple(sign * each for each in found), 0.0) for sign in (1, -1)),
        source="Sun, Qu & Wright 2018",
        terms=terms,
    )
