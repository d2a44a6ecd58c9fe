"""Against SciPy, NumPy, and the plain definition, run by run."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.result import Status, Verdict
from playground.runner.sweeping.statistics import (
    MIN_PARTITIONED_RUNS,
    quantiles,
    quartiles,
    summarize,
    wilson_interval,
)

INF, NAN = math.inf, math.nan


@pytest.mark.sampled(2)
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize(
    ("passed", "runs"), [(0, 1), (1, 1), (0, 50), (1, 50), (25, 50), (49, 50), (50, 50), (12_345, 100_000)]
)
def test_wilson_is_that_of_scipy(passed, runs, confidence):
    stats = pytest.importorskip("scipy.stats")
    wanted = stats.binomtest(passed, runs).proportion_ci(confidence, method="wilson")
    assert wilson_interval(passed, runs, confidence) == pytest.approx((wanted.low, wanted.high), rel=1e-12, abs=1e-15)


def test_wilson_of_a_textbook():
    """Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    table = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0, 0.1611), (1, 29): (0.0061, 0.1718)}
    for (passed, runs), interval in table.items():
        assert wilson_interval(passed, runs) == pytest.approx(interval, abs=5e-5)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 200))
def test_wilson_holds_the_share_and_mirrors(passed, failed):
    runs = passed + failed
    low, high = wilson_interval(passed, runs)
    assert 0 <= low <= (passed / runs if runs else 0.5) <= high <= 1
    assert wilson_interval(failed, runs) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@pytest.mark.parametrize(("passed", "runs", "confidence"), [(2, 1, 0.95), (-1, 1, 0.95), (1, 2, 0.0), (1, 2, 1.0)])
def test_wilson_refuses_nonsense(passed, runs, confidence):
    with pytest.raises(ValueError, match="no interval for"):
        wilson_interval(passed, runs, confidence)


@settings(deadline=None)
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40))
def test_quartiles_of_finite_values_are_those_of_numpy(values):
    assert quartiles(values) == pytest.approx(tuple(np.quantile(values, [0.25, 0.5, 0.75])), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1], (1, 1, 1)),
        ([1, 2, 3, 4, 5], (2, 3, 4)),
        ([1, 2], (1.25, 1.5, 1.75)),
        ([1, 2, INF, NAN, -INF], (2, INF, INF)),
        ([1, 2, 3, 4, NAN], (2, 3, 4)),
        ([1, 2, 3, None], (1.75, 2.5, INF)),
        ([NAN, NAN], (INF, INF, INF)),
        ([-1.7e308, 1.7e308], (-8.5e307, 0, 8.5e307)),
    ],
)
def test_quartiles_count_what_is_not_finite_as_infinite(values, expected):
    assert quartiles(values) == pytest.approx(expected)


def test_quartiles_of_nothing():
    assert all(map(math.isnan, quartiles([])))


