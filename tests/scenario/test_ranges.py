"""The numbers of a range: exact at the ends, clean between them, the same everywhere."""

import itertools
import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.scenario.ranges import length, numbers
from playground.scenario.sweep import SweepAxis


def filled(key="optimizer.lr", **form):
    return list(numbers(SweepAxis.model_validate(form), key))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"log": [1e-4, 1], "points": 5}, [0.0001, 0.001, 0.01, 0.1, 1.0]),
        ({"log": [1e-4, 1], "points": 2}, [1e-4, 1.0]),
        ({"log": [5e-324, 1.7976931348623157e308], "points": 2}, [5e-324, 1.7976931348623157e308]),
        ({"linear": [0, 1], "points": 11}, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        ({"linear": [-1.7e308, 1.7e308], "points": 3}, [-1.7e308, 0.0, 1.7e308]),
        ({"linear": [0.1, 0.3], "points": 3}, [0.1, 0.2, 0.3]),
        ({"count": 4}, [0, 1, 2, 3]),
    ],
)
def test_evenly_filled(form, expected):
    assert filled(**form) == expected
    assert length(SweepAxis.model_validate(form)) == len(expected)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"linear": [100, 500], "points": 5}, [100, 200, 300, 400, 500]),
        ({"log": [1, 1000], "points": 4}, [1, 10, 100, 1000]),
        ({"linear": [0, 1], "points": 3}, [0.0, 0.5, 1.0]),
        ({"linear": [0, 1e300], "points": 2}, [0.0, 1e300]),
    ],
)
def test_whole_numbers_only_where_all_are(form, expected):
    values = filled(**form)
    assert values == expected
    assert [type(value) for value in values] == [type(value) for value in expected]


@settings(deadline=None, max_examples=60)
@given(
    st.floats(1e-300, 1e300),
    st.floats(1.001, 1e4),
    st.integers(2, 40),
)
def test_a_log_axis_rises_by_one_ratio_and_keeps_its_ends(low, factor, points):
    high = low * factor
    values = filled(log=[low, high], points=points)
    assert (values[0], values[-1], len(values)) == (low, high, points)
    wanted = math.log(high / low) / (points - 1)
    for before, after in itertools.pairwise(values):
        assert math.log(after / before) == pytest.approx(wanted, rel=1e-6)


def test_random_numbers_are_these_on_every_machine():
    numbers = [0.00041034484339569837, 0.09419175172394857, 0.866807477424131]
    assert filled("optimizer.lr", random=[1e-4, 1], count=3) == numbers
    random = Random("optimizer.lr 0")
    assert numbers == pytest.approx([1e-4 * 1e4 ** random.random() for _ in range(3)], rel=1e-12)


def test_random_is_log_uniform_between_positive_ends_and_uniform_otherwise():
    by_ratio = filled(random=[1e-4, 1], count=4000)
    assert all(1e-4 <= value <= 1 for value in by_ratio)
    for decade in range(4):
        share = sum(10.0 ** (decade - 4) <= value < 10.0 ** (decade - 3) for value in by_ratio) / 4000
        assert share == pytest.approx(0.25, abs=0.03)
    evenly = filled(random=[0, 1], count=4000)
    assert sum(value < 0.1 for value in evenly) / 4000 == pytest.approx(0.1, abs=0.02)


def test_more_random_numbers_begin_with_the_same():
    assert filled(random=[-1, 1], count=30)[:10] == filled(random=[-1, 1], count=10)


def test_random_numbers_depend_on_seed_and_key():
    default = filled(random=[0, 1], count=5)
    assert filled(random=[0, 1], count=5, seed=0) == default
    assert filled(random=[0, 1], count=5, seed=1) != default
    assert filled("optimizer.momentum", random=[0, 1], count=5) != default


def test_a_list_has_its_length():
    assert length(SweepAxis.model_validate(["a", "b"])) == 2
