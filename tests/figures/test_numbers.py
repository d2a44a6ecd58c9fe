from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.figures.numbers import (
    flatten,
    format_brief,
    format_column,
    format_duration,
    format_matrix,
    format_short,
    nested_shape,
    round_numbers,
    summarize,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0125431, "0.01254"),
        (1.3e-9, "1.3e-09"),
        (13.0, "13"),
        (-0.0, "0"),
        (0, "0"),
        (12345.678, "12346"),
        (1.9757e8, "1.976e+08"),
        (999999.0, "999999"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (True, "yes"),
        (False, "no"),
        (None, "–"),
        ("diverged", "diverged"),
        ([[1.0, 0.25], [3.0]], "[[1, 0.25], [3]]"),
        ((1, "a"), "[1, a]"),
    ],
)
def test_short(value, shown):
    assert format_short(value) == shown


@settings(deadline=None)
@given(st.floats(-1e308, 1e308))
def test_short_is_right_to_its_digits(value):
    assert float(format_short(value)) == pytest.approx(value, rel=5.01e-4, abs=0)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1.0, 0.0, -0.0], ["1", "0", "0"]),
        ([1.0, 0.25], ["1.0000", "0.2500"]),
        ([0.86643, 0.00003], ["0.8664", "0.0000"]),
        ([1e-5, 2e-7], ["1.000e-05", "2.000e-07"]),
        ([1e7, 1.0], ["1.000e+07", "1.000e+00"]),
        ([0.5, math.nan, "", [1.0, 2.0]], ["0.5000", "nan", "", "[1, 2]"]),
        ([], []),
    ],
)
def test_column_uses_one_notation(values, shown):
    assert format_column(values) == shown


def test_matrix_lines_up():
    assert format_matrix([[1.0, -10.5], [0.25, 3.0]]) == ["[[  1.0000, -10.5000],", " [  0.2500,   3.0000]]"]
    assert format_matrix([[1.0], [2.0], [3.0]]) == ["[[1],", " [2],", " [3]]"]


@pytest.mark.parametrize(
    ("value", "size"), [(1.0, ()), ([], (0,)), ([[]], (1, 0)), ([1.0, 2.0], (2,)), ([[1.0, 2.0], [3.0, 4.0]], (2, 2))]
)
def test_shape(value, size):
    assert nested_shape(value) == size


@pytest.mark.parametrize(
    ("value", "room", "text"),
    [
        (0.123456, 3, "0.1235"),
        ([1.0, 2.5], 10, "[1, 2.5]"),
        ([1.0, 2.5], 5, "2 numbers, 1 to 2.5"),
        ([[0.5] * 300] * 300, 120, "300 × 300 numbers, 0.5 to 0.5"),
        ([], 0, "0 numbers"),
    ],
)
def test_brief_shows_what_fits(value, room, text):
    assert format_brief(value, room) == text


def test_digest_tells_shape_and_range():
    assert summarize([[1.0, -2.5], [math.nan, 3.0]]) == "2 × 2 numbers, -2.5 to 3"
    assert summarize([math.nan]) == "1 numbers"
    assert summarize([]) == "0 numbers"


def test_flat():
    assert list(flatten([[1, (2, 3)], 4])) == [1, 2, 3, 4]
    assert list(flatten(5)) == [5]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0 ms"),
        (0.1804, "180 ms"),
        (0.99951, "1.0 s"),
        (2.34, "2.3 s"),
        (59.96, "1 min 0 s"),
        (119.7, "2 min 0 s"),
        (200.0, "3 min 20 s"),
    ],
)
def test_duration(seconds, shown):
    assert format_duration(seconds) == shown


@pytest.mark.parametrize(("end", "numbers"), [(0, []), (1, []), (2, [1]), (10, [1, 2, 5]), (21, [1, 2, 5, 10, 20])])
def test_round_numbers(end, numbers):
    assert round_numbers(end) == numbers
