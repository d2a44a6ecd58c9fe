from __future__ import annotations

import math
import sys
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import sympy

from playground.expression import ExpressionError, NoAnswerError, parse
from playground.expression.effort import limit_calls

X, Y = ("x", None), ("y", None)


def test_symbols_are_real_and_entries_carry_their_index() -> None:
    x, z = sympy.Symbol("x", real=True), sympy.Symbol("z[1]", real=True)
    assert parse("x + 2*z[1]").sympy() == x + 2 * z


def test_decimals_are_fractions() -> None:
    assert parse("0.1 + 0.2").sympy() == sympy.Rational(3, 10)
    assert parse("x**0.5").sympy() == sympy.sqrt(sympy.Symbol("x", real=True))


def test_names_are_never_code() -> None:
    assert parse("S + Integer + os").sympy().free_symbols == {
        sympy.Symbol(name, real=True) for name in ("S", "Integer", "os")
    }


@pytest.mark.parametrize(
    ("text", "derivative", "latex"),
    [
        ("x**2 + 5*x + 1", "2*x + 5", "2 x + 5"),
        ("(2*x + 10)**2", "8*x + 40", "8 x + 40"),
        ("x*exp(x)", "(x + 1)*exp(x)", r"\left(x + 1\right) e^{x}"),
        ("sin(2*x)", "2*cos(2*x)", r"2 \cos{\left(2 x \right)}"),
        ("3", "0", "0"),
        ("abs(x)", "sign(x)", r"\operatorname{sign}{\left(x \right)}"),
        ("x*z[0]", "z[0]", "z_{0}"),
    ],
)
def test_symbolic_derivative(text: str, derivative: str, latex: str) -> None:
    assert parse(text).algebra.text(X) == derivative
    assert parse(text).algebra.latex(X) == latex
    assert str(parse(text).derivative(X)) == derivative


def test_higher_and_mixed_derivatives() -> None:
    algebra = parse("x**3*y[1]**2").algebra
    assert algebra.text(X, X) == "6*x*y[1]**2"
    assert algebra.text(X, ("y", 1)) == "6*x**2*y[1]"
    assert algebra.text(("y", 0)) == "0"
    assert algebra.text() == "x**3*y[1]**2"
    assert algebra.derivative({"x": 2.0, "y": [0.0, 5.0]}, X, ("y", 1)) == 120


def test_values_are_right_where_floating_point_is_not() -> None:
    point = {"x": 1e-9}
    algebra = parse("(1 - cos(x))/x**2").algebra
    assert algebra.value(point) == 0.5
    assert algebra.derivative(point, X) == pytest.approx(-1e-9 / 12, rel=1e-12)
    assert parse("x + 1e30 - 1e30").algebra.value({"x": 1.0}) == 1.0


@pytest.mark.parametrize(
    ("text", "x", "value"),
    [
        ("1/x", 0.0, math.nan),
        ("log(x)", 0.0, math.nan),
        ("sqrt(x)", -1.0, math.nan),
        ("sqrt(x)**2", -1.0, math.nan),  # sympy's own form is x
        ("x**2/x", 0.0, math.nan),
        ("x/x", 0.0, math.nan),
        ("relu(log(x))", -1.0, math.nan),
        ("x**(1/3)", -8.0, math.nan),
        ("exp(x)", 1000.0, math.inf),
        ("-exp(x)", 1000.0, -math.inf),
        ("exp(-exp(exp(exp(x))))", 22.0, 0.0),
        ("sin(exp(exp(exp(x))))", 22.0, math.nan),
        ("x**x", 0.0, 1.0),
    ],
)
def test_values_at_the_edges(text: str, x: float, value: float) -> None:
    assert parse(text).algebra.value({"x": x}) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("abs(x)", 0.0),
        ("abs(x - 0.1)", 0.1),
        ("relu(1 - x)", 1.0),
        ("max(x, 2 - x)", 1.0),
        ("min(x**2, x)", 1.0),
        ("sqrt(x)*0 + 1/x", 0.0),
        ("abs(log(x))", 1.0),
        ("exp(log(x))", -1.0),
        ("sqrt(x)", 0.0),
    ],
)
def test_no_derivative_at_kinks_and_poles_and_outside_the_domain(text: str, x: float) -> None:
    assert not math.isfinite(parse(text).algebra.derivative({"x": x}, X))


