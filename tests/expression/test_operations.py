"""Each row of the table: Python, torch and sympy compute the same function."""

from __future__ import annotations

import math

import pytest
import torch

from playground.expression import parse
from playground.expression.operations import CONSTANTS, FUNCTIONS, OPERATIONS, OPERATORS

ISSUE = "sin cos tan exp log log2 log10 sqrt abs tanh sigmoid relu softplus erf atan sinh cosh max min"
POINTS = [-40.0, -1.25, -0.3, 0.2, 0.5, 1.0, 3.75, 25.0]


def test_the_language() -> None:
    assert set(FUNCTIONS) == set(ISSUE.split())
    assert set(OPERATORS) == {"+", "-", "*", "/", "**", "neg"}
    assert set(CONSTANTS) == {"pi", "e"}
    assert all(name == operation.name for name, operation in OPERATIONS.items())


@pytest.mark.sampled(46)
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if not FUNCTIONS[name].variadic])
@pytest.mark.parametrize("point", POINTS)
def test_functions(name: str, point: float) -> None:
    exact = parse(f"{name}(x)").algebra.value({"x": point})
    in_torch = parse(f"{name}(x)")(x=torch.tensor(point, dtype=torch.float64)).item()
    if math.isnan(exact):
        assert math.isnan(in_torch)
        with pytest.raises(ValueError):
            FUNCTIONS[name].scalar(point)
    else:
        assert in_torch == pytest.approx(exact, rel=1e-14, abs=0)
        assert FUNCTIONS[name].scalar(point) == pytest.approx(exact, rel=1e-14, abs=0)


@pytest.mark.parametrize(("name", "oracle"), [("max", max), ("min", min)])
@pytest.mark.parametrize("points", [(1.0, 2.0), (2.0, 1.0), (1.0, 3.0, 2.0), (3.0, 2.0, 1.0, 2.5, 0.5)])
def test_bounds(name: str, oracle: type[max], points: tuple[float, ...]) -> None:
    text = f"{name}({', '.join(f'x[{i}]' for i in range(len(points)))}, 1.5)"
    assert parse(text)(x=torch.tensor(points)).item() == oracle(*points, 1.5)
    assert parse(text).algebra.value({"x": points}) == oracle(*points, 1.5)
    assert OPERATIONS[name].scalar(*points) == oracle(points)


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants(name: str) -> None:
    assert parse(name)().item() == getattr(math, name)
    assert parse(name).algebra.value({}) == getattr(math, name)


@pytest.mark.parametrize(
    ("name", "operands", "result"),
    [
        ("+", (3.0, 2.0), 5.0),
        ("-", (3.0, 2.0), 1.0),
        ("*", (3.0, 2.0), 6.0),
        ("/", (3.0, 2.0), 1.5),
        ("**", (3.0, 2.0), 9.0),
        ("neg", (3.0,), -3.0),
    ],
)
def test_operators(name: str, operands: tuple[float, ...], result: float) -> None:
    import sympy

    assert OPERATORS[name].scalar(*operands) == result
    assert OPERATORS[name].torch(torch, *map(torch.tensor, operands)).item() == result
    assert float(OPERATORS[name].sympy(sympy, *map(sympy.Float, operands))) == result


@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
@pytest.mark.parametrize("point", [-800.0, 800.0])
def test_no_overflow_far_out(name: str, point: float) -> None:
    x = torch.tensor(point, dtype=torch.float64, requires_grad=True)
    value = parse(f"{name}(x)")(x=x)
    (slope,) = torch.autograd.grad(value, x)
    assert value.item() == pytest.approx(FUNCTIONS[name].scalar(point), abs=1e-300)
    assert slope.isfinite()
