"""Automatic and central differences against functions whose derivatives are known."""

import math
from types import MappingProxyType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.core.derivatives import (
    Coordinate,
    UnavailableError,
    central_gradient,
    central_hessian,
    complex_gradient,
    find_breaks,
    flat_loss,
    flatten,
    forward_gradient,
    forward_hessian,
    gradient,
    hessian,
    list_coordinates,
    list_parameter_coordinates,
    probe,
    restrict_to_entries,
    restrict_to_line,
)
from playground.core.problem import Batches, Problem

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


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", KNOWN)
@settings(deadline=None, max_examples=30)
@given(x=st.lists(st.floats(-3, 3), min_size=2, max_size=2))
def test_known_derivatives(name: str, x: list[float]) -> None:
    g, first, second = KNOWN[name]
    z = torch.tensor(x, dtype=torch.float64)
    for route in (gradient, forward_gradient, complex_gradient):
        torch.testing.assert_close(route(g, z), torch.tensor(first(x), dtype=torch.float64), rtol=1e-12, atol=1e-12)
    for route in (hessian, forward_hessian):
        torch.testing.assert_close(route(g, z), torch.tensor(second(x), dtype=torch.float64), rtol=1e-12, atol=1e-12)
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

    assert list_coordinates(Mixed.variables) == [Coordinate("a"), Coordinate("v", 0), Coordinate("v", 1)]
    assert flatten(Mixed())(torch.tensor([2.0, 3.0, 4.0])).item() == 10.0
    assert [str(coordinate) for coordinate in list_coordinates(Mixed.variables)] == ["a", "v[0]", "v[1]"]


def test_extrapolation_is_better_than_any_plain_difference() -> None:
    z = torch.tensor([0.5, -0.25], dtype=torch.float64)
    g, first, _ = KNOWN["wave"]
    estimate, exact = central_gradient(g, z), torch.tensor(first(z.tolist()), dtype=torch.float64)
    assert bool(((estimate.value - exact).abs() < 1e-12).all())
    assert bool(((estimate.raw - exact).abs().amin(dim=0) > 1e-12).all())


def test_the_v_curve_falls_and_rises() -> None:
    g, first, _ = KNOWN["wave"]
    z = torch.tensor([0.5, -0.25], dtype=torch.float64)
    estimate = central_gradient(g, z)
    errors = (estimate.raw[:, 0] - first(z.tolist())[0]).abs()
    least = int(errors.argmin())
    assert 0 < least < len(errors) - 1
    assert errors[0] > 1e4 * errors[least]
    assert errors[-1] > 1e2 * errors[least]


def test_ripples_shorter_than_a_step_are_seen() -> None:
    estimate = central_gradient(
        lambda z: z[0] ** 2 / 4000 - torch.cos(z[0]), torch.tensor([400.0], dtype=torch.float64)
    )
    assert estimate.value.item() == pytest.approx(0.2 + math.sin(400.0), abs=1e-8)


def test_outside_its_domain_a_function_may_refuse() -> None:
    def g(z: torch.Tensor) -> torch.Tensor:
        if z[0] <= 0:
            raise ValueError("not there")
        return z[0].log()

    assert central_gradient(g, torch.tensor([0.01], dtype=torch.float64)).value.item() == pytest.approx(100, rel=1e-9)


@pytest.mark.parametrize(
    ("g", "at", "slopes"),
    [
        (lambda z: z[0].abs(), 0.0, (-1, 1)),
        (lambda z: z[0].relu(), 0.0, (0, 1)),
        (lambda z: 1e6 + 2 * z[0].relu(), 0.0, (0, 2)),
        (lambda z: torch.maximum(z[0], 3 - z[0]), 1.5, (-1, 1)),
        (lambda z: z[0].relu(), 1e-7, None),
        (lambda z: z[0].relu(), -1.0, None),
        (lambda z: z[0].relu() ** 2, 0.0, None),
        (lambda z: torch.nn.functional.huber_loss(z[0], z[0].detach() * 0), 1.0, None),
        (lambda z: torch.sin(1000 * z[0]), 0.3, None),
        (lambda z: 7 * z[0], 0.3, None),
    ],
)
def test_kinks(g, at, slopes) -> None:
    z = torch.tensor([at], dtype=torch.float64)
    (found,) = find_breaks(g, z, probe(g, z))
    assert found.slopes == (None if slopes is None else pytest.approx(slopes, abs=1e-3))


@pytest.mark.parametrize(
    ("g", "why"),
    [
        (lambda z: z[0].abs(), "abs is not known to be analytic"),
        (lambda z: z[0].conj() * z[0], "_conj is not known to be analytic"),
        (lambda z: z[0] ** 0.5, "a power of a number that is not positive"),
        (lambda z: z[0].relu(), "not known to be analytic|not supported for complex"),
        (lambda z: z[0].detach().real, "its value is not a finite complex number|view_as_real is not known"),
    ],
)
def test_a_function_that_is_not_analytic_has_no_complex_step(g, why) -> None:
    with pytest.raises(UnavailableError, match=why):
        complex_gradient(g, torch.tensor([-1.5], dtype=torch.float64))


@pytest.mark.parametrize("power", [2, 3, -3, 7, 0])
def test_powers_of_negative_numbers_by_the_complex_step(power) -> None:
    z = torch.tensor([-1.5], dtype=torch.float64)
    assert complex_gradient(lambda z: z[0] ** power, z).item() == pytest.approx(
        power * (-1.5) ** (power - 1), rel=1e-14
    )


def test_a_custom_function_without_a_forward_derivative_says_so() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, upstream):
            return 2 * ctx.saved_tensors[0] * upstream

    with pytest.raises(UnavailableError, match="jvp"):
        forward_gradient(lambda z: Square.apply(z).sum(), torch.tensor([1.0]))


def test_the_loss_of_a_problem_is_a_function_of_all_its_parameters() -> None:
    module = torch.nn.Linear(2, 1)
    data = (torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]]))
    problem = Problem(module, lambda forward, batch: (forward(batch[0]) - batch[1]).square().mean(), Batches(data))
    g, z = flat_loss(problem, problem.parameters)
    assert list(map(str, list_parameter_coordinates(problem.parameters))) == ["weight[0, 0]", "weight[0, 1]", "bias[0]"]
    problem.loss(module, data).backward()
    expected = torch.cat([module.weight.grad.flatten(), module.bias.grad])
    torch.testing.assert_close(gradient(g, z), expected)
    torch.testing.assert_close(gradient(g, z.double()).float(), expected)
    torch.testing.assert_close(gradient(*restrict_to_entries(g, z, [2, 0])), expected[[2, 0]])
    direction = torch.tensor([0.6, 0.0, 0.8])
    torch.testing.assert_close(gradient(*restrict_to_line(g, z, direction))[0], expected @ direction)
