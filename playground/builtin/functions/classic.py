"""The test functions that surveys list, and formulas in a scenario.

Names and domains follow Jamil & Yang, A literature survey of benchmark functions for global optimization problems,
2013, unless a source says otherwise.
"""

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
from playground.expression import Expression, parse


def expression(formula: str) -> Expression:
    """A formula such as `(2*x + 10)**2` or `x[0]**2 + sin(y)`; its variables are the names in it.

    :param formula: Python arithmetic on numbers, `pi`, `e`, variables `x` and entries of vectors `x[0]`, with sin cos
        tan exp log log2 log10 sqrt abs tanh sigmoid relu softplus erf atan sinh cosh max min.
    :raises ExpressionError: the formula is not valid; the fault carries the column.
    """
    return parse(formula)


def sphere(dim: Dimension = 2) -> Function:
    """The sphere: Σ xᵢ². Minimum 0 at the origin; box ±5.12.

    :param dim: number of coordinates.

    Source: De Jong, An analysis of the behavior of a class of genetic adaptive systems, 1975, F1.
    """
    return Function(
        lambda x: x.square().sum(-1),
        dim,
        domain=((-5.12, 5.12),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="De Jong 1975, F1",
    )


def quadratic(dim: Dimension = 2, condition: Annotated[float, Ge(1)] = 10.0) -> Function:
    """An axis-aligned bowl: ½ Σ cᵢ xᵢ², with c from 1 to `condition`, evenly spaced on a logarithmic scale.

    The cᵢ are the eigenvalues of its Hessian, so gradient descent with rate lr converges if and only if
    lr < 2 / `condition` (2 / 1 with a single coordinate). Minimum 0 at the origin; box ±5.

    :param dim: number of coordinates.
    :param condition: the condition number, largest over smallest curvature.

    Source: Nesterov, Introductory lectures on convex optimization, 2004, section 2.1.
    """
    curvatures = spread(dim, condition)
    return Function(
        lambda x: (x.square() * constant(curvatures, x)).sum(-1) / 2,
        dim,
        domain=((-5.0, 5.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Nesterov 2004, section 2.1",
        terms=lambda x: x.square() * constant(curvatures, x) / 2,
    )


def booth() -> Function:
    """Booth's function: (a + 2b − 7)² + (2a + b − 5)² with x = (a, b). Minimum 0 at (1, 3); box ±10.

    Source: Jamil & Yang 2013.
    """
    return function_of_two(
        lambda a, b: (a + 2 * b - 7) ** 2 + (2 * a + b - 5) ** 2,
        domain=((-10.0, 10.0),) * 2,
        minima=(Minimum((1.0, 3.0), 0.0),),
        source="Jamil & Yang 2013",
    )


def matyas() -> Function:
    """Matyas's function: 0.26 (a² + b²) − 0.48 ab with x = (a, b). Minimum 0 at the origin; box ±10.

    Source: Matyas, Random optimization, 1965; as in Jamil & Yang 2013.
    """
    return function_of_two(
        lambda a, b: 0.26 * (a**2 + b**2) - 0.48 * a * b,
        domain=((-10.0, 10.0),) * 2,
        minima=(Minimum((0.0, 0.0), 0.0),),
        source="Matyas 1965",
    )


def beale() -> Function:
    """Beale's function: (1.5 − a + ab)² + (2.25 − a + ab²)² + (2.625 − a + ab³)² with x = (a, b).

    Minimum 0 at (3, 0.5); box ±4.5; customary start (1, 1).

    Source: Beale, On an iterative method for finding a local minimum of a function of more than one variable, 1958;
    start from Moré, Garbow & Hillstrom 1981, problem 5.
    """
    return function_of_two(
        lambda a, b: (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2,
        domain=((-4.5, 4.5),) * 2,
        minima=(Minimum((3.0, 0.5), 0.0),),
        source="Beale 1958; Moré, Garbow & Hillstrom 1981, problem 5",
        start=(1.0, 1.0),
    )


def rosenbrock(dim: Several = 2) -> Function:
    """Rosenbrock's valley: Σ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)², over i from 1 to n − 1.

    Minimum 0 at (1, …, 1); box -5 to 10; customary start (-1.2, 1, -1.2, 1, …). In four to seven dimensions there is
    a local minimum near (-1, 1, …, 1) as well.

    :param dim: number of coordinates.

    Source: Rosenbrock, An automatic method for finding the greatest or least value of a function, 1960. The chained
    form, not the sum of separate pairs of Moré, Garbow & Hillstrom 1981, from whom the start is.
    """

    def terms(x: Tensor) -> Tensor:
        here, following = x[..., :-1], x[..., 1:]
        return 100 * (following - here.square()).square() + (1 - here).square()

    return Function(
        lambda x: terms(x).sum(-1),
        dim,
        domain=((-5.0, 10.0),) * dim,
        minima=(Minimum((1.0,) * dim, 0.0),),
        source="Rosenbrock 1960, chained form",
        start=tuple(1.0 if i % 2 else -1.2 for i in range(dim)),
        terms=terms,
    )


def himmelblau() -> Function:
    """Himmelblau's function: (a² + b − 11)² + (a + b² − 7)² with x = (a, b). Four minima of value 0; box ±5.

    Source: Himmelblau, Applied nonlinear programming, 1972.
    """
    points = (
        (3.0, 2.0),
        (-2.8051180869527449, 3.1313125182505730),
        (-3.7793102533777469, -3.2831859912861694),
        (3.5844283403304917, -1.8481265269644036),
    )
    return function_of_two(
        lambda a, b: (a**2 + b - 11) ** 2 + (a + b**2 - 7) ** 2,
        domain=((-5.0, 5.0),) * 2,
        minima=tuple(Minimum(point, 0.0) for point in points),
        source="Himmelblau 1972",
    )


def rastrigin(dim: Dimension = 2) -> Function:
    """Rastrigin's function: 10 n + Σ xᵢ² − 10 cos(2π xᵢ), a bowl full of local minima.

    Minimum 0 at the origin; box ±5.12.

    :param dim: number of coordinates.

    Source: Rastrigin, Systems of extremal control, 1974; n-dimensional form from Mühlenbein, Schomisch & Born 1991.
    """
    return Function(
        lambda x: (x.square() + 10 * (1 - torch.cos(2 * math.pi * x))).sum(-1),
        dim,
        domain=((-5.12, 5.12),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Rastrigin 1974; Mühlenbein, Schomisch & Born 1991",
    )


def ackley(dim: Dimension = 2) -> Function:
    """Ackley's function: 20 + e − 20 exp(−0.2 √(Σ xᵢ² / n)) − exp(Σ cos(2π xᵢ) / n).

    Minimum 0 at the origin, where it has a kink like a cone's and so no gradient; autograd says 0 there, the middle of
    what the slopes around it allow. Box ±32.768.

    :param dim: number of coordinates.

    Source: Ackley, A connectionist machine for genetic hillclimbing, 1987; n-dimensional form from Bäck & Schwefel,
    An overview of evolutionary algorithms for parameter optimization, 1993.
    """

    def formula(x: Tensor) -> Tensor:
        # the norm, not the root of a sum of squares, whose gradient at the origin is inf · 0
        radius = torch.linalg.vector_norm(x, dim=-1) / math.sqrt(dim)
        waves = torch.cos(2 * math.pi * x).mean(-1)
        return 20 * (1 - torch.exp(-0.2 * radius)) + (math.e - torch.exp(waves))

    return Function(
        formula,
        dim,
        domain=((-32.768, 32.768),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Ackley 1987; Bäck & Schwefel 1993",
    )


def styblinski_tang(dim: Dimension = 2) -> Function:
    """Styblinski and Tang's function: ½ Σ xᵢ⁴ − 16 xᵢ² + 5 xᵢ. Minimum about −39.166 n at xᵢ = −2.9035…; box ±5.

    :param dim: number of coordinates.

    Source: Styblinski & Tang, Experiments in nonconvex optimization, 1990.
    """
    return Function(
        lambda x: (x**4 - 16 * x**2 + 5 * x).sum(-1) / 2,
        dim,
        domain=((-5.0, 5.0),) * dim,
        minima=(Minimum((-2.9035340277711771,) * dim, -39.166165703771415 * dim),),
        source="Styblinski & Tang 1990",
    )


def three_hump_camel() -> Function:
    """The three-hump camel: 2a² − 1.05a⁴ + a⁶/6 + ab + b² with x = (a, b). Minimum 0 at the origin; box ±5.

    Source: Branin, Widely convergent method for finding multiple solutions of simultaneous nonlinear equations, 1972.
    """
    return function_of_two(
        lambda a, b: 2 * a**2 - 1.05 * a**4 + a**6 / 6 + a * b + b**2,
        domain=((-5.0, 5.0),) * 2,
        minima=(Minimum((0.0, 0.0), 0.0),),
        source="Branin 1972",
    )


def six_hump_camel() -> Function:
    """The six-hump camel: (4 − 2.1a² + a⁴/3) a² + ab + (−4 + 4b²) b² with x = (a, b).

    Two minima of about −1.0316 at ±(0.0898…, −0.7127…), and four local ones; box a ±3, b ±2.

    Source: Branin 1972; Dixon & Szegö, Towards global optimisation 2, 1978.
    """
    low = -1.0316284534898774
    return function_of_two(
        lambda a, b: (4 - 2.1 * a**2 + a**4 / 3) * a**2 + a * b + (-4 + 4 * b**2) * b**2,
        domain=((-3.0, 3.0), (-2.0, 2.0)),
        minima=(
            Minimum((0.0898420131003182, -0.7126564030207396), low),
            Minimum((-0.0898420131003182, 0.7126564030207396), low),
        ),
        source="Branin 1972; Dixon & Szegö 1978",
    )


def goldstein_price() -> Function:
    """Goldstein and Price's function, of degree eight, with x = (a, b).

    [1 + (a + b + 1)² (19 − 14a + 3a² − 14b + 6ab + 3b²)] · [30 + (2a − 3b)² (18 − 32a + 12a² + 48b − 36ab + 27b²)].
    Minimum 3 at (0, -1); local minima 30, 84 and 840; box ±2.

    Source: Goldstein & Price, On descent from local minima, 1971.
    """
    return function_of_two(
        goldstein_price_value,
        domain=((-2.0, 2.0),) * 2,
        minima=(Minimum((0.0, -1.0), 3.0),),
        source="Goldstein & Price 1971",
    )


def griewank(dim: Dimension = 2) -> Function:
    """Griewank's function: 1 + Σ xᵢ² / 4000 − Π cos(xᵢ / √i). Minimum 0 at the origin; box ±600.

    :param dim: number of coordinates.

    Source: Griewank, Generalized descent for global optimization, 1981.
    """
    roots = [math.sqrt(i) for i in range(1, dim + 1)]
    return Function(
        lambda x: x.square().sum(-1) / 4000 + (1 - torch.cos(x / constant(roots, x)).prod(-1)),
        dim,
        domain=((-600.0, 600.0),) * dim,
        minima=(Minimum((0.0,) * dim, 0.0),),
        source="Griewank 1981",
    )


def levy(dim: Dimension = 2) -> Function:
    """Levy's function, with wᵢ = 1 + (xᵢ − 1) / 4.

    sin²(π w₁) + Σ (wᵢ − 1)² [1 + 10 sin²(π wᵢ + 1)] + (wₙ − 1)² [1 + sin²(2π wₙ)], the sum over i from 1 to n − 1.
    Minimum 0 at (1, …, 1); box ±10.

    :param dim: number of coordinates.

    Source: Levy & Montalvo, The tunneling algorithm for the global minimization of functions, 1985; this form from
    Laguna & Martí, Experimental testing of advanced scatter search designs, 2005.
    """

    def formula(x: Tensor) -> Tensor:
        w = 1 + (x - 1) / 4
        inner, last = w[..., :-1], w[..., -1]
        head = torch.sin(math.pi * w[..., 0]).square()
        body = (inner - 1).square() * (1 + 10 * torch.sin(math.pi * inner + 1).square())
        tail = (last - 1).square() * (1 + torch.sin(2 * math.pi * last).square())
        return head + body.sum(-1) + tail

    return Function(
        formula,
        dim,
        domain=((-10.0, 10.0),) * dim,
        minima=(Minimum((1.0,) * dim, 0.0),),
        source="Levy & Montalvo 1985; Laguna & Martí 2005",
    )
