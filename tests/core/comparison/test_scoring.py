"""Scores against loops over single runs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.comparison import count_evaluations, measure_progress, score_evaluations

STEPS = [0, 1, 2, 4, 8, 16]
FALLING = [100.0, 10.0, 1.0, 0.1, 0.01, 0.001]  # a decade at each record: exponent of the gap against log2 of the step


@pytest.mark.parametrize(
    ("gaps", "target", "evaluations"),
    [
        pytest.param(FALLING, 1.0, 2.0, id="at a record"),
        pytest.param(FALLING, 10**-0.5, 2**1.5, id="between records, on the logarithms"),
        pytest.param(FALLING, 200.0, 1.0, id="at the start, at least 1"),
        pytest.param(FALLING, 50.0, 1.0, id="before the first step, at least 1"),
        pytest.param(FALLING, 0.001, 16.0, id="at the final loss"),
        pytest.param(FALLING, 1e-4, math.inf, id="never"),
        pytest.param([100, 10, 0.0, 0, 0, 0], 1.0, 2.0, id="a gap of zero"),
        pytest.param([100, 10, -1e-9, 0, 0, 0], 1.0, 2.0, id="below the least loss"),
        pytest.param([100, math.inf, 1e-3, 1, 1, 1], 1.0, 2.0, id="from infinity"),
        pytest.param([100, math.nan, 1e-3, 1, 1, 1], 1.0, 2.0, id="from NaN"),
        pytest.param([100, 10, math.nan, math.nan, math.nan, math.nan], 1.0, math.inf, id="NaN reaches nothing"),
        pytest.param([100, 10, -math.inf, math.nan, math.nan, math.nan], 1.0, math.inf, id="-infinity reaches nothing"),
        pytest.param([1e300, 1e300, 1e-300, 1, 1, 1], 1.0, 2**0.5, id="a ratio beyond the largest number"),
        pytest.param([100, 1, 100, 0.1, math.nan, math.nan], 1.0, 1.0, id="the first time counts"),
    ],
)
def test_evaluations_of_one_run(gaps, target, evaluations):
    assert count_evaluations(gaps, STEPS, [target], budget=16) == pytest.approx([evaluations])


@pytest.mark.parametrize(
    ("per_step", "budget", "evaluations"),
    [
        pytest.param(1, 16, 8.0, id="one closure"),
        pytest.param(2, 32, 16.0, id="two closures"),
        pytest.param(2.5, 20, 20.0, id="within the budget"),
        pytest.param(2.5, 19, math.inf, id="beyond the budget"),
    ],
)
def test_closures_count(per_step, budget, evaluations):
    found = count_evaluations(FALLING, STEPS, [0.01], budget=budget, evaluations_per_step=per_step)
    assert found == pytest.approx([evaluations])


def count_in_loops(gaps, steps, targets, budget, per_step):
    """Return the evaluations of one run, step by step."""
    found = []
    for target in targets:
        at = next((k for k, gap in enumerate(gaps) if math.isfinite(gap) and gap <= target), None)
        if at is None:
            found.append(math.inf)
            continue
        step = float(steps[at])
        if at and gaps[at] > 0 and math.isfinite(gaps[at - 1]):
            low, high = math.log(max(steps[at - 1], 1)), math.log(max(steps[at], 1))
            share = math.log(gaps[at - 1] / target) / math.log(gaps[at - 1] / gaps[at])
            step = math.exp(low + share * (high - low))
        evaluations = max(step * per_step, 1.0)
        found.append(evaluations if evaluations <= budget else math.inf)
    return found


numbers = st.one_of(st.floats(1e-12, 1e6), st.sampled_from([0.0, -1.0, math.nan, math.inf, -math.inf]))


@given(
    gaps=st.lists(st.lists(numbers, min_size=6, max_size=6), min_size=1, max_size=4),
    targets=st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=5),
    budget=st.floats(1, 40),
    per_step=st.floats(1, 3),
)
def test_many_runs_are_as_each_alone(gaps, targets, budget, per_step):
    found = count_evaluations(gaps, STEPS, targets, budget=budget, evaluations_per_step=per_step)
    expected = [count_in_loops(run, STEPS, targets, budget, per_step) for run in gaps]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_targets_and_budgets_of_each_problem():
    gaps = np.array([FALLING, FALLING])[:, None].repeat(3, 1)  # problems, seeds
    targets, budgets = np.array([[1.0], [0.01]])[:, None], np.array([16, 4])[:, None]
    found = count_evaluations(gaps, STEPS, targets, budget=budgets)
    np.testing.assert_allclose(found[..., 0], [[2, 2, 2], [np.inf] * 3])


@pytest.mark.parametrize(
    ("penalty", "score"),
    [
        pytest.param(1, (1 + 4) / 2, id="1"),
        pytest.param(2, (1 + 5) / 2, id="2"),
        pytest.param(10, (1 + math.log2(160)) / 2, id="10"),
    ],
)
def test_a_missed_target_costs_the_penalty(penalty, score):
    assert score_evaluations([2.0, math.inf], budget=16, penalty=penalty) == pytest.approx(score)


@pytest.mark.parametrize(
    ("first", "last", "decades"),
    [
        pytest.param(1.0, 1e-3, -3, id="three decades"),
        pytest.param(1.0, 1e-300, -12, id="clipped below"),
        pytest.param(1.0, 1e9, 2, id="clipped above"),
        pytest.param(1.0, 0.0, -12, id="at the minimum"),
        pytest.param(1.0, -1e-17, -12, id="below the minimum"),
        pytest.param(1.0, math.nan, 2, id="NaN"),
        pytest.param(1.0, math.inf, 2, id="infinite"),
        pytest.param(1.0, -math.inf, 2, id="-infinite"),
        pytest.param(0.0, 1.0, 2, id="from the minimum"),
        pytest.param(math.inf, 1.0, 2, id="from infinity"),
    ],
)
def test_progress(first, last, decades):
    assert measure_progress(first, last) == pytest.approx(decades)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda: count_evaluations([1.0, 2.0], [0], [1.0], budget=1), "steps", id="shapes"),
        pytest.param(lambda: count_evaluations([1.0, 2.0], [1, 0], [1.0], budget=1), "increasing", id="order"),
        pytest.param(lambda: count_evaluations([1.0], [0], [0.0], budget=1), "positive", id="target"),
        pytest.param(lambda: score_evaluations([1.0], budget=1, penalty=0.5), "below 1", id="penalty"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
