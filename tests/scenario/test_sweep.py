"""The shape of a sweep."""

import pytest
from pydantic import ValidationError

from playground.scenario.messages import faults
from playground.scenario.sweep import SweepAxis, SweepSection


@pytest.mark.parametrize(
    "value",
    [
        ["sgd", {"name": "adam", "beta1": [0.8, 0.9]}],
        {"log": [1e-4, 1], "points": 20},
        {"linear": [-1, 1], "points": 2},
        {"random": [0, 1], "count": 30},
        {"random": [0, 1], "count": 30, "seed": 3},
        {"count": 50},
    ],
)
def test_axes(value):
    given = SweepAxis.model_validate(value).model_dump(exclude_none=True)
    plain = {key: list(entry) if isinstance(entry, tuple) else entry for key, entry in given.items()}
    assert plain == (value if isinstance(value, dict) else {"values": value})


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        (3, (), "expected a list of values, {log:"),
        ({}, (), "expected a list of values, {log:"),
        ({"log": [1, 2]}, (), "expected a list of values, {log:"),
        ({"log": [1, 2], "count": 3}, (), "expected a list of values, {log:"),
        ([], ("values",), "expected at least 1 entry, got 0"),
        ({"log": [0, 2], "points": 3}, ("log",), "expected [low, high] with low more than 0"),
        ({"linear": [2, 1], "points": 3}, ("linear",), "expected [low, high] with low below high, got [2, 1]"),
        ({"linear": [1], "points": 3}, ("linear",), "expected [low, high], two numbers"),
        ({"linear": "ab", "points": 3}, ("linear",), "expected [low, high], two numbers"),
        ({"linear": [1, "b"], "points": 3}, ("linear", 1), "expected a number, got 'b'"),
        ({"linear": [1, 2], "points": 1}, ("points",), "expected at least 2, got 1"),
    ],
)
def test_what_is_no_axis(value, path, message):
    with pytest.raises(ValidationError) as caught:
        SweepAxis.model_validate(value)
    (fault,) = faults(caught.value)
    assert fault.path == path
    assert fault.message.startswith(message)


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({}, (), "expected 'over' or 'zip' with at least one key"),
        ({"zip": [{"a": [1, 2], "b": [1]}]}, ("zip", 0), "expected lists of equal length, got a has 2, b has 1"),
        ({"zip": [{}]}, ("zip", 0), "expected lists of equal length, got none"),
    ],
)
def test_what_is_no_sweep(value, path, message):
    with pytest.raises(ValidationError) as caught:
        SweepSection.model_validate(value)
    (fault,) = faults(caught.value)
    assert (fault.path, fault.message) == (path, message)
