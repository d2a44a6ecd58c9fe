from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from playground.builtin.functions import classic as functions
from playground.builtin.functions import convex, kinks, plateaus, saddles, scales, valleys
from playground.core.function import Function, Objective
from playground.expression import Expression, ExpressionError

CASES: dict[str, Function] = {
    **{
        f"{factory.__name__}-{dim}": factory(dim)
        for factory in (
            functions.sphere,
            functions.quadratic,
            functions.rastrigin,
            functions.ackley,
            functions.styblinski_tang,
            functions.griewank,
            functions.levy,
        )
        for dim in (1, 2, 5)
    },
    **{f"rosenbrock-{dim}": functions.rosenbrock(dim) for dim in (2, 3, 6)},
    "booth": functions.booth(),
    "matyas": functions.matyas(),
    "beale": functions.beale(),
    "himmelblau": functions.himmelblau(),
    "three_hump_camel": functions.three_hump_camel(),
    "six_hump_camel": functions.six_hump_camel(),
    "goldstein_price": functions.goldstein_price(),
    **{
        f"{factory.__name__}-{dim}": factory(dim)
        for factory in (
            convex.tridiagonal,
            convex.pseudo_huber,
            convex.log_cosh_sum,
            convex.sum_of_powers,
            valleys.zakharov,
            plateaus.gaussian_well,
            plateaus.saturating_bowl,
            plateaus.rippled_bowl,
            kinks.weighted_l1,
            kinks.maximum_norm,
            kinks.maximum_of_quadratics,
        )
        for dim in (1, 2, 5)
    },
    **{
        f"{factory.__name__}-{dim}": factory(dim)
        for factory in (
            convex.trid,
            valleys.dixon_price,
            saddles.strict_saddle,
            saddles.phase_retrieval,
            plateaus.product_chain,
            kinks.chebyshev_rosenbrock,
            scales.normalized_quadratic,
        )
        for dim in (2, 5)
    },
    "pseudo_huber-narrow": convex.pseudo_huber(3, 100.0, 0.1),
    "powell_singular": valleys.powell_singular(),
    "wood": valleys.wood(),
    "helical_valley": valleys.helical_valley(),
    "biggs": valleys.biggs(),
    "monkey_saddle": saddles.monkey_saddle(),
    "matrix_factorization": saddles.matrix_factorization(),
    "linear_network-2": saddles.linear_network(2),
    "linear_network-3": saddles.linear_network(3),
    "log_goldstein_price": plateaus.log_goldstein_price(),
    "layer_scales": scales.layer_scales(),
}
KINKED = {"ackley", "weighted_l1", "maximum_norm", "maximum_of_quadratics", "chebyshev_rosenbrock"}
"""Functions with a kink at their minimum."""
DEGENERATE = {
    *("sum_of_powers", "powell_singular"),  # curvatures of 0 at a single point
    *("matrix_factorization", "linear_network", "product_chain", "layer_scales", "normalized_quadratic"),
}
"""Functions with a curvature of 0 at their minimum; most have a surface of minima."""
SURFACES = DEGENERATE - {"sum_of_powers", "powell_singular"}
MINIMA = {
    f"{name}-{k}": (function, minimum) for name, function in CASES.items() for k, minimum in enumerate(function.minima)
}
every_function = pytest.mark.parametrize("function", CASES.values(), ids=CASES)
every_minimum = pytest.mark.parametrize(("function", "minimum"), MINIMA.values(), ids=MINIMA)


def at(*coordinates: float) -> Tensor:
    return torch.tensor(coordinates, dtype=torch.float64)


def belongs(function: Function, names: set[str]) -> bool:
    return next(name for name, each in CASES.items() if each is function).partition("-")[0] in names


def anywhere(function: Function, count: int) -> Tensor:
    low, high = torch.tensor(function.domain, dtype=torch.float64).T
    return low + (high - low) * torch.rand(
        count, function.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )


@every_minimum
def test_value_at_the_minimum(function, minimum) -> None:
    assert function(at(*minimum.point)).item() == pytest.approx(minimum.value, rel=1e-12, abs=1e-12)


@every_minimum
def test_gradient_at_the_minimum_is_zero(function, minimum) -> None:
    if belongs(function, KINKED - {"ackley"}):
        pytest.skip("a kink: neighbours are higher")
    gradient = torch.func.grad(function)(at(*minimum.point))
    assert gradient.abs().max() < 1e-6


