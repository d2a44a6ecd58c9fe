"""Automatic and central differences against functions whose derivatives are known."""

import math
from types import MappingProxyType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.engine.derivatives import (
    Coordinate,
    central_gradient,
    central_hessian,
    coordinates,
    flatten,
    gradient,
    hessian,
)

KNOWN = {
    "cubic": (lambda z: z[0] ** 3, lambda x: [3 * x[0] ** 2, 0], lambda x: [[6 * x[0], 0], [0, 0]]),
    "product": (lambda z: z[0] * z[1], lambda x: [x[1], x[0]], lambda x: [[0, 1], [1, 0]]),
    "wave": (
        lambda z: torch.sin(z[0]) * torch.exp(z[1]),
        lambda x: [math.cos(x[0]) * math.exp(x[1]), math.sin(x[0]) * math.exp(x[1])],
        lambda x: [
            [-math.sin(x[0]) * math.exp(x[1]), math.cos(x[0]) * math.exp(x[1])],
            [math.cos(x[0]) * math.exp(x[1]), math.sin(x[0]) * math.exp(x[1])],
        ],
    ),
    "plane": (lambda z: 2 * z[0] - z[1], lambda x: [2, -1], lambda x: [[0, 0], [0, 0]]),
}


@pytest.mark.parametrize("name", KNOWN)
@settings(deadline=None, max_examples=30)
@given(x=st.lists(st.floats(-3, 3), min_size=2, max_size=2))
def test_known_derivatives(name: str, x: list[float]) -> None:
    g, first, second = KNOWN[name]
    z = torch.tensor(x, dtype=torch.float64)
    torch.testing.assert_close(gradient(g, z), torch.tensor(first(x), dtype=torch.float64), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(hessian(g, z), torch.tensor(second(x), dtype=torch.float64), rtol=1e-12, atol=1e-12)
    for estimate, exact in ((central_gradient(g, z), gradient(g, z)), (central_hessian(g, z), hessian(g, z))):
        assert bool(((estimate.value - exact).abs() <= 10 * estimate.error + 1e-12).all())


@pytest.mark.parametrize(("dtype", "gradients", "hessians"), [(torch.float32, 1e-3, 0.1), (torch.float64, 1e-8, 1e-5)])
def test_the_estimated_error_is_small_where_the_function_is_smooth(dtype, gradients, hessians) -> None:
    z = torch.tensor([0.5, -0.25], dtype=dtype)
    assert central_gradient(KNOWN["wave"][0], z).error.max() < gradients
    assert central_hessian(KNOWN["wave"][0], z).error.max() < hessians


def test_flatten_gives_each_variable_its_entries() -> None:
    class Mixed:
        variables = MappingProxyType({"a": None, "v": 2})

        def __call__(self, a: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return a * v[..., 0] + v[..., 1]

    assert coordinates(Mixed.variables) == [Coordinate("a"), Coordinate("v", 0), Coordinate("v", 1)]
    assert flatten(Mixed())(torch.tensor([2.0, 3.0, 4.0])).item() == 10.0
    assert [str(coordinate) for coordinate in coordinates(Mixed.variables)] == ["a", "v[0]", "v[1]"]
