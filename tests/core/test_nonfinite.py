"""The operation that makes NaN or infinity is found, forward and backward."""

import math

import pytest
import torch
from torch import nn

from playground.core.nonfinite import NonfiniteSource, find_source
from playground.core.problem import Problem

pytestmark = pytest.mark.usefixtures("one_thread")


class Place(nn.Module):
    def __init__(self, values, dtype=torch.float64):
        super().__init__()
        self.x = nn.Parameter(torch.tensor(values, dtype=dtype))

    def forward(self):
        return self.x


class Halved(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x / 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * math.nan


def source_at(f, values, dtype=torch.float64):
    place = Place(values, dtype)
    problem = Problem(place, lambda forward, _: f(forward()).sum())
    return find_source(problem, {"x": place.x}, ())


@pytest.mark.parametrize(
    ("f", "at", "operation", "backward", "value", "arguments"),
    [
        (torch.sqrt, [4.0, -1.0], "sqrt", False, math.nan, (-1.0,)),
        (torch.log, [0.0], "log", False, -math.inf, (0.0,)),
        (torch.sqrt, [1.0, 0.0], "sqrt", True, math.inf, (0.0,)),
        (lambda x: x / (x - x), [3.0], "div", False, math.inf, (3.0, 0.0)),
        (lambda x: (x - x) / (x - x), [3.0], "div", False, math.nan, (0.0, 0.0)),
        (lambda x: x**0.5, [-2.0], "pow", False, math.nan, (-2.0, 0.5)),
        (lambda x: x**0.5, [0.0], "pow", True, math.inf, (0.0, 0.5)),
        (lambda x: x.square().sum().sqrt(), [0.0, 0.0], "sqrt", True, math.inf, (0.0,)),
        (torch.acos, [1.0], "acos", True, -math.inf, (1.0,)),
        (lambda x: torch.where(x > 0, x.sqrt(), x**2), [-1.0], "sqrt", True, math.nan, (-1.0,)),
        (lambda x: torch.where(x > 0, 1 / x, x), [0.0], "reciprocal", True, math.nan, (0.0,)),
        (Halved.apply, [1.0], "Halved", True, math.nan, ()),
    ],
)
def test_the_operation_is_named_with_its_numbers(f, at, operation, backward, value, arguments):
    found = source_at(f, at)
    if operation == "reciprocal":  # torch divides by a tensor in one of two ways
        assert found.operation in ("reciprocal", "rtruediv", "rdiv", "truediv", "div")
    else:
        assert found.operation == operation
        assert found.arguments == pytest.approx(arguments)
    assert found.backward == backward
    assert found.value == value or (math.isnan(found.value) and math.isnan(value))


def test_a_nan_of_infinities_is_followed_to_what_made_them():
    found = source_at(lambda x: x.exp() - x.exp(), [1000.0])
    assert (found.operation, found.value, found.arguments, found.then) == ("exp", math.inf, (1000.0,), "sub")
    assert str(found) == "exp of 1000 gives inf, which sub turns into nan"


@pytest.mark.parametrize("f", [torch.exp, lambda x: torch.where(x > 0, x, x.log()).square(), lambda x: x / x])
def test_what_is_finite_has_no_source(f):
    assert source_at(f, [1.0, 2.0]) is None


def test_nan_that_was_there_before_has_no_source():
    assert source_at(torch.exp, [math.nan]) is None


@pytest.mark.parametrize(
    ("value", "arguments", "overflow"),
    [(math.inf, (100.0,), True), (math.inf, (0.0,), False), (math.inf, (1e20, 0.0), False), (math.nan, (-1e9,), False)],
)
def test_an_infinity_of_large_numbers_is_an_overflow(value, arguments, overflow):
    assert NonfiniteSource("f", False, value, arguments).overflow == overflow
