import math

import pytest

from playground.core.axes import find_range, find_unknown_axes, fit_range, make_axis


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([0.0, 10.0], (-1.5, 11.5)),
        ([4.0], (3.0, 5.0)),  # nothing moved
        ([100.0], (85.0, 115.0)),
        ([0.0, math.nan, math.inf, 10.0], (-1.5, 11.5)),  # a run that went away
        ([], (-1.0, 1.0)),
        ([math.nan], (-1.0, 1.0)),
    ],
)
def test_there_is_room_around_what_is_to_be_seen(seen, expected):
    assert fit_range(seen) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "ranges", "expected"),
    [
        ("x", {"x": (-10.0, 4.0)}, (-10.0, 4.0)),
        ("x[1]", {"x": (-1.0, 1.0)}, (-1.0, 1.0)),
        ("x[1]", {"x": (-1.0, 1.0), "x[1]": (0.0, 2.0)}, (0.0, 2.0)),
        ("y", {"x": (-1.0, 1.0)}, None),
    ],
)
def test_a_range_is_that_of_the_entry_or_of_its_vector(name, ranges, expected):
    assert find_range(name, ranges) == expected
    assert not find_unknown_axes([name], ranges) or expected is None


def test_an_axis_has_both_ends():
    values = make_axis("x", 5, [], {"x": (-10.0, 4.0)}).values
    assert values == (-10.0, -6.5, -3.0, 0.5, 4.0)
