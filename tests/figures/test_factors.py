from __future__ import annotations

import math
from dataclasses import replace

import pytest

from playground.figures.factors import (
    count_things,
    format_factor,
    format_factor_interval,
    format_factor_range,
    is_indistinct,
    name_pair,
    pair_sentences,
)


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (0.0, "0×"),
        (1e-5, "1.0e-05×"),
        (0.0123, "0.012×"),
        (0.0949, "0.095×"),
        (0.096, "0.10×"),
        (0.7071, "0.71×"),
        (1.0, "1.00×"),
        (0.9996, "0.9996×"),
        (1.0004, "1.0004×"),
        (1 + 1e-12, "1.00×"),
        (9.949, "9.95×"),
        (9.96, "10.0×"),
        (29.365, "29.4×"),
        (99.6, "100×"),
        (999.7, "1,000×"),
        (12345.0, "12,300×"),
        (2e7, "2.0e+07×"),
        (math.inf, "∞×"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_a_factor_has_few_digits_and_is_1_only_if_it_is(factor, text):
    assert format_factor(factor) == text


def test_intervals_and_ranges():
    assert format_factor_interval(0.66, 0.99999) == "[0.66, 0.99999]"
    assert format_factor_interval(None, math.inf) == "[–, ∞]"
    assert format_factor_range(0.3, 2.2) == "0.30×–2.20×"


@pytest.mark.parametrize(("count", "text"), [(1, "1 family"), (0, "0 families"), (1200, "1,200 families")])
def test_a_noun_agrees_with_its_number(count, text):
    assert count_things(count, "family", "families") == text


def test_sentences_of_a_decided_pair(make_comparison):
    (pair,) = make_comparison().pairs
    needs = "adam needs 0.71× the gradient evaluations of sgd"
    assert list(pair_sentences(pair)) == [
        f"On problems like these, {needs} [0.57, 0.87]: better.",
        f"On the problems of this suite, {needs} [0.68, 0.73]: better by more than 1.1×.",
        "On a single new problem, expect anything from 0.18× to 2.83×.",
        "With one setting for all problems, adam needs 1.00× the gradient evaluations of sgd [0.81, 1.23]: equivalent.",
    ]


def test_sentences_of_a_refusal_and_of_an_undecided_pair(make_comparison):
    (refused,) = make_comparison(families=8, refused=True).pairs
    first, second, *_ = pair_sentences(replace(refused, more="3 more studies"))
    assert first == "No statement on problems like these: 8 families, and at least 20 are needed."
    assert second.startswith("On the problems of this suite, adam")
    assert list(pair_sentences(replace(refused, more="3 more studies")))[-1] == "What would decide it: 3 more studies."


def test_a_pair_is_named_by_what_differs(make_comparison):
    found = make_comparison(("a", "b", "c"))
    assert [name_pair(found, pair) for pair in found.pairs] == ["b", "c"]
    found = make_comparison(("a", "b", "c"), all_pairs=True)
    assert [name_pair(found, pair) for pair in found.pairs] == ["a / b", "a / c", "b / c"]


@pytest.mark.parametrize(("resolution", "indistinct"), [(None, False), (0.29, True), (0.3, False), (4.0, False)])
def test_a_problem_that_tells_nothing_apart(make_comparison, resolution, indistinct):
    assert is_indistinct(replace(make_comparison().problems[0], resolution=resolution)) == indistinct
