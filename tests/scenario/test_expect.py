"""Conditions on one quantity."""

import pytest
from pydantic import ValidationError

from playground.scenario.expect import Check
from playground.scenario.messages import faults


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ({"below": 1}, {"below": 1.0}),
        ({"at_least": 0, "at_most": 1}, {"at_least": 0.0, "at_most": 1.0}),
        ({"near": [[1], [2]], "within": 0.1}, {"near": [[1], [2]], "within": 0.1}),
        ({"rounded": [[1.0], [0]]}, {"rounded": [[1.0], [0]]}),
        ("diverged", {"equals": "diverged"}),
        ([13], {"equals": [13]}),
        (13, {"equals": 13}),
        ([], {"equals": []}),
    ],
)
def test_conditions(value, given):
    assert Check.model_validate(value).model_dump(exclude_none=True) == given


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({}, (), "expected at least one condition (accepted: below, above, at_least"),
        (None, (), "expected a value, or conditions such as"),
        ({"near": 1}, (), "'near' needs 'within'"),
        ({"within": 1}, (), "'within' needs 'near'"),
        ({"near": 1, "within": 0}, ("within",), "expected more than 0, got 0"),
        ({"below": True}, ("below",), "expected a number, got true"),
        ({"below": "1"}, ("below",), "expected a number, got '1'"),
        ({"above": float("nan")}, ("above",), "expected a finite number, got .nan"),
        ({"near": "x", "within": 1}, ("near",), "expected a number or nested lists of numbers, got 'x'"),
        ({"near": [1, [2]], "within": 1}, ("near", 1), "expected a number like the first entry, got a list of 1"),
        ({"rounded": [[1], [0.5]]}, ("rounded", 1, 0), "expected a whole number, got 0.5"),
        ({"rounded": "x"}, ("rounded",), "expected a whole number or nested lists of whole numbers, got 'x'"),
        (True, ("equals",), "expected a number, nested lists of numbers or a text, got true"),
        ([[1], [2, 3]], ("equals", 1), "expected a list of 1 like the first entry, got a list of 2"),
        ([[[1, 2]], [[1]]], ("equals", 1), "expected a list of 1 × 2 like the first entry, got a list of 1 × 1"),
        ([True], ("equals", 0), "expected a number, got true"),
        ([10**400], ("equals", 0), "expected a number within a float's range"),
    ],
)
def test_what_is_no_condition(value, path, message):
    with pytest.raises(ValidationError) as caught:
        Check.model_validate(value)
    (fault,) = faults(caught.value)
    assert fault.path == path
    assert fault.message.startswith(message)