@every_minimum
def test_curvature_at_the_minimum_is_positive(function, minimum) -> None:
    if belongs(function, KINKED):
        pytest.skip("a kink: neighbours are higher")
    curvatures = torch.linalg.eigvalsh(torch.func.jacrev(torch.func.grad(function))(at(*minimum.point)))
    if belongs(function, DEGENERATE):
        assert curvatures.min() >= -1e-12 * curvatures.max()
    else:
        assert curvatures.min() > 1e-3


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_ackley_is_a_cone_at_its_minimum(dim: int) -> None:
    directions = torch.nn.functional.normalize(torch.randn(50, dim, dtype=torch.float64), dim=-1)
    slopes = functions.ackley(dim)(1e-7 * directions) / 1e-7
    assert slopes.tolist() == pytest.approx([4 / math.sqrt(dim)] * 50, rel=1e-5)


@every_minimum
def test_neighbours_are_higher(function, minimum) -> None:
    point = at(*minimum.point)
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(200, function.dim, dtype=torch.float64, generator=generator)
    for radius in (1e-4, 1e-3, 1e-2):
        around = function(point + radius * torch.nn.functional.normalize(directions, dim=-1))
        assert (around >= function(point)).all() if belongs(function, SURFACES) else (around > function(point)).all()


@every_function
def test_nothing_in_the_box_is_lower(function) -> None:
    assert function.minima
    assert (function(anywhere(function, 20_000)) > function.minima[0].value).all()


@every_function
def test_minima_differ_agree_in_value_and_lie_in_the_box(function) -> None:
    assert len({minimum.point for minimum in function.minima}) == len(function.minima)
    for minimum in function.minima:
        assert minimum.value == function.minima[0].value
        assert len(minimum.point) == function.dim == len(function.domain)
        assert all(low <= x <= high for x, (low, high) in zip(minimum.point, function.domain, strict=True))


def test_numbers_of_minima() -> None:
    several = {name: len(function.minima) for name, function in CASES.items() if len(function.minima) > 1}
    named = {"himmelblau": 4, "six_hump_camel": 2, "monkey_saddle": 3}
    pairs = [f"{name}-{dim}" for name in ("dixon_price", "strict_saddle", "phase_retrieval") for dim in (2, 5)]
    assert several == {**named, **dict.fromkeys(pairs, 2)}


def valley(*x: float) -> float:
    return sum(100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise(x))


@pytest.mark.parametrize(
    ("function", "point", "value"),
    [
        (functions.sphere(3), (1, 2, 3), 14),
        (functions.quadratic(3, 100), (1, 1, 1), 55.5),
        (functions.quadratic(1, 100), (2,), 2),
        (functions.quadratic(2, 1), (3, 4), 12.5),
        (functions.booth(), (0, 0), 74),
        (functions.matyas(), (1, 1), 0.04),
        (functions.beale(), (1, 1), 14.203125),
        (functions.rosenbrock(), (-1.2, 1), 24.2),
        (functions.rosenbrock(4), (-1.2, 1, 0.5, 2), valley(-1.2, 1, 0.5, 2)),
        (functions.himmelblau(), (0, 0), 170),
        (functions.rastrigin(), (1, 1), 2),
        (functions.rastrigin(), (0.5, 0.5), 40.5),
        (functions.ackley(), (1, 1), 20 - 20 * math.exp(-0.2)),
        (functions.styblinski_tang(3), (1, 1, 1), -15),
        (functions.three_hump_camel(), (1, 1), 2 - 1.05 + 1 / 6 + 2),
        (functions.six_hump_camel(), (1, 1), 4 - 2.1 + 1 / 3 + 1),
        (functions.goldstein_price(), (0, 0), 600),
        (functions.goldstein_price(), (1.2, 0.8), 840),
        (functions.goldstein_price(), (1.8, 0.2), 84),
        (functions.goldstein_price(), (-0.6, -0.4), 30),
        (functions.griewank(), (math.pi, 0), math.pi**2 / 4000 + 2),
        (functions.levy(1), (5,), 1),
        (functions.levy(), (5, 1), 1 + 10 * math.sin(1) ** 2),
        (functions.levy(), (1, -3), 1),
        (convex.tridiagonal(3), (1, 2, 4), (1 + 1 + 4 + 16) / 2 - 1),
        (convex.trid(3), (1, 2, 3), 5 - 8),
        (convex.pseudo_huber(2, 10.0, 2.0), (1, 2), 4 * (math.sqrt(1.25) - 1) + 40 * (math.sqrt(2) - 1)),
        (convex.log_cosh_sum(2, 4.0), (1, 1), math.log((math.cosh(1) + math.cosh(2)) / 2)),
        (convex.sum_of_powers(3), (-2, -2, 2), 4 + 8 + 16),
        (valleys.powell_singular(), (3, -1, 0, 1), 215),
        (valleys.wood(), (-3, -1, -3, -1), 19192),
        (valleys.helical_valley(), (-1, 0, 0), 2500),
        (valleys.helical_valley(), (1, 1, 0), 100 * (1.25**2 + (math.sqrt(2) - 1) ** 2)),
        (valleys.helical_valley(), (-1, -1, 6.25), 100 * (math.sqrt(2) - 1) ** 2 + 6.25**2),
        (valleys.dixon_price(3), (2, 1, 1), 1 + 0 + 3),
        (valleys.zakharov(2), (1, 1), 2 + 1.5**2 + 1.5**4),
        (valleys.biggs(), (1, 0), sum((5 - 5 * math.exp(-i)) ** 2 for i in range(1, 11))),
        (saddles.strict_saddle(3, 10.0), (0, 1, 2), 0.25 + 0.5 + 20),
        (saddles.monkey_saddle(), (1, 1), 1 - 3 + 3 + 0.25),
        (saddles.matrix_factorization(4.0), (0,) * 16, 2.125),
        (saddles.linear_network(3), (0,) * 12, (4 + 0.25) / 2),
        (saddles.linear_network(2), (1, 2, 3, 4, 0, 1, 1, 0), (1 + 16 + 1 + 1.5**2) / 2),
        (plateaus.gaussian_well(2, 4.0), (1, 1), 1 - math.exp(-2.5)),
        (plateaus.product_chain(3), (1, 2, 3), 12.5),
        (plateaus.log_goldstein_price(), (0, 0), math.log(200)),
        (plateaus.saturating_bowl(2, 4.0), (1, 1), math.log(1.5 * 3)),
        (plateaus.rippled_bowl(1, 0.5), (0.5,), 0.125 + 0.25 / math.pi**2),
        (kinks.weighted_l1(2, 10.0), (-1, 2), 21),
        (kinks.maximum_norm(2, 10.0), (-11, 1), 11),
        (kinks.maximum_of_quadratics(2), (1, 1), 3),
        (kinks.chebyshev_rosenbrock(2), (-1, 2), 2),
        (scales.layer_scales(2, 4.0), (1, 2, 1, 2), 9 / 4),
        (scales.normalized_quadratic(2, 10.0), (3, 0), ((1 - math.sqrt(0.5)) ** 2 + 10 * 0.5) / 2),
    ],
)
def test_known_values(function: Function, point: tuple[float, ...], value: float) -> None:
    assert function(at(*point)).item() == pytest.approx(value, rel=1e-12)


