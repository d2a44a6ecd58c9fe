from __future__ import annotations

import math

import pytest

from playground.expression import ExpressionError, constants, parse, parser
from playground.expression.tree import Apply, Number, Variable, postorder


def test_constant_parts_become_one_number() -> None:
    tree = constants.fold_constants(postorder(parser.tree("x**-2 + sin(pi/2)*3*y")))
    assert tree == Apply(
        "+",
        (
            Apply("**", (Variable("x"), Number(-2.0))),
            Apply("*", (Number(3.0), Variable("y"))),
        ),
    )


def test_a_whole_constant_becomes_its_value() -> None:
    assert constants.fold_constants(postorder(parser.tree("2*e"))) == Number(2 * math.e)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("x + 1/0", 5, "1/0 is undefined"),
        ("log(0)", 1, "log(0) is undefined"),
        ("2*sqrt(1 - 2)", 3, "sqrt(1 - 2) is undefined"),
        ("(-8)**(1/3)", 2, "(-8)**(1/3) is undefined"),
        ("0**-1", 1, "0**-1 is undefined"),
        ("9**9**9", 1, "9**9**9 is too large for a floating-point number"),
        ("9**9**9**9", 4, "9**9**9 is too large for a floating-point number"),
        ("exp(1000)*x", 1, "exp(1000) is too large for a floating-point number"),
        ("1e308*10", 1, "1e+308*10 is too large for a floating-point number"),
        ("x*(" + "2*" * 40 + "9**999)", 84, "9**999 is too large for a floating-point number"),
        (
            "exp(" + "1 + " * 40 + "999)",
            1,
            "exp(1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + … is too large for a floating-point number",
        ),
    ],
)
def test_a_constant_part_without_a_finite_value_is_an_error(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    (fault,) = caught.value.faults
    assert fault.offset == column - 1
    assert fault.message == message


def test_a_constant_may_vanish() -> None:
    assert constants.fold_constants(postorder(parser.tree("0.5**(10**9)"))) == Number(0.0)
