"""Sets of seeds against Python's own sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.runner.store import SeedSet

SETS = st.sets(st.integers(0, 40))


@given(SETS, SETS)
def test_they_are_sets(a, b):
    first, second = SeedSet.of(a), SeedSet.of(b)
    assert (list(first), len(first)) == (sorted(a), len(a))
    assert list(first - second) == sorted(a - b)
    assert list(SeedSet.union([*first.ranges, *second.ranges])) == sorted(a | b)
    assert first.contains(np.arange(41)).tolist() == [seed in a for seed in range(41)]
    assert (first == second) == (a == b)


@pytest.mark.parametrize("seeds", [range(0), range(3), range(5, 10), range(0, 10, 2), [2**63 - 1, 0, 2**63 - 2]])
def test_ranges_are_as_short_as_they_can_be(seeds):
    found = SeedSet.of(seeds)
    assert list(found) == sorted(seeds)
    assert all(last + 1 < first for (_, last), (first, _) in zip(found.ranges, found.ranges[1:], strict=False))


def test_a_billion_seeds_are_one_range():
    assert SeedSet.of(range(10**9)).ranges == ((0, 10**9 - 1),)
    assert (SeedSet.of(range(10**9)) - SeedSet.of(range(10**6))).ranges == ((10**6, 10**9 - 1),)
