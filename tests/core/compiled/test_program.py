"""A program: nothing twice, constants at once, and no simplification that any number could tell."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.program import FACTOR, LANE, MAX_RECORDED_VALUES, SLOT, STEP, Program, format_program
from playground.core.compiled.scalar_operations import OPERATIONS

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0, -0.25, math.inf, -math.inf, math.nan, 1e300, 5e-324]
BINARY = ("add", "sub", "mul", "div", "pow", "maximum", "minimum", "lt", "le", "gt", "ge", "eq", "ne")
numbers = st.sampled_from(SPECIAL) | st.floats(width=64)


def program():
    return Program(np.float64)


def same(a, b):
    """Equal to the bit, except that what is not a number is all alike."""
    return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))


def test_the_same_operation_is_the_same_value() -> None:
    p = program()
    x, y = p.input(SLOT, 0), p.input(SLOT, 1)
    assert p.apply("mul", x, y) == p.apply("mul", x, y) != p.apply("mul", y, x)
    assert p.input(SLOT, 0) == x
    assert p.constant(0.0) != p.constant(-0.0)
    assert p.constant(True) != p.constant(1.0)
    assert p.constant(math.nan) == p.constant(math.nan)


def test_what_nobody_needs_is_not_computed() -> None:
    p = program()
    x = p.input(SLOT, 0)
    dead, alive = p.apply("exp", x), p.apply("sin", x)
    assert p.needed([alive]) == [x, alive]
    assert (p.size([alive]), p.size([alive, dead])) == (1, 2)


def test_what_is_the_same_for_all_runs_is_known_and_costs_them_nothing() -> None:
    p = program()
    t = p.apply("add", p.input(STEP), p.constant(1.0))
    rate = p.apply("mul", p.input(FACTOR), p.apply("pow", p.constant(0.9), t))
    moved = p.apply("mul", rate, p.input(LANE, 0))
    assert [p.is_uniform(i) for i in (t, rate, moved)] == [True, True, False]
    assert p.size([moved]) == 1
    steps = np.arange(3.0)
    (found,) = p.evaluate([rate], {(STEP,): steps, (FACTOR,): 2.0})
    np.testing.assert_allclose(found, 2 * 0.9 ** (steps + 1))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("operation", BINARY)
@given(a=numbers, b=numbers, first=st.booleans())
def test_a_constant_operand_changes_no_result(operation, a, b, first) -> None:
    """Whether one operand is known, or both are: what comes out is what the operation gives."""
    p, meaning = program(), OPERATIONS[operation].meaning
    with np.errstate(all="ignore"):
        wanted = float(meaning(np.float64(a), np.float64(b)))
    both = p.apply(operation, p.constant(a), p.constant(b))
    assert same(float(p.number(both)), wanted)
    x = p.input(SLOT, 0)
    operands = (p.constant(a), x) if first else (x, p.constant(b))
    (found,) = p.evaluate([p.apply(operation, *operands)], {(SLOT, 0): np.float64(b if first else a)})
    if operation == "div" and not first:  # by a reciprocal, which is rounded
        tiny = abs(b) < 1e-300 or abs(b) > 1e300
        assert tiny or same(float(found), wanted) or math.isclose(found, wanted, rel_tol=1e-15, abs_tol=1e-300)
    elif operation == "pow" and not first:  # as a product or a root
        rooted = b == 0.5 and math.copysign(1, a) < 0
        assert rooted or same(float(found), wanted) or math.isclose(found, wanted, rel_tol=1e-14, abs_tol=1e-300)
    else:
        assert same(float(found), wanted)


@pytest.mark.parametrize(
    ("operation", "constant", "simpler"),
    [("add", -0.0, True), ("add", 0.0, False), ("sub", 0.0, True), ("sub", -0.0, False), ("mul", 1.0, True),
     ("mul", 0.0, False), ("div", 1.0, True)],
)  # fmt: skip
def test_only_what_no_number_can_tell_is_left_out(operation, constant, simpler) -> None:
    p = program()
    x = p.input(SLOT, 0)
    assert (p.apply(operation, x, p.constant(constant)) == x) is simpler


def test_logic_and_choices() -> None:
    p = program()
    x, y = p.input(SLOT, 0), p.input(SLOT, 1)
    holds, yes, no = p.apply("lt", x, y), p.constant(True), p.constant(False)
    assert p.apply("and", holds, yes) == p.apply("or", no, holds) == p.apply("and", holds, holds) == holds
    assert p.apply("and", no, holds) == no
    assert p.apply("or", holds, yes) == yes
    assert (p.apply("select", yes, x, y), p.apply("select", no, x, y), p.apply("select", holds, x, x)) == (x, y, x)
    assert p.apply("neg", p.apply("neg", x)) == x
    assert p.is_boolean(p.apply("select", holds, holds, yes))
    assert not p.is_boolean(p.apply("select", holds, x, y))


def test_constants_are_folded_in_the_programs_precision() -> None:
    p = Program(np.float32)
    found = p.apply("add", p.constant(0.1), p.constant(0.2))
    assert p.number(found) == float(np.float32(0.1) + np.float32(0.2)) != 0.1 + 0.2


def test_powers_are_products() -> None:
    p = program()
    x = p.input(SLOT, 0)
    cube = p.apply("pow", x, p.constant(3.0))
    assert p.nodes[cube].operation == "mul"
    assert p.nodes[p.apply("pow", x, p.constant(0.5))].operation == "sqrt"
    assert p.nodes[p.apply("pow", x, p.constant(100.0))].operation == "pow"
    (value,) = p.evaluate([p.apply("pow", x, p.constant(-13.0))], {(SLOT, 0): 1.1})
    assert value == pytest.approx(1.1**-13)


@pytest.mark.slow
def test_a_program_that_grows_without_end_is_stopped() -> None:
    p = program()
    x = p.input(SLOT, 0)
    with pytest.raises(CannotCompileError, match="many more than 10,000"):
        _ = [p.apply("add", x, p.constant(float(k + 1))) for k in range(MAX_RECORDED_VALUES)]


def test_a_program_is_readable() -> None:
    p = program()
    x, lr = p.input(SLOT, 0), p.input(LANE, 0)
    slope = p.apply("mul", p.constant(2.0), x)
    moved = p.apply("sub", x, p.apply("mul", lr, slope))
    text = format_program(p, {"loss": p.apply("exp", x), "x": moved}, {(SLOT, 0): "x", (LANE, 0): "lr"})
    assert text == "v1 = 2 * x\nv2 = lr * v1\nv3 = x - v2\nv4 = exp(x)\nloss = v4\nx = v3"
