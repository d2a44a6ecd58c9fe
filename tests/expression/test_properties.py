"""What holds for every tree: the routes through text, torch and sympy say the same."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from playground.expression import Expression, ExpressionError, parse, parser
from playground.expression.operations import CONSTANTS, FUNCTIONS
from playground.expression.printing import format_plain
from playground.expression.tree import Apply, ExpressionNode, Number, Variable, postorder

VARIABLES = [Variable("x"), Variable("y"), Variable("z", 0), Variable("z", 1)]


def calls(children: st.SearchStrategy[ExpressionNode]) -> st.SearchStrategy[ExpressionNode]:
    def applied(name: str) -> st.SearchStrategy[ExpressionNode]:
        least, most = (2, 3) if name in FUNCTIONS and FUNCTIONS[name].variadic else (1, 1)
        if name in ("+", "-", "*", "/", "**"):
            least = most = 2
        return st.lists(children, min_size=least, max_size=most).map(lambda operands: Apply(name, tuple(operands)))

    operators = st.sampled_from(["+", "-", "*", "/", "**", "neg"])
    return (operators | operators | st.sampled_from(sorted(FUNCTIONS))).flatmap(applied)


numbers = st.integers(0, 10**20) | st.floats(0, allow_nan=False, allow_infinity=False)
mild_numbers = st.integers(0, 4) | st.sampled_from([0.1, 0.5, 1.5, 2.75])
constants = st.sampled_from([Apply(name) for name in CONSTANTS])


def trees(numbers: st.SearchStrategy[Any], leaves: int) -> st.SearchStrategy[ExpressionNode]:
    atoms = st.sampled_from(VARIABLES) | st.sampled_from(VARIABLES) | numbers.map(Number) | constants
    return st.recursive(atoms, calls, max_leaves=leaves)


@pytest.mark.slow
@given(trees(numbers, 25))
@settings(deadline=None)
def test_text_parses_to_the_tree_it_came_from(tree: ExpressionNode) -> None:
    text = format_plain(postorder(tree))
    assert repr(parser.parse_tree(text)) == repr(tree)
    assert format_plain(postorder(parser.parse_tree(text))) == text


@given(trees(numbers, 12))
@settings(deadline=None)
def test_no_parentheses_are_superfluous(tree: ExpressionNode) -> None:
    text = format_plain(postorder(tree))
    for start in (i for i, character in enumerate(text) if character == "(" and not text[:i][-1:].isalnum()):
        depth, end = 1, start + 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        without = text[:start] + " " + text[start + 1 : end - 1] + " " + text[end:]
        with contextlib.suppress(ExpressionError):
            assert repr(parser.parse_tree(without)) != repr(tree)


@given(trees(numbers, 12))
@settings(deadline=None)
def test_latex_has_balanced_braces(tree: ExpressionNode) -> None:
    try:
        latex = parse(format_plain(postorder(tree))).latex()
    except ExpressionError:
        return
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\left") == latex.count(r"\right")
    assert "#" not in latex


def expression_of(tree: ExpressionNode) -> Expression:
    try:
        return parse(format_plain(postorder(tree)))
    except ExpressionError:  # a constant part without a value
        assume(False)
        raise


def value_and_gradient(
    expression: Expression, point: dict[str, Any], dtype: torch.dtype
) -> tuple[float, dict[tuple[str, int | None], float]]:
    variables = {name: torch.tensor(point[name], dtype=dtype, requires_grad=True) for name in expression.variables}
    value = expression(**variables)
    assert value.dtype == dtype
    gradients = torch.autograd.grad(value, list(variables.values()), allow_unused=True)
    gradient = dict(zip(variables, gradients, strict=True))
    return value.item(), {
        (name, index): 0.0 if gradient[name] is None else gradient[name].flatten()[index or 0].item()
        for name, index in expression.coordinates
    }


def well_conditioned(double: float, single: float) -> bool:
    """Float32 gives three digits, so rounding grows by 10^4 at most, and float64 must give eleven."""
    return math.isfinite(double) and math.isclose(double, single, rel_tol=1e-3, abs_tol=1e-3)


def constants_are_well_conditioned(tree: ExpressionNode) -> bool:
    """No constant part hangs on its last digits, as 1/sin(pi) does; float32 cannot tell, it gets them ready-made."""
    for node in postorder(tree):
        if isinstance(node, Apply) and not any(isinstance(part, Variable) for part in postorder(node)):
            constant = parse(format_plain(postorder(node)))
            if not math.isclose(constant().item(), constant.algebra.value({}), rel_tol=1e-12):
                return False
    return True


coordinate = st.floats(-3, 3).map(lambda value: round(value, 2))


@pytest.mark.slow
@given(trees(mild_numbers, 8), coordinate, coordinate, st.tuples(coordinate, coordinate))
@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_torch_agrees_with_sympy_in_value_and_gradient(
    tree: ExpressionNode, x: float, y: float, z: tuple[float, float]
) -> None:
    expression, point = expression_of(tree), {"x": x, "y": y, "z": z}
    assume(expression.variables and constants_are_well_conditioned(tree))
    double, gradient = value_and_gradient(expression, point, torch.float64)
    single, rough_gradient = value_and_gradient(expression, point, torch.float32)
    exact = expression.algebra.value(point)
    assume(math.isfinite(exact) and well_conditioned(double, single))
    assert double == pytest.approx(exact, rel=1e-10, abs=1e-10)
    for coordinates, slope in gradient.items():
        derivative = expression.algebra.derivative(point, coordinates)
        if math.isfinite(derivative) and well_conditioned(slope, rough_gradient[coordinates]):
            assert slope == pytest.approx(derivative, rel=1e-10, abs=1e-10)
