"""Expectations: every operator, passing and failing, on numbers and on lists."""

import math

import pytest

from playground.result import Expectation, Status, Verdict
from playground.runner.single.expectations import decide_verdict, judge, judge_all, judge_runs, judge_status
from playground.scenario.model import Check

SINGLE, DOUBLE = 2.0**-23, 2.0**-52

OPERATORS = [
    # condition, value that passes, value that fails, words
    ({"below": 0.5}, 0.4999, 0.5, "loss below 0.5"),
    ({"above": 0.5}, 0.5001, 0.5, "loss above 0.5"),
    ({"at_least": 0.5}, 0.5, 0.4999, "loss at least 0.5"),
    ({"at_most": 0.5}, 0.5, 0.5001, "loss at most 0.5"),
    ({"below": 1e-8}, 1e-9, 1e-7, "loss below 1e-08"),
    ({"near": -5, "within": 0.1}, -5.1, -5.11, "loss near -5 within 0.1"),
    ({"equals": 3}, 3.0, 3.1, "loss equals 3"),
    ({"equals": "diverged"}, "diverged", "budget", "loss equals diverged"),
    ({"equals": "3"}, "3", "4", "loss equals 3"),
    ({"equals": 3}, 3, "three", "loss equals 3"),
    ({"rounded": 1}, 0.6, 0.4, "loss rounded 1"),
    ({"below": 0.5}, [[0.1], [0.2]], [[0.1], [0.6]], "loss below 0.5"),
    ({"near": [1, 2], "within": 0.1}, [1.05, 1.95], [1.05, 1.85], "loss near [1, 2] within 0.1"),
    ({"near": [1, 2], "within": 0.1}, [1, 2], [1, 2, 3], "loss near [1, 2] within 0.1"),
    ({"near": [1, 2], "within": 0.1}, [1, 2], [[1, 2]], "loss near [1, 2] within 0.1"),
    ({"near": 1, "within": 0.1}, 1.0, [1.0], "loss near 1 within 0.1"),
    ({"equals": [13]}, [13.0], [13.0, 13.0], "loss equals [13]"),
    ({"equals": [13]}, [13.0], 13.0, "loss equals [13]"),
    ({"rounded": [[1], [0]]}, [[0.9], [-0.3]], [[0.9], [0.6]], "loss rounded [[1], [0]]"),
    ({"rounded": [[1], [0]]}, [[1.2], [0.3]], [1.0, 0.0], "loss rounded [[1], [0]]"),
]


@pytest.mark.parametrize(("check", "good", "bad", "words"), OPERATORS)
def test_operators(check, good, bad, words):
    (passed,) = judge("loss", Check(**check), good, SINGLE)
    assert passed == Expectation(words, good, passed=True, path=("loss", next(iter(check))))
    (failed,) = judge("loss", Check(**check), bad, SINGLE)
    assert (failed.what, failed.value, failed.passed) == (words, bad, False)


@pytest.mark.parametrize(("check", "good", "bad", "words"), OPERATORS)
def test_many_runs_are_judged_like_each_alone(check, good, bad, words):
    assert judge_runs(Check(**check), [good, good], SINGLE).tolist() == [True, True]
    assert judge_runs(Check(**check), [bad, bad], SINGLE).tolist() == [False, False]


def test_every_condition_must_hold_in_each_of_many_runs():
    column = Check(near=[1, 2], within=0.1)
    assert judge_runs(column, [[1, 2], [1, 3], [0, 2]], SINGLE).tolist() == [True, False, False]
    assert judge_runs(Check(above=1, below=3), [0.5, 2.0, 3.5, math.nan], SINGLE).tolist() == [
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [1.0, math.nan]])
@pytest.mark.parametrize(
    "check",
    [{"near": 1, "within": 1}, {"near": [1, 1], "within": 1}, {"equals": 1}, {"rounded": 1}, {"rounded": [1, 1]}],
)
def test_what_is_not_finite_is_near_nothing(check, value):
    assert not judge("x", Check(**check), value, SINGLE)[0].passed


def test_not_a_number_meets_no_bound():
    for word in ("below", "above", "at_least", "at_most"):
        assert not judge("x", Check(**{word: 0}), math.nan, SINGLE)[0].passed
    assert not judge("x", Check(below=0), math.inf, SINGLE)[0].passed
    assert judge("x", Check(above=0), math.inf, SINGLE)[0].passed  # it is above, and the status fails the run


