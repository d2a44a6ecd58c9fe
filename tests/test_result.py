from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.result import Loss, Run, RunTrace, ScenarioFault, Status, Verdict, json_value

RUN = Run(
    scenario="bowl",
    id="1",
    seed=0,
    status=Status.BUDGET,
    verdict=Verdict.PASSED,
    steps=2,
    loss=Loss(3.0, 1.0, 1.0),
    trace=RunTrace((3.0, 2.0)),
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, 1.5),
        (math.nan, None),
        (-math.inf, None),
        (True, True),
        (None, None),
        (3, 3),
        ("text", "text"),
        (Status.BUDGET, "budget"),
        ((1.0, [math.inf, "a"]), [1.0, [None, "a"]]),
        ({"a": {1: (2.0,)}}, {"a": {"1": [2.0]}}),
        (Path("a"), "a"),
        (Fraction(1, 2), "1/2"),
    ],
)
def test_plain(value, expected):
    assert json_value(value) == expected
    assert type(json_value(value)) is type(expected)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.slow
@settings(deadline=None)
@given(values)
def test_plain_is_what_json_can_say(value):
    told = json_value(value)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert json_value(told) == told


def test_a_run_is_frozen():
    with pytest.raises(FrozenInstanceError):
        RUN.steps = 3


@pytest.mark.parametrize(
    ("run", "losses"),
    [
        (RUN, (3.0, 2.0, 1.0)),
        (replace(RUN, steps=1, loss=Loss(3.0, 2.0, 2.0)), (3.0, 2.0)),
        (replace(RUN, steps=0, loss=Loss(3.0, 3.0, 3.0), trace=RunTrace()), (3.0,)),
        (replace(RUN, loss=None, trace=RunTrace()), ()),
    ],
)
def test_losses_are_those_before_each_update_and_after_the_last(run, losses):
    assert run.losses == losses


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({}, ("all 2 steps used",)),
        ({"steps": 1}, ("1 step used",)),
        ({"steps": 0}, ("no steps requested",)),
        ({"status": Status.STALLED, "reason": "no improvement"}, ("stalled after 2 steps", "no improvement")),
        ({"status": Status.DIVERGED, "reason": "grew; lr 0.3"}, ("diverged after 2 steps", "grew", "lr 0.3")),
        ({"status": Status.ERROR, "loss": None, "reason": "boom"}, ("error", "boom")),
        ({"status": Status.CONVERGED, "loss": None, "reason": "computed"}, ("computed",)),
        ({"status": Status.CONVERGED, "loss": None}, ("converged",)),
    ],
)
def test_ending(changes, ending):
    assert replace(RUN, **changes).ending == ending


def test_a_run_shows_itself_in_a_notebook():
    assert "<b>bowl</b>" in RUN._repr_html_()


@pytest.mark.parametrize(
    ("line", "where", "shown"),
    [
        (3, "", "a.yaml:3:5: wrong"),
        (0, "", "a.yaml: wrong"),
        (3, "x.csv", "x.csv:3:5: wrong"),
        (0, "--set lr=true", "a.yaml: --set lr=true: wrong"),
    ],
)
def test_invalid_begins_with_its_place(line, where, shown):
    assert str(ScenarioFault("a.yaml", line, 5, "wrong", where)) == shown
