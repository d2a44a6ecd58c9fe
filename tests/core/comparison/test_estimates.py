"""Estimates against scipy and loops, and what must not change them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from playground.core.comparison import MIN_INDEPENDENCE, TooFewFamiliesError, compare_pairs
from playground.core.comparison.estimates import (
    average_families,
    estimate_new_problem,
    estimate_on_problems_like_these,
    estimate_on_suite,
    measure_independence,
)
from playground.errors import ComponentError


@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.001])
def test_one_problem_is_a_paired_t_test_over_studies(make_table, alpha):
    table = make_table(problems=1, families=1)
    found = estimate_on_suite(table.compute_differences("o0", "o1"))
    one, other = table.scores_of("o0").mean(-1)[0], table.scores_of("o1").mean(-1)[0]
    expected = stats.ttest_rel(one, other).confidence_interval(1 - alpha)
    assert found.interval(alpha) == pytest.approx(tuple(expected))
    assert (found.df, found.count) == (4, 5)


@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.001])
def test_problems_like_these_are_a_t_test_on_families(make_table, alpha):
    table = make_table()
    differences = table.compute_differences("o0", "o1")
    found = estimate_on_problems_like_these(differences, table.families)
    means = [
        np.mean([differences[place].mean() for place, name in enumerate(table.families) if name == family])
        for family in sorted(set(table.families))
    ]
    expected = stats.ttest_1samp(means, 0).confidence_interval(1 - alpha)
    assert found.interval(alpha) == pytest.approx(tuple(expected))
    assert (found.df, found.count) == (24, 25)


def test_two_problems_are_welchs_test(make_table):
    """The sum of two means with different variances has Welch's standard error and degrees of freedom."""
    differences = make_table(problems=2).compute_differences("o0", "o1")
    differences[1] *= 5
    found = estimate_on_suite(differences)
    welch = stats.ttest_ind(differences[0], -differences[1], equal_var=False)
    assert found.df == pytest.approx(welch.df)
    assert found.center / found.se == pytest.approx(welch.statistic)


def test_the_suite_in_loops(make_table):
    differences = make_table().compute_differences("o0", "o2")
    found, weight = estimate_on_suite(differences), 1 / 30
    parts = [weight**2 * np.var(row, ddof=1) / 5 for row in differences]
    assert found.center == pytest.approx(sum(weight * row.mean() for row in differences))
    assert found.se == pytest.approx(math.sqrt(sum(parts)))
    assert found.df == pytest.approx(sum(parts) ** 2 / sum(part**2 / 4 for part in parts))


def test_a_new_problem_is_predicted(make_table):
    table = make_table()
    like_these = estimate_on_problems_like_these(table.compute_differences("o0", "o1"), table.families)
    low, high = estimate_new_problem(like_these).interval(0.05)
    half = stats.t.ppf(0.975, 24) * like_these.se * 5 * math.sqrt(1 + 1 / 25)
    assert (low, high) == pytest.approx((like_these.center - half, like_these.center + half))


def test_shared_random_numbers_are_noticed():
    """Chance passes the limit in about one of a thousand; a part that all problems share nearly always does."""
    rng, repeats = np.random.default_rng(0), 300
    own, shared = rng.normal(size=(repeats, 60, 5)), rng.normal(size=(repeats, 1, 5))
    alone = [measure_independence(each) for each in own]
    common = [measure_independence(each) for each in own + shared]
    assert np.mean(np.array(alone) < 0.5) == pytest.approx(0.5, abs=0.1)
    assert np.mean(np.array(alone) < MIN_INDEPENDENCE) <= 0.01
    assert np.mean(np.array(common) < MIN_INDEPENDENCE) > 0.95
    assert measure_independence(np.zeros((60, 5))) == 1


def test_identical_scores_have_no_uncertainty(make_table):
    found = estimate_on_suite(np.zeros((30, 5)))
    assert (found.center, found.se, found.df) == (0, 0, 4)
    assert found.interval(0.025) == (0, 0)


def test_too_few_families_are_refused(make_table):
    table = make_table(families=19)
    with pytest.raises(TooFewFamiliesError, match="19 families, and at least 20 are needed"):
        estimate_on_problems_like_these(table.compute_differences("o0", "o1"), table.families)


def test_one_study_is_refused(make_table):
    with pytest.raises(ComponentError, match="at least 2 tuning studies, not 1"):
        compare_pairs(make_table(studies=1), [("o0", "o1")])


def test_families_in_order_of_appearance():
    differences = np.array([[1.0, 3.0], [10.0, 10.0], [4.0, 6.0]])
    assert average_families(differences, ["b", "a", "b"]).tolist() == [3.5, 10.0]


def list_estimates(table, *pair):
    (found,) = compare_pairs(table, [pair])
    return found.suite.estimate, found.like_these.estimate


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), others=st.permutations(["o2", "o3", "o4"]), count=st.integers(0, 3))
def test_other_contestants_change_no_bit(make_table, seed, others, count):
    table = make_table(seed, optimizers=5)
    names = ["o1", *others[:count], "o0"]
    values = np.stack([table.scores_of(name) for name in names])
    left = replace(table, optimizers=tuple(names), values=values)
    assert list_estimates(left, "o0", "o1") == list_estimates(table, "o0", "o1")


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), spread=st.sampled_from([1e-9, 1.0, 1e9]))
def test_exchanging_a_pair_changes_the_sign(make_table, seed, spread):
    table = make_table(seed)
    table = replace(table, values=table.values * spread)
    for one, other in zip(list_estimates(table, "o0", "o1"), list_estimates(table, "o1", "o0"), strict=True):
        assert one == replace(other, center=-other.center)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), shift=st.floats(-20, 20))
def test_shifting_one_optimizer_shifts_the_center(make_table, seed, shift):
    table = make_table(seed)
    values = table.values.copy()
    values[0] += shift
    moved = replace(table, values=values)
    for before, after in zip(list_estimates(table, "o0", "o1"), list_estimates(moved, "o0", "o1"), strict=True):
        assert after.center == pytest.approx(before.center + shift, abs=1e-12)
        assert (after.se, after.df) == pytest.approx((before.se, before.df))


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), shift=st.floats(-20, 20))
def test_shifting_a_problem_for_all_changes_nothing(make_table, seed, shift):
    table = make_table(seed)
    values = table.values.copy()
    values[:, 3] += shift
    moved = replace(table, values=values)
    for before, after in zip(list_estimates(table, "o0", "o1"), list_estimates(moved, "o0", "o1"), strict=True):
        assert (after.center, after.se) == pytest.approx((before.center, before.se), abs=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"values": np.full((3, 30, 5, 4), np.nan)}, "finite", id="NaN"),
        pytest.param({"values": np.full((3, 30, 5, 4), np.inf)}, "finite", id="infinite"),
        pytest.param({"values": np.zeros((3, 29, 5, 4))}, "shape", id="shape"),
        pytest.param({"values": np.zeros((3, 30, 5, 0))}, "shape", id="no seeds"),
        pytest.param({"families": ("f",)}, "one family", id="families"),
        pytest.param({"optimizers": ("a", "a", "b")}, "unique", id="names"),
    ],
)
def test_wrong_tables_are_refused(make_table, change, message):
    with pytest.raises(ValueError, match=message):
        replace(make_table(), **change)
