"""The contract of functions accepts stated minima of every kind, and refuses points that are none."""

import math

import pytest
import torch

from playground.core.function import Function, Minimum
from playground.testing import FunctionContract

RULE = "test_stated_minima_are_minima"


def michalewicz(x):
    i = torch.arange(1, 3, dtype=x.dtype)
    return -(x.sin() * (i * x**2 / math.pi).sin() ** 20).sum(-1)


def bowl(x):
    return (x**2).sum(-1)


def of(formula, point, value, low=-2.0, high=3.0, dim=2):
    return lambda: Function(formula, dim, ((low, high),) * dim, (Minimum(point, value),))


def slanted(x):
    """A bowl along either coordinate, and falling along the diagonal."""
    return bowl(x) - 3 * x.prod(-1)


def oblique(x):
    """Falls along (3, 5, -4) alone, which is no coordinate and no diagonal."""
    direction = torch.tensor([3.0, 5.0, -4.0], dtype=x.dtype) / 50**0.5
    return bowl(x) - 1.05 * (x * direction).sum(-1) ** 2


class Once(torch.autograd.Function):
    """x², which cannot be differentiated twice."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        return 2 * ctx.saved_tensors[0] * upstream


NOT_MINIMA = {
    "a little off": of(michalewicz, (2.20, 1.57), -1.8013, 0.0, math.pi),
    "a few digits off": of(michalewicz, (2.2129, 1.5708), -1.8013, 0.0, math.pi),
    "too few coordinates": of(bowl, (0.0,), 0.0),
    "too many coordinates": of(bowl, (0.0, 0.0, 0.0), 0.0),
    "a saddle": of(lambda x: x[..., 0] ** 2 - x[..., 1] ** 2, (0.0, 0.0), 0.0),
    "a saddle along a diagonal": of(slanted, (0.0, 0.0), 0.0),
    "the same, in a small domain": of(slanted, (0.0, 0.0), 0.0, -1e-3, 1e-3),
    "the same, as an edge of the domain": of(slanted, (0.0, 0.0), 0.0, 0.0, 1e-3),
    "a saddle of squares": of(lambda x: bowl(x**2) - 5 * (x**2).prod(-1), (0.0, 0.0), 0.0, -0.3, 0.3),
    "a saddle with a kink": of(lambda x: 2 * (x[..., 0] - x[..., 1]).abs() - x.sum(-1), (0.0, 0.0), 0.0, -1e-5, 1e-5),
    "a saddle in three coordinates": of(oblique, (0.0, 0.0, 0.0), 0.0, -1e-3, 1e-3, 3),
    "a saddle of 10 coordinates": of(lambda x: 10 * bowl(x) - 1.1 * x.sum(-1) ** 2, (0.0,) * 10, 0.0, -1e-3, 1e-3, 10),
    "a maximum": of(lambda x: -bowl(x), (0.0, 0.0), 0.0),
    "outside of the domain": of(bowl, (0.0, 0.0), 0.0, 1.0, 2.0),
    "another value": of(bowl, (0.0, 0.0), 0.5),
    "not a number": of(bowl, (math.nan, 0.0), 0.0),
    "an infinite value": of(bowl, (0.0, 0.0), -math.inf),
    "inside, where the boundary is lower": of(lambda x: x.sum(-1), (1.0, 1.0), 2.0),
    "beside a kink": of(lambda x: x.abs().sum(-1), (1e-3, 0.0), 1e-3),
}

MINIMA = {
    "a bowl": of(bowl, (0.0, 0.0), 0.0),
    "as many digits as one writes": of(michalewicz, (2.20291, 1.57080), -1.8013, 0.0, math.pi),
    "at a corner of the domain": of(lambda x: x.sum(-1), (-2.0, -2.0), -4.0),
    "on an edge": of(lambda x: x[..., 0] + x[..., 1] ** 2, (-2.0, 0.0), -2.0),
    "a kink": of(lambda x: x.abs().sum(-1), (0.0, 0.0), 0.0),
    "a cusp": of(lambda x: x.abs().sqrt().sum(-1), (0.0, 0.0), 0.0),
    "flat": of(lambda x: (x**8).sum(-1), (0.0, 0.0), 0.0),
    "flat beside 0": of(lambda x: ((x - 1.25) ** 8).sum(-1), (1.25, 1.25), 0.0),
    "a slanted bowl": of(lambda x: bowl(x) - 1.9 * x.prod(-1), (0.0, 0.0), 0.0),
    "a slanted valley": of(lambda x: bowl(x) - 2 * x.prod(-1), (0.5, 0.5), 0.0),
    "a slanted valley with a kink": of(lambda x: (x[..., 0] - 3 * x[..., 1]).abs(), (0.9, 0.3), 0.0),
    "a curved valley": of(lambda x: 100 * (x[..., 1] - x[..., 0] ** 2) ** 2 + (1 - x[..., 0]) ** 2, (1.0, 1.0), 0.0),
    "a slanted valley, and a few digits": of(
        lambda x: 1e4 * (x[..., 0] - x[..., 1]) ** 2 + (x.sum(-1) - math.pi) ** 2, (1.5708, 1.5708), 0.0
    ),
    "flat along the diagonals": of(lambda x: (x**8).sum(-1) + (x**4).prod(-1), (0.0, 0.0), 0.0),
    "a corner, out of which the saddle falls": lambda: Function(
        slanted, 2, ((0.0, 3.0), (-3.0, 0.0)), (Minimum((0.0, 0.0), 0.0),)
    ),
    "an end that curves down": of(lambda x: -bowl(x), (3.0, 3.0), -18.0, -2.0, 3.0),
    "no second derivative": of(lambda x: Once.apply(x).sum(-1), (0.0, 0.0), 0.0),
    "a valley": of(lambda x: 0 * x[..., 0] + x[..., 1] ** 2, (1.0, 0.0), 0.0),
}


@pytest.mark.parametrize("function", NOT_MINIMA.values(), ids=NOT_MINIMA)
def test_what_is_no_minimum_is_refused(function):
    with pytest.raises(AssertionError, match="why it matters"):
        examine(function)


@pytest.mark.parametrize("function", MINIMA.values(), ids=MINIMA)
def test_what_is_a_minimum_is_accepted(function):
    examine(function)


def examine(made):
    contract = type("Examined", (FunctionContract,), {"function": lambda self: made()})()
    getattr(contract, RULE)()
