"""Functions with a curved valley, or a minimum of very different curvatures."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from playground.builtin.functions.parts import Dimension, Several, constant
from playground.core.function import Function, Minimum


def powell_singular() -> Function:
    """Powell's singular function: (a + 10b)² + 5 (c − d)² + (b − 2c)⁴ + 10 (a − d)⁴ with x = (a, b, c, d).

    Minimum 0 at the origin, where two of four curvatures are 0; box −4 to 5; customary start (3, −1, 0, 1).

    Source: Powell, An iterative method for finding stationary values of a function of several variables, 1962; Moré,
    Garbow & Hillstrom 1981, problem 13.
    """

    def terms(x: Tensor) -> Tensor:
        a, b, c, d = x[..., 0], x[..., 1], x[..., 2], x[..., 3]
        return torch.stack([(a + 10 * b) ** 2, 5 * (c - d) ** 2, (b - 2 * c) ** 4, 10 * (a - d) ** 4], dim=-1)

    return Function(
        lambda x: terms(x).sum(-1),
        4,
        domain=((-4.0, 5.0),) * 4,
        minima=(Minimum((0.0,) * 4, 0.0),),
        source="Powell 1962; Moré, Garbow & Hillstrom 1981, problem 13",
        start=(3.0, -1.0, 0.0, 1.0),
        terms=terms,
    )


def wood() -> Function:
    """Wood's function: two of Rosenbrock's valleys, coupled, with x = (a, b, c, d).

    100 (b − a²)² + (1 − a)² + 90 (d − c²)² + (1 − c)² + 10 (b + d − 2)² + (b − d)² / 10. Minimum 0 at (1, 1, 1, 1);
    box ±10; customary start (−3, −1, −3, −1).

    Source: Colville, A comparative study of nonlinear programming codes, 1968; Moré, Garbow & Hillstrom 1981,
    problem 14.
    """

    def terms(x: Tensor) -> Tensor:
        a, b, c, d = x[..., 0], x[..., 1], x[..., 2], x[..., 3]
        valleys = [100 * (b - a**2) ** 2, (1 - a) ** 2, 90 * (d - c**2) ** 2, (1 - c) ** 2]
        return torch.stack([*valleys, 10 * (b + d - 2) ** 2, (b - d) ** 2 / 10], dim=-1)

    return Function(
        lambda x: terms(x).sum(-1),
        4,
        domain=((-10.0, 10.0),) * 4,
        minima=(Minimum((1.0,) * 4, 0.0),),
        source="Colville 1968; Moré, Garbow & Hillstrom 1981, problem 14",
        start=(-3.0, -1.0, -3.0, -1.0),
        terms=terms,
    )


def helical_valley() -> Function:
    """The helical valley: 100 [(c − 10 θ)² + (√(a² + b²) − 1)²] + c², with x = (a, b, c), θ the angle of (a, b) / 2π.

    The angle runs from −π/2 to 3π/2, so that the function jumps at a = 0, b < 0 alone. Minimum 0 at (1, 0, 0); box
    ±10; customary start (−1, 0, 0).

    Source: Fletcher & Powell, A rapidly convergent descent method for minimization, 1963; Moré, Garbow & Hillstrom
    1981, problem 7.
    """

    def formula(x: Tensor) -> Tensor:
        a, b, c = x[..., 0], x[..., 1], x[..., 2]
        turn = torch.atan(b / a) / (2 * math.pi) + torch.where(a < 0, 0.5, 0.0)
        return 100 * ((c - 10 * turn) ** 2 + ((a**2 + b**2).sqrt() - 1) ** 2) + c**2

    return Function(
        formula,
        3,
        domain=((-10.0, 10.0),) * 3,
        minima=(Minimum((1.0, 0.0, 0.0), 0.0),),
        source="Fletcher & Powell 1963; Moré, Garbow & Hillstrom 1981, problem 7",
        start=(-1.0, 0.0, 0.0),
    )


def dixon_price(dim: Several = 4) -> Function:
    """Dixon and Price's function: (x₁ − 1)² + Σ i (2xᵢ² − xᵢ₋₁)², over i from 2 to n.

    Minimum 0 at xᵢ = 2^(2^(1 − i) − 1), with either sign of the last coordinate; a local minimum is near
    (⅓, 0, …, 0). Box ±10.

    :param dim: number of coordinates.

    Source: Dixon & Price, The truncated Newton method for sparse unconstrained optimisation using automatic
    differentiation, 1989.
    """
    weights = [float(i) for i in range(2, dim + 1)]
    point = [2.0 ** (2.0 ** (1 - i) - 1) for i in range(1, dim + 1)]

    def terms(x: Tensor) -> Tensor:
        chain = constant(weights, x) * (2 * x[..., 1:].square() - x[..., :-1]).square()
        return torch.cat([(x[..., :1] - 1).square(), chain], dim=-1)

    return Function(
        lambda x: terms(x).sum(-1),
        dim,
        domain=((-10.0, 10.0),) * dim,
        minima=(Minimum(tuple(point), 0.0), Minimum((*point[:-1], -point[-1]), 0.0)),
        source="Dixon & Price 1989",
        terms=terms,
    )


def zakharov(dim: Dimension = 4) -> Function:
    """Zakharov's function: Σ xᵢ² + s² + s⁴ with s = ½ Σ i xᵢ. Minimum 0 at the origin; box −5 to 10.

    :param dim: number of coordinates.

    Source: Zakharov 1969, as in Jamil & Yang 2013, function 173.
    """
    weights = [i / 2 for i in range(1, dim + 1)]

    def formula(x: Tensor) -> Tensor:
        square = (x * constant(weights, x)).sum(-1).square()
        return x.square().sum(-1) + square + square.square()

    return Function(
        formula,
        dim,
        domain=((-5.0, 10.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Zakharov 1969; Jamil & Yang 2013, function 173",
    )


def biggs() -> Function:
    """Biggs's sum of exponentials with two unknowns: Σ (e^(−a tᵢ) − 5 e^(−b tᵢ) − yᵢ)², tᵢ = i / 10, i from 1 to 10.

    yᵢ = e^(−tᵢ) − 5 e^(−10 tᵢ). Minimum 0 at x = (a, b) = (1, 10); box 0 to 20; customary start (1, 2).

    Source: Biggs, Minimization algorithms making use of non-quadratic properties of the objective function, 1971, EXP2.
    """
    times = [i / 10 for i in range(1, 11)]
    data = [math.exp(-t) - 5 * math.exp(-10 * t) for t in times]

    def terms(x: Tensor) -> Tensor:
        t = constant(times, x)
        return (torch.exp(-x[..., :1] * t) - 5 * torch.exp(-x[..., 1:] * t) - constant(data, x)).square()

    return Function(
        lambda x: terms(x).sum(-1),
        2,
        domain=((0.0, 20.0),) * 2,
        minima=(Minimum((1.0, 10.0), 0.0),),
        source="Biggs 1971, EXP2",
        start=(1.0, 2.0),
        terms=terms,
    )