@pytest.mark.sampled(28)
@every_function
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_dtype_and_device(function, dtype: torch.dtype) -> None:
    points = anywhere(function, 6).to(dtype).reshape(2, 3, function.dim)
    values = function(points)
    assert values.shape == (2, 3)
    assert values.dtype == dtype
    assert function(points.to("meta")).device.type == "meta"


@every_function
def test_a_batch_equals_its_points_alone_and_vmap(function) -> None:
    points = anywhere(function, 6)
    alone = torch.stack([function(point) for point in points])
    torch.testing.assert_close(function(points), alone, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(torch.func.vmap(function)(points), alone, rtol=1e-13, atol=1e-13)
    gradients = torch.stack([torch.func.grad(function)(point) for point in points])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(function))(points), gradients, rtol=1e-12, atol=1e-12)


@every_function
def test_gradients_are_right(function) -> None:
    assert torch.autograd.gradcheck(function, anywhere(function, 3).requires_grad_(), eps=1e-6, rtol=1e-3, atol=1e-3)


@every_function
def test_what_is_told(function) -> None:
    assert isinstance(function, Objective)
    assert function.source
    assert dict(function.variables) == {"x": function.dim}
    assert all(low < high for low, high in function.domain)


def test_starts() -> None:
    assert functions.rosenbrock(3).start == (-1.2, 1.0, -1.2)
    assert functions.beale().start == (1.0, 1.0)


def test_condition_number() -> None:
    hessian = torch.func.jacrev(torch.func.grad(functions.quadratic(4, 1000.0)))(at(0, 0, 0, 0))
    assert torch.linalg.eigvalsh(hessian).tolist() == pytest.approx([1, 10, 100, 1000])


FACTORIES: list[Callable[..., object]] = [
    value
    for module in (functions, convex, kinks, plateaus, saddles, scales, valleys)
    for name, value in vars(module).items()
    if getattr(value, "__module__", "") == module.__name__ and name[0] != "_"
]


def test_every_factory_is_tested() -> None:
    tested = {name.partition("-")[0] for name in CASES} | {"expression"}
    assert {factory.__name__ for factory in FACTORIES} == tested
    assert all(factory.__doc__ for factory in FACTORIES)


def test_expression() -> None:
    bowl = functions.expression("(2*x + 10)**2")
    assert isinstance(bowl, Expression)
    assert bowl(x=at(-5.0)).item() == 0
    with pytest.raises(ExpressionError, match="a power is written"):
        functions.expression("x^2")