@pytest.mark.parametrize(
    ("text", "x", "slope"),
    [
        ("abs(x)", -2.0, -1.0),
        ("relu(x)", 2.0, 1.0),
        ("relu(x)", -2.0, 0.0),
        ("max(x, x**2, 0.5)", 0.6, 1.0),
        ("abs(log(x))", 0.5, -2.0),
        ("min(x, 1)**2", 3.0, 0.0),
    ],
)
def test_derivative_beside_kinks(text: str, x: float, slope: float) -> None:
    assert parse(text).algebra.derivative({"x": x}, X) == slope


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ("(2*x + 10)**2", "4*x**2 + 40*x + 100", True),
        ("(2*x + 10)**2", "4*x**2 + 40*x + 101", False),
        ("sin(x)**2 + cos(x)**2", "1", True),
        ("sigmoid(x)*(1 - sigmoid(x))", "exp(-x)/(1 + exp(-x))**2", True),
        ("tanh(x)", "1 - 2/(exp(2*x) + 1)", True),
        ("relu(x)", "(x + abs(x))/2", True),
        ("log(x*y)", "log(x) + log(y)", True),
        ("0.1*x", "x/10", True),
        ("sqrt(x**2)", "x", False),
        ("log(x)", "log(x) + 1e-12", False),
        ("1e30*x + 1 - 1e30*x", "1", True),
        ("x", "y", False),
        ("x[0]", "x[1]", False),
        ("atan(x) + atan(1/x)", "pi/2", False),
        ("(x + y + z)**200*(x - y)", "(x + y + z)**200*x - (x + y + z)**200*y", None),
    ],
)
def test_equivalent(one: str, other: str, verdict: bool | None) -> None:
    assert parse(one).equivalent(parse(other)) is verdict
    assert parse(other).equivalent(parse(one)) is verdict


PATIENCE = {
    "power of a product": "(2*x)**(10**9)",
    "powers of powers": "(((2*x)**1000)**1000)**1000",
    "constant power near one": "1.0000001**(10**9)*x",
    "constant power near zero": "(1/2)**(10**9)*x",
    "tower of exponentials": "exp(exp(exp(x)))",
    "wide maximum": "max(" + ",".join(f"x + {i}" for i in range(40)) + ")",
    "long sum": "+".join(["x"] * 240),
    "large polynomial": "(x + y + z + 1)**300",
    "root of many digits": "(" + "9" * 299 + "7)**(1/3)*x",
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("text", PATIENCE.values(), ids=PATIENCE)
def test_sympy_never_works_for_long(text: str) -> None:
    expression = parse(text)
    point = dict.fromkeys(expression.variables, 0.7)
    for algebra in (expression.algebra, parse(f"{text} + x").algebra):
        for ask in (
            partial(algebra.value, point),
            partial(algebra.derivative, point, X),
            partial(algebra.derivative, point, X, X),
            partial(algebra.latex, X),
        ):
            with suppress(NoAnswerError):
                ask()
    assert expression.equivalent(parse(f"{text} + x")) in (False, None)


@pytest.mark.parametrize(
    ("text", "x", "answer"),
    [
        ("erf(x**10**9)", 0.5, 0.0),
        ("erf(x**10**9)", 1.5, NoAnswerError),  # the derivative has exp(-10^352182518)
        ("erf(3**x)", 100_000.5, NoAnswerError),
        ("exp(-3**x)", 100_000.5, NoAnswerError),
        ("x**10**9", 1.5, math.nan),
        ("log(x**10**9)", 0.5, 2e9),
        ("tanh(x**10**9)", 0.5, 0.0),
        ("sigmoid(x)", -1e6, 0.0),
        ("2**x", 1e5, math.nan),
        ("exp(-exp(x))", 20.0, -0.0),
        ("2**x*exp(-log(2)*x)", 10_000.0, 0.0),
    ],
)
def test_a_derivative_that_needs_too_long_numbers_has_no_answer(text: str, x: float, answer: Any) -> None:
    algebra = parse(text).algebra
    if answer is NoAnswerError:
        with pytest.raises(NoAnswerError, match=r"beyond 10\^5000"):
            algebra.derivative({"x": x}, X)
    else:
        assert algebra.derivative({"x": x}, X) == pytest.approx(answer, abs=1e-12, nan_ok=True)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("order", [1, 2])
def test_a_derivative_of_too_many_operations_has_no_answer(monkeypatch: pytest.MonkeyPatch, order: int) -> None:
    algebra = parse("*".join(f"(sin({i}*x) + cos(x)**{i})" for i in range(2, 20))).algebra
    if order == 1:
        assert math.isfinite(algebra.derivative({"x": 0.7}, X))
    else:
        with pytest.raises(NoAnswerError, match="too many operations"):
            algebra.derivative({"x": 0.7}, X, X)


def test_work_is_limited_in_the_thread_that_asks_and_a_profiler_stays() -> None:
    def profiler(*event: object) -> None: ...

    sys.setprofile(profiler)
    try:
        with pytest.raises(NoAnswerError), limit_calls(100):
            sum(abs(number) for number in range(1000))
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)


def test_a_function_that_is_nowhere_real_has_no_derivative() -> None:
    with pytest.raises(ExpressionError, match="sympy finds no derivative"):
        parse("max(x, log(-exp(x)))").derivative(X)
    assert math.isnan(parse("max(x, log(-exp(x)))").algebra.derivative({"x": 1.0}, X))
