"""Expectations that can never hold, and those that can."""

import math

import pytest

from playground.scenario.expect import Check
from playground.scenario.quantity import Interval, Quantity, find_impossible

ACCURACY = Quantity(shape=(), low=0, high=1, parts=4, limits="a share of 4 samples")
LOSS = Quantity(shape=(), low=0)
STEPS = Quantity(shape=(), low=0, high=100, parts=1, limits="a whole number from 0 to the budget of 100")
STATUS = Quantity(words={"converged": "it needs a stop rule", "budget": "", "diverged": ""})
COLUMN = Quantity(shape=(4, 1))
ANY = Quantity()

POSSIBLE = [
    (ACCURACY, 1.0),
    (ACCURACY, 0.75),
    (ACCURACY, {"at_least": 0.9}),
    (ACCURACY, {"near": 0.9, "within": 0.1}),
    (ACCURACY, {"above": 0.7, "below": 0.8}),
    (ACCURACY, {"rounded": 1}),
    (Quantity(shape=(), low=0, high=1, parts=10), 0.3),
    (Quantity(shape=(), low=0, high=1, parts=3), {"near": 0.3333, "within": 0.001}),
    (LOSS, 0),
    (LOSS, {"below": 1e-300}),
    (LOSS, {"at_most": 0}),
    (Quantity(shape=()), {"below": -1}),
    (STEPS, 100),
    (STEPS, {"near": 2.5, "within": 0.5}),
    (STEPS, {"at_least": 0, "at_most": 100}),
    (STATUS, "budget"),
    (COLUMN, [[1], [0], [0], [0]]),
    (COLUMN, {"rounded": [[1], [0], [0], [0]]}),
    (COLUMN, {"below": 2, "above": -1}),
    (COLUMN, {"near": [[1], [0], [0], [0]], "within": 0.1, "below": 1.05}),
    (ANY, {"below": 1, "at_least": 1 - 1e-15}),
    (ANY, {"at_least": 1, "at_most": 1}),
    (ANY, [1, 2, 3]),
    (Quantity(shape=(2, ...)), [[1, 2], [3, 4]]),
    (Quantity(shape=(2, ...)), [1, 2]),
    (Quantity(free_text=True), "< 0.1"),
    (Quantity(free_text=True), {"below": 3}),
]

IMPOSSIBLE = [
    (LOSS, "< 0.1", "equals", "'q' is never the text '< 0.1'; write {below: 0.1}"),
    (ANY, "2.25 +- 0.001", "equals", "write {near: 2.25, within: 0.001}"),
    (ACCURACY, "100%", "equals", "write 1.0"),
    (STEPS, "many", "equals", "expected a number, or conditions such as {below: 0.1}"),
    (ANY, {"equals": "3"}, "equals", "write 3"),
    (STATUS, "convergd", "equals", "unknown q 'convergd'; did you mean 'converged'? (accepted: budget, diverged)"),
    (STATUS, "Budget", "equals", "did you mean 'budget'?"),
    (STATUS, "converged", "equals", "q 'converged' can never occur here: it needs a stop rule"),
    (STATUS, 3, "equals", "unknown q 3 (accepted: budget, diverged)"),
    (STATUS, {"below": 3}, "below", "'q' is a text: expected one of budget, diverged"),
    (ACCURACY, 2, "equals", "q equals 2 can never hold: it is a share of 4 samples; for 2 % write 0.02"),
    (ACCURACY, {"at_least": 95}, "at_least", "for 95 % write 0.95"),
    (ACCURACY, 0.9, "equals", "q equals 0.9 can never hold: it is a share of 4 samples"),
    (ACCURACY, {"above": 0.75, "below": 1}, "above", "q below 1 and above 0.75 can never hold together"),
    (ACCURACY, {"above": 1}, "above", "q above 1 can never hold"),
    (ACCURACY, {"below": 0}, "below", "q below 0 can never hold"),
    (ACCURACY, {"near": 1.5, "within": 0.4}, "near", "q near 1.5 within 0.4 can never hold"),
    (ACCURACY, {"rounded": 2}, "rounded", "q rounded 2 can never hold"),
    (LOSS, {"below": -1}, "below", "q below -1 can never hold: it is at least 0"),
    (LOSS, {"at_most": -1e-3}, "at_most", "q at most -0.001 can never hold"),
    (STEPS, 101, "equals", "q equals 101 can never hold: it is a whole number from 0 to the budget of 100"),
    (STEPS, {"above": 100}, "above", "the budget of 100"),
    (STEPS, 2.5, "equals", "q equals 2.5 can never hold"),
    (STEPS, {"above": 3, "below": 4}, "above", "q below 4 and above 3 can never hold together"),
    (ANY, {"above": 2, "below": 1}, "above", "q below 1 and above 2 can never hold together"),
    (ANY, {"above": 1, "below": 1}, "above", "can never hold together"),
    (ANY, {"near": 3, "within": 0.1, "below": 1}, "near", "q below 1 and near 3 within 0.1 can never hold together"),
    (ANY, {"equals": 1, "rounded": 2}, "rounded", "q equals 1 and rounded 2 can never hold together"),
    (ANY, {"equals": [1, 5], "below": 3}, "equals", "q below 3 and equals these numbers can never hold together"),
    (ANY, {"equals": [1, 2], "rounded": [1, 2, 3]}, "rounded", "equals is a list of 2, and rounded is a list of 3"),
    (COLUMN, [1, 0, 0, 0], "equals", "'q' is a list of 4 × 1, and equals is a list of 4; they can never be equal"),
    (COLUMN, 1, "equals", "'q' is a list of 4 × 1, and equals is a number"),
    (COLUMN, {"near": [[1], [0]], "within": 1}, "near", "near is a list of 2 × 1"),
    (LOSS, [1, 2], "equals", "'q' is a number, and equals is a list of 2"),
    (Quantity(shape=(2, ...)), [1, 2, 3], "equals", "'q' is a list of 2, and equals is a list of 3"),
]


@pytest.mark.parametrize(("quantity", "expected"), POSSIBLE)
def test_what_can_hold(quantity, expected):
    assert find_impossible("q", Check.model_validate(expected), quantity) == []


@pytest.mark.parametrize(("quantity", "expected", "key", "message"), IMPOSSIBLE)
def test_what_can_never_hold(quantity, expected, key, message):
    (fault,) = find_impossible("q", Check.model_validate(expected), quantity)
    assert fault.path == ("q", key)
    assert message in fault.message


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 10, 97])
def test_every_share_can_be_expected(parts):
    quantity = Quantity(shape=(), low=0, high=1, parts=parts)
    for count in range(parts + 1):
        for expected in (count / parts, {"at_least": count / parts, "at_most": count / parts}):
            assert find_impossible("q", Check.model_validate(expected), quantity) == []


def test_what_two_intervals_have_in_common():
    both = Interval(0, 2, low_open=True) & Interval(-1, 2, high_open=True)
    assert both == Interval(0, 2, low_open=True, high_open=True)
    assert Interval(1, 1) & Interval() == Interval(1, 1)
    assert (Interval(-math.inf, 3) & Interval(3, math.inf)).has_multiple(0)
    assert not (Interval(-math.inf, 3, high_open=True) & Interval(3, math.inf)).has_multiple(0)
