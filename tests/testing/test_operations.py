"""Specimens of operations: each rule catches the one that breaks just this rule."""

from dataclasses import replace

import pytest
import torch

from playground.core.operations import Operation, elementwise
from playground.testing import OperationContract

SQUARE = Operation(
    "{x}²", {"x": "{dy} · 2·{x}"}, lambda call, g: {"x": g * 2 * call["x"]}, names={"input": "x", "self": "x"}
)


def pulling(change):
    """Return the square with another pull: that of the square, changed."""
    return replace(SQUARE, pull=lambda call, g: change(call, SQUARE.pull(call, g)))


def zeroed(call, found):
    call.output.zero_()
    return found


def product(call, at, number):
    return f"{number(call['x'][at].item())}·{number(call['x'][at].item())}"


def twice(call, at, number):
    return f"2·{number(call['x'][at].item())}"


def of_slope(call, g, at, number):
    return f"{number(g[at].item())}·{number(call['x'][at].item())}"


CUMULATIVE = Operation(
    "the sum of {x} so far", {"x": "the sum of {dy} from here on"}, lambda call, g: {"x": g.flip(1).cumsum(1).flip(1)}
)
SIGMOID = elementwise("σ({x})", "{y}·(1 − {y})", lambda call: call.output * (1 - call.output), steepest=1.0)
SUM = Operation("Σ {x}", {"x": "{dy}, for each entry"}, lambda call, g: {"x": g})

SPECIMENS = {
    "is_found_by_its_name": (SQUARE, "sqare", torch.square),
    "formula": (replace(SQUARE, formula="{z}²"), "square", torch.square),
    "formula_is_true": (replace(SQUARE, formula="{x}^3"), "square", torch.square),
    "every_slope_has_a_rule": (replace(SQUARE, rules={}), "square", torch.square),
    "rules_are_true": (replace(SQUARE, rules={"x": "{dy} · {x}"}), "square", torch.square),
    "can_be_typeset": (replace(SQUARE, formula="{x} ⊙ {x}"), "square", torch.square),
    "slope_is_that_of_autograd": (pulling(lambda call, found: {"x": found["x"] / 2}), "square", torch.square),
    "no_slope_where_none_can_be": (pulling(lambda call, found: {**found, "power": found["x"]}), "square", torch.square),
    "slopes_have_the_shape_of_their_arguments": (SUM, "sum", torch.sum),
    "keeps_the_dtype": (pulling(lambda call, found: {"x": found["x"].double()}), "square", torch.square),
    "leaves_its_inputs_alone": (pulling(zeroed), "square", torch.square),
    "repeated_calls_give_equal_results": (
        pulling(lambda call, found: {"x": found["x"] + 0 * torch.rand(())}),
        "square",
        torch.square,
    ),
    "arithmetic_of_single_entries": (replace(SQUARE, terms=twice), "square", torch.square),
    "arithmetic_of_slopes": (replace(SQUARE, sums={"x": of_slope}), "square", torch.square),
    "entrywise": (replace(CUMULATIVE, entrywise=True), "cumsum", lambda x: torch.cumsum(x, 1)),
    "steepest": (SIGMOID, "sigmoid", torch.sigmoid),
}


def test_every_rule_has_a_specimen(rules):
    assert sorted(f"test_{rule}" for rule in SPECIMENS) == rules(OperationContract)


@pytest.mark.parametrize("rule", SPECIMENS)
def test_a_specimen_is_caught_by_just_its_rule(broken_rules, rule):
    operation, name, call = SPECIMENS[rule]
    broken = broken_rules(OperationContract, lambda: operation, name=name, call=staticmethod(call))
    assert set(broken) == {f"test_{rule}"}, broken
    assert "\n  why it matters: " in broken[f"test_{rule}"]


@pytest.mark.parametrize(
    ("operation", "name", "call"),
    [
        (SQUARE, "square", torch.square),
        (replace(SQUARE, terms=product), "square", torch.square),
        (replace(SIGMOID, steepest=0.25), "sigmoid", torch.sigmoid),
        (replace(SQUARE, formula="the square of {x}", rules={"x": "twice"}), "square", torch.square),
    ],
)
def test_what_is_whole_breaks_no_rule(broken_rules, operation, name, call):
    assert broken_rules(OperationContract, lambda: operation, name=name, call=staticmethod(call)) == {}


class Cube(torch.autograd.Function):
    """x³, which no torch function makes."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * gradient


def test_the_node_of_an_autograd_function_is_an_operation(broken_rules):
    cube = elementwise("{x}^3", "3·{x}²", lambda call: 3 * call["x"] ** 2)
    assert broken_rules(OperationContract, lambda: cube, name="cubebackward", call=staticmethod(Cube.apply)) == {}


def test_what_makes_nothing_is_told(broken_rules):
    broken = broken_rules(OperationContract, lambda: SQUARE, name="square", call=staticmethod(lambda x: x))
    assert "no torch function of the inputs" in broken["test_formula"]