@pytest.mark.parametrize(
    ("check", "value", "note"),
    [
        ({"near": [1, 2], "within": 0.1}, [1.0], "measured shape (1,), expected shape (2,)"),
        ({"rounded": [[1]]}, 1.0, "measured shape (), expected shape (1, 1)"),
        ({"below": 1}, "diverged", "'diverged' is not a number"),
        ({"near": 1, "within": 1}, "diverged", "'diverged' is not a number"),
        ({"below": 1}, None, "not measured by this run"),
    ],
)
def test_why_it_failed_is_said_where_it_can_be(check, value, note):
    (expectation,) = judge("x", Check(**check), value, SINGLE)
    assert (expectation.passed, expectation.note) == (False, note)


def test_each_condition_is_an_expectation_of_its_own():
    judged = judge("x", Check(above=1, at_most=2, near=5, within=1), 1.5, SINGLE)
    assert [(each.what, each.passed) for each in judged] == [
        ("x above 1", True),
        ("x at most 2", True),
        ("x near 5 within 1", False),
    ]


@pytest.mark.parametrize("resolution", [SINGLE, DOUBLE])
def test_equal_means_within_four_units_of_the_dtype(resolution):
    third = Check(equals=1 / 3)
    assert judge("x", third, (1 / 3) * (1 + 3 * resolution), resolution)[0].passed
    assert not judge("x", third, (1 / 3) * (1 + 6 * resolution), resolution)[0].passed
    assert not judge("x", Check(equals=0), 1e-300, resolution)[0].passed


LOSS = {"loss": Check(below=0.1)}


@pytest.mark.parametrize(
    ("first", "last", "passed", "vacuous"),
    [
        (0.3, 0.05, True, False),
        (0.05, 0.05, True, True),
        (0.05, 0.2, False, False),  # it failed, which is no vacuity
        (None, 0.05, True, False),  # no step was asked for
    ],
)
def test_vacuous(first, last, passed, vacuous):
    (expectation,) = judge_all(LOSS, {"loss": last}, first, SINGLE)
    assert (expectation.passed, expectation.vacuous) == (passed, vacuous)
    assert ("before the first step" in expectation.note) is vacuous
    assert decide_verdict([expectation], Status.BUDGET) is (Verdict.PASSED if passed else Verdict.FAILED)


def test_each_condition_is_vacuous_by_itself_and_only_those_of_the_loss():
    expect = {"loss": Check(below=1, above=0.01), "x": Check(below=9)}
    judged = judge_all(expect, {"loss": 0.05, "x": 1}, 0.005, SINGLE)
    assert [(each.what, each.vacuous) for each in judged] == [
        ("loss below 1", True),
        ("loss above 0.01", False),
        ("x below 9", False),
    ]


@pytest.mark.parametrize("status", list(Status))
def test_a_bad_end_fails_unless_some_status_is_expected(status):
    bad = status in (Status.ERROR, Status.DIVERGED, Status.NONFINITE)
    assert [(each.what, each.passed) for each in judge_status(status, LOSS)] == (
        [(f"status is not {status}", False)] if bad else []
    )
    assert judge_status(status, {"status": Check(equals="diverged")}) == []


@pytest.mark.parametrize(
    ("expectations", "status", "expected"),
    [
        ([], Status.BUDGET, Verdict.NONE),
        ([True], Status.BUDGET, Verdict.PASSED),
        ([True, False], Status.BUDGET, Verdict.FAILED),
        ([True, False], Status.INTERRUPTED, Verdict.NONE),
    ],
)
def test_verdict(expectations, status, expected):
    judged = [Expectation(f"x{i}", 0, passed=passed) for i, passed in enumerate(expectations)]
    assert decide_verdict(judged, status) is expected


@pytest.mark.parametrize(
    ("check", "value", "holds"),
    [
        ({"equals": math.inf}, 5.0, False),
        ({"equals": math.inf}, math.inf, True),
        ({"equals": math.inf}, -math.inf, False),
        ({"equals": [1.0, math.inf]}, [1.0, 2.0], False),
        ({"equals": 5.0}, math.inf, False),
    ],
)
def test_infinity_is_near_itself_alone(check, value, holds):
    (judged,) = judge("derivative", Check.model_construct(**check), value, DOUBLE)
    assert judged.passed is holds
    assert judge_runs(Check.model_construct(**check), [value], DOUBLE).tolist() == [holds]
