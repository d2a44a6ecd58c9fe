from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.figures.curve import scale_curve


def test_linear_from_edge_to_edge():
    drawn = scale_curve([4.0, 3.0, 2.0])
    assert drawn.heights == (1.0, 0.5, 0.0)
    assert (drawn.top, drawn.bottom, drawn.logarithmic, drawn.unchanged) == (4.0, 2.0, False, False)


def test_many_decades_are_logarithmic():
    drawn = scale_curve([100.0, 10.0, 1.0])
    assert drawn.logarithmic
    assert drawn.heights == pytest.approx((1.0, 0.5, 0.0))


def test_zero_lies_on_the_lower_edge_of_a_logarithmic_axis():
    drawn = scale_curve([100.0, 1.0, 0.0])
    assert drawn.logarithmic
    assert drawn.bottom == 1.0
    assert drawn.heights == (1.0, 0.0, 0.0)


def test_negative_values_are_linear():
    assert not scale_curve([100.0, 1e-6, -1.0]).logarithmic


def test_a_long_tail_of_equal_values_is_left_out():
    drawn = scale_curve([3.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    assert drawn.unchanged
    assert len(drawn.heights) == 3


def test_a_short_tail_stays():
    drawn = scale_curve([3.0, 2.0, 1.0, 1.0])
    assert not drawn.unchanged
    assert len(drawn.heights) == 4


@pytest.mark.parametrize(
    "values", [[], [1.0], [2.0, 1.0], [5.0] * 9, [math.nan, 1.0, math.inf, 2.0], [1.0] * 3 + [math.nan]]
)
def test_too_little_to_draw(values):
    assert scale_curve(values) is None


def test_what_is_not_finite_leaves_a_gap():
    assert scale_curve([3.0, math.nan, 2.0, math.inf, 1.0]).heights == (1.0, None, 0.5, None, 0.0)


def test_more_values_than_buckets_are_collected():
    drawn = scale_curve([0.0, 4.0, 1.0, 3.0])
    assert drawn.buckets(2) == [[0.0, 1.0], [0.25, 0.75]]


def test_fewer_values_than_buckets_are_joined_by_straight_lines():
    assert scale_curve([2.0, 1.0, 0.0]).buckets(5) == [[1.0], [0.75], [0.5], [0.25], [0.0]]


def test_no_line_crosses_a_gap():
    assert scale_curve([4.0, math.nan, 2.0, 0.0]).buckets(7) == [[1.0], [], [], [], [0.5], [0.25], [0.0]]


@settings(deadline=None)
@given(st.lists(st.floats(), max_size=40), st.integers(2, 50))
def test_every_height_is_between_the_edges(values, count):
    drawn = scale_curve(values)
    if drawn is None:
        return
    heights = [height for bucket in drawn.buckets(count) for height in bucket]
    assert len(drawn.buckets(count)) == count
    assert all(0 <= height <= 1 for height in heights)
