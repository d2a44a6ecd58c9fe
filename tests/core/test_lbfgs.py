"""The search for a minimum, against closed forms and against torch's own L-BFGS."""

import math

import pytest
import torch

from playground.core.lbfgs import minimize

pytestmark = pytest.mark.usefixtures("one_thread")


def tensor(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def rosenbrock(z):
    return 100 * (z[1] - z[0] ** 2) ** 2 + (1 - z[0]) ** 2


def powell(z):
    a, b, c, d = z
    return (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4


@pytest.mark.parametrize(
    ("function", "start", "least", "places"),
    [
        (lambda z: (z - 3).square().sum() - 2, tensor(0, 0, 0), -2, 1e-6),
        (lambda z: (torch.logspace(0, 8, 5).double() * (z - 3) ** 2).sum(), tensor(0, 0, 0, 0, 0), 0, 1e-4),
        (lambda z: 1e8 * (z - 3).square().sum(), tensor(-1e3, 1e3), 0, 1e-6),
        (rosenbrock, tensor(-1.2, 1), 0, 1e-6),
        (rosenbrock, tensor(-3, -4), 0, 1e-6),
        (powell, tensor(3, -1, 0, 1), 0, 1e-6),
        (lambda z: torch.exp(-z).sum() + z.sum(), tensor(-5, 5), 2, 1e-6),
        (lambda z: z[0] - torch.log(z[0]), tensor(0.01), 1, 1e-6),  # not a number beyond 0
        (lambda z: z.abs().sum() + (z - 0.5).square().sum(), tensor(2, -3), 0.5, 1e-3),  # a kink at the minimum
        (lambda z: torch.relu(z).sum(), tensor(3, 2), 0, 1e-9),
    ],
)
def test_the_minimum_is_found(function, start, least, places):
    value, place = minimize(function, start)
    assert value == pytest.approx(least, abs=places)
    assert function(place).item() == value


@pytest.mark.slow
def test_it_is_as_good_as_the_search_of_torch():
    inputs = torch.linspace(-2, 2, 20, dtype=torch.float64)[:, None]
    targets = torch.sin(3 * inputs)

    def loss(z):
        return ((torch.tanh(inputs * z[:4] + z[4:8]) * z[8:12]).sum(1, keepdim=True) + z[12] - targets).square().mean()

    ours, theirs = [], []
    for seed in range(6):
        start = torch.randn(13, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        ours.append(minimize(loss, start)[0])
        z = start.clone().requires_grad_()
        other = torch.optim.LBFGS([z], max_iter=100, line_search_fn="strong_wolfe")
        other.step(lambda z=z, other=other: (other.zero_grad(), value := loss(z), value.backward())[1])
        theirs.append(loss(z).item())
    assert min(ours) <= 2 * min(theirs)


@pytest.mark.parametrize("function", [lambda z: (z * math.nan).sum(), lambda z: z.sum() / 0])
def test_nothing_is_found_where_the_function_is_not_finite(function):
    start = tensor(1, 2)
    value, place = minimize(function, start)
    assert value == math.inf
    assert place is start


@pytest.mark.parametrize("function", [lambda z: tensor(3)[0], lambda z: 0 * z.sum() + 3, lambda z: z.detach().sum()])
def test_without_a_slope_the_search_stays(function):
    value, place = minimize(function, tensor(1, 2))
    assert (value, place.tolist()) == (3, [1, 2])


def test_evaluations_are_bounded():
    calls = []

    def falling(z):
        calls.append(z)
        return -z.exp().sum().log()

    minimize(falling, tensor(0, 0), evaluations=30)
    assert len(calls) <= 30