def run_by_run(points, rows):
    """What `summarize` promises, from the standard library."""
    expected = all(verdict != "none" for _, _, verdict, _, _ in rows)
    for index, values in enumerate(points):
        mine = [row for row in rows if row[0] == index]
        losses = sorted(loss if math.isfinite(loss) else INF for *_, loss, _ in mine)
        middle = (losses[(len(losses) - 1) // 2], losses[len(losses) // 2]) if losses else (NAN, NAN)
        ends = {}
        for _, status, _, _, steps in mine:
            ends.setdefault(Status(status), []).append(steps)
        yield (
            index,
            values,
            len(mine),
            sum(verdict == "passed" for _, _, verdict, _, _ in mine) if expected else None,
            middle[0] if middle[0] == middle[1] else (middle[0] + middle[1]) / 2,
            {status: len(steps) for status, steps in ends.items()},
            {status: statistics.median(steps) for status, steps in ends.items()},
        )


def codes(owner, statuses, verdicts, *numbers):
    """Columns with indices in place of words."""
    return owner, [list(Status).index(s) for s in statuses], [list(Verdict).index(v) for v in verdicts], *numbers


def check(points, rows):
    columns = codes(*zip(*rows, strict=True)) if rows else [()] * 5
    summaries = summarize(points, *columns)
    wanted = list(run_by_run(points, rows))
    assert len(summaries) == len(wanted)
    for summary, (index, values, runs, passed, median, statuses, steps) in zip(summaries, wanted, strict=True):
        assert (summary.index, summary.values, summary.runs, summary.passed) == (index, values, runs, passed)
        assert summary.loss.median == pytest.approx(median, nan_ok=True)
        assert (dict(summary.statuses), dict(summary.steps)) == (statuses, steps)
    return summaries


row = st.tuples(
    st.integers(0, 3),
    st.sampled_from([str(status) for status in Status]),
    st.sampled_from(["passed", "failed", "failed", "passed", "none"]),
    st.floats(-1e9, 1e9) | st.sampled_from([INF, -INF, NAN]),
    st.integers(0, 1000),
)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(row, max_size=40))
def test_summaries_are_those_of_the_definition(rows):
    check([{"lr": n} for n in range(4)], rows)


def test_summaries():
    rows = [
        (0, "converged", "passed", 0.1, 10),
        (2, "diverged", "failed", 1e9, 4),
        (0, "budget", "passed", 0.3, 50),
        (2, "nonfinite", "failed", NAN, 7),
        (2, "diverged", "failed", 1e9, 5),
        (0, "budget", "failed", 0.2, 50),
    ]
    first, empty, last = check([{"lr": 0.1}, {"lr": 1}, {"lr": 10}], rows)
    assert first.loss == pytest.approx((0.15, 0.2, 0.25))
    assert first.share == pytest.approx(2 / 3)
    assert first.interval == wilson_interval(2, 3)
    assert (empty.runs, empty.share, empty.interval, empty.statuses) == (0, None, None, {})
    assert math.isnan(empty.loss.median)
    assert last.loss == (1e9, 1e9, INF)
    assert last.statuses == {Status.DIVERGED: 2, Status.NONFINITE: 1}
    assert last.steps == {Status.DIVERGED: 4.5, Status.NONFINITE: 7}


def test_where_nothing_was_expected_no_share_is_told():
    rows = [(0, "budget", "none", 0.1, 10), (1, "diverged", "failed", 1e9, 10)]
    for summary in check([{}, {}], rows):
        assert (summary.passed, summary.share, summary.interval) == (None, None, None)


def test_arrays_are_columns_too():
    rows = codes([0, 0], ["budget", "stalled"], ["passed", "failed"], [1.0, 2.0], [3, 4])
    plain = summarize([{}], *rows)
    assert summarize([{}], *map(np.array, rows)) == plain
    assert plain[0].statuses == {Status.BUDGET: 1, Status.STALLED: 1}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0], [1], [0, 0], [1.0], [1]), "1 statuses and 2 verdicts for 1 runs"),
        (([0], [1], [0], [1.0, 2.0], [1]), "2 values for 1 runs"),
        (([0], [1], [0], [1.0], []), "0 values for 1 runs"),
        (([0, 0], [1], [0], [1.0, 1.0], [1, 1]), "1 statuses and 1 verdicts for 2 runs"),
        (([1], [1], [0], [1.0], [1]), "."),
        (([-1], [1], [0], [1.0], [1]), "."),
    ],
)
def test_columns_that_do_not_fit(columns, message):
    with pytest.raises((ValueError, IndexError), match=message):
        summarize([{}], *columns)


@pytest.mark.parametrize("size", [MIN_PARTITIONED_RUNS - 1, MIN_PARTITIONED_RUNS + 1])
def test_groups_of_any_size_have_the_quantiles_of_numpy(size):
    random = np.random.default_rng(size)
    group, values = random.permutation(np.repeat(np.arange(5), size)), random.standard_normal(5 * size)
    found = quantiles(values, group, 7, (0.25, 0.5, 0.75))
    wanted = [np.quantile(values[group == index], (0.25, 0.5, 0.75)) for index in range(5)]
    np.testing.assert_allclose(found[:5], wanted, rtol=1e-12)
    assert np.isnan(found[5:]).all()


@pytest.mark.slow
def test_a_million_runs_are_summed_up():
    random = np.random.default_rng(0)
    runs, count = 1_000_000, 2_000
    statuses, verdicts = random.integers(0, 3, runs), random.integers(0, 2, runs)
    points = [{"lr": float(n)} for n in range(count)]
    owner, losses = random.integers(0, count, runs), random.standard_normal(runs)
    summaries = summarize(points, owner, statuses, verdicts, losses, random.integers(0, 1000, runs))
    assert sum(summary.runs for summary in summaries) == runs


def test_without_points_or_runs_there_is_nothing_to_sum_up():
    assert check([], []) == []
    assert check([{"lr": 1}], [])[0].runs == 0
