from __future__ import annotations

import subprocess
import sys

import pytest

from playground.core.function import Objective
from playground.errors import Fault, Place, PlaygroundError
from playground.expression import Expression, ExpressionError, parse


def test_variables_and_coordinates_are_sorted() -> None:
    expression = parse("y[2]*x + a*y[0] - pi")
    assert list(expression.variables.items()) == [("a", None), ("x", None), ("y", 3)]
    assert expression.coordinates == (("a", None), ("x", None), ("y", 0), ("y", 1), ("y", 2))


@pytest.mark.parametrize(("text", "column"), [("x + x[0]", 5), ("x[0]*2 + x", 10), ("max(x[1], y, x[0], x)", 20)])
def test_a_name_is_either_a_scalar_or_a_vector(text: str, column: int) -> None:
    with pytest.raises(ExpressionError, match=rf"column {column}: 'x' is used both as a scalar and as a vector"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2*z + q", "column 3: unknown variable 'z' (accepted: v, w, x)"),
        ("x[0]", "column 1: 'x' is a scalar and has no entries"),
        ("1 + v", "column 5: 'v' is a vector; its entries are v[0] to v[1]"),
        ("v[0] + v[2]", "column 8: 'v' is a vector; its entries are v[0] to v[1]"),
        ("w[1]", "column 1: 'w' is a vector; its entries are w[0]"),
    ],
)
def test_variables_that_are_not_among_others(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        parse(text).require_among({"v": 2, "w": 1, "x": None})
    assert str(raised.value) == message


def test_variables_that_are_among_others() -> None:
    parse("v[1]*x + w[0] - 2").require_among({"v": 2, "w": 1, "x": None})


def test_an_expression_is_an_objective() -> None:
    assert isinstance(parse("x"), Objective)


def test_equal_when_the_trees_are() -> None:
    assert parse("x+1") == parse("(x) + 1")
    assert hash(parse("x+1")) == hash(parse("(x) + 1"))
    assert parse("x+1") != parse("1+x")
    assert parse("x+1").text == "x+1"
    assert isinstance(parse("x"), Expression)


def test_the_column_is_said_only_where_no_place_says_it() -> None:
    error = ExpressionError.at(4, "wrong")
    assert isinstance(error, PlaygroundError)
    assert str(error) == "column 5: wrong"
    assert str(error.under("function")) == "column 5: wrong"
    assert error.under("function").faults == (Fault("wrong", ("function",), offset=4),)
    assert str(ExpressionError(Fault("wrong", place=Place("a.yaml", 3, 9)))) == "a.yaml:3:9: wrong"


def test_parsing_imports_nothing_heavy() -> None:
    program = """
import sys
from playground.expression import parse
str(parse("sin(2*x[0]) + max(y, 0)")), parse("x").variables
print(*{"torch", "sympy", "numpy", "mpmath"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
