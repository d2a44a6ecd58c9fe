"""Which settings a study tries."""

import math
from itertools import pairwise

import pytest

from playground.plugins.search_ranges import Choices, LinearRange, LogRange
from playground.runner.comparing.search_spaces import TRIALS, Fixed, Lattice, QuasiRandom, make_space

LATTICE = Lattice("lr", LogRange(1e-5, 10.0))


def values(settings):
    return [value for ((_, value),) in settings]


def test_coarse_values_span_the_range():
    found = values(LATTICE.first)
    assert len(found) == 10
    assert found[0] == 1e-5
    assert found[-1] == pytest.approx(10.0)
    ratios = [math.log10(b / a) for a, b in pairwise(found)]
    assert ratios == pytest.approx([6 / 9] * 9)


@pytest.mark.parametrize("place", range(10))
def test_ten_more_lie_around_the_best_and_none_is_tried_twice(place):
    best = LATTICE.first[place]
    around = LATTICE.around(best)
    assert len({*LATTICE.first, *around}) == TRIALS
    distances = [math.log10(value / best[0][1]) for value in values(around)]
    assert max(map(abs, distances)) <= 1.0 + 1e-9
    assert sum(distance < 0 for distance in distances) == sum(distance > 0 for distance in distances) == 5


def test_equal_lattice_points_are_equal_numbers():
    """The stored runs of one study serve another, whatever coarse value it came from."""
    first, second = (set(values(LATTICE.around(LATTICE.first[place]))) for place in (4, 5))
    assert len(first & second) >= 4


@pytest.mark.parametrize(("place", "edge"), [(0, True), (1, False), (-1, True)])
def test_a_choice_at_the_edge(place, edge):
    tried = sorted(LATTICE.first)
    assert LATTICE.is_at_edge(tried[place], tried) is edge


def test_several_parameters_fill_their_ranges():
    space = make_space({"lr": LogRange(1e-4, 1.0), "beta": LinearRange(0.5, 0.99), "nesterov": Choices((True, False))})
    assert isinstance(space, QuasiRandom)
    found = [dict(setting) for setting in space.first]
    assert len(found) == TRIALS
    assert found == [dict(setting) for setting in make_space(space.ranges).first]
    assert all(1e-4 <= each["lr"] <= 1 and 0.5 <= each["beta"] <= 0.99 for each in found)
    assert min(each["lr"] for each in found) < 1e-3 < 0.1 < max(each["lr"] for each in found)
    assert {each["nesterov"] for each in found} == {True, False}
    assert space.around(space.first[0]) == []


def test_nothing_to_tune():
    space = make_space({})
    assert isinstance(space, Fixed)
    assert (list(space.first), space.around(()), space.is_at_edge((), [()])) == ([()], [], False)


@pytest.mark.parametrize(
    ("span", "text", "middle"),
    [
        (LogRange(1e-4, 1.0), "log:0.0001:1", 0.01),
        (LinearRange(0.5, 1.0), "0.5:1", 0.75),
        (Choices((0, 0.9)), "[0, 0.9]", 0.9),
    ],
)
def test_ranges(span, text, middle):
    assert str(span) == text
    assert span.at(0.5) == pytest.approx(middle)
