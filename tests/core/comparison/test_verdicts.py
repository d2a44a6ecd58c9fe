"""Verdicts, looks, critical values, and what an undecided comparison needs."""

import builtins
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from playground.core.comparison import (
    EffectEstimate,
    compare_pairs,
    compute_power,
    find_detectable_factor,
    spend_alpha,
)
from playground.core.comparison.more import advise_more_families, advise_more_studies, compute_seed_variance
from playground.core.comparison.multiple import bonferroni_critical, max_t_critical
from playground.core.comparison.verdicts import judge_estimate
from playground.errors import ComponentError

MARGIN = 0.3


@pytest.mark.parametrize(
    ("center", "half", "equivalence_half", "words"),
    [
        pytest.param(-1, 0.5, 0.4, "better by more than 1.23×", id="better by more"),
        pytest.param(1, 0.5, 0.4, "worse by more than 1.23×", id="worse by more"),
        pytest.param(-0.4, 0.2, 0.15, "better", id="better"),
        pytest.param(0.4, 0.2, 0.15, "worse", id="worse"),
        pytest.param(-0.15, 0.1, 0.05, "better, but by less than 1.23×", id="both, better"),
        pytest.param(0.15, 0.1, 0.05, "worse, but by less than 1.23×", id="both, worse"),
        pytest.param(0.05, 0.2, 0.15, "equivalent", id="equivalent"),
        pytest.param(0.1, 0.25, 0.15, "equivalent", id="equivalent by the shorter interval"),
        pytest.param(0.1, 0.3, 0.25, "cannot tell", id="cannot tell"),
        pytest.param(0.0, 0.0, 0.0, "equivalent", id="identical"),
        pytest.param(0.3, 0.3, 0.1, "cannot tell", id="an interval that ends at 0"),
        pytest.param(0.0, 0.4, 0.3, "cannot tell", id="an interval that ends at the margin"),
    ],
)
def test_words(center, half, equivalence_half, words):
    estimate = EffectEstimate(center=center, se=1.0, df=10, count=5)
    found = judge_estimate(estimate, margin=MARGIN, alpha=0.05, critical=half, equivalence_critical=equivalence_half)
    assert str(found) == words
    assert found.decided == (words != "cannot tell")


def test_identical_optimizers_are_equivalent(make_table):
    table = make_table()
    values = np.concatenate([table.values, table.values[:1]])
    table = replace(table, optimizers=(*table.optimizers, "copy"), values=values)
    (found,) = compare_pairs(table, [("o0", "copy")])
    for verdict in (found.suite, found.like_these):
        assert str(verdict) == "equivalent"
        assert verdict.factor_interval == (1.0, 1.0)
    assert found.more_studies is found.more_families is None


def test_a_pair_is_judged(make_table):
    (found,) = compare_pairs(make_table(effects=(-1, 0, 0)), [("o0", "o1")])
    assert (found.suite.word, found.like_these.word) == ("better", "better")
    assert found.suite.alpha == 0.025
    assert 0.4 < found.suite.estimate.factor < 0.6
    assert found.suite.interval == pytest.approx(found.suite.estimate.interval(0.025))
    assert found.like_these.interval == pytest.approx(found.like_these.estimate.interval(0.025))
    assert found.like_these.equivalence_interval == pytest.approx(found.like_these.estimate.interval(0.05))
    low, high = found.new_problem.interval(0.05)
    assert low < found.like_these.interval[0] < found.like_these.interval[1] < high


def test_few_families_leave_the_suite(make_table):
    (found,) = compare_pairs(make_table(families=10, effects=(-1, 0, 0)), [("o0", "o1")])
    assert found.suite.word == "better"
    assert found.like_these is found.new_problem is found.more_families is None
    assert "10 families" in found.refusal


def test_more_pairs_widen_intervals_and_change_no_estimate(make_table):
    table = make_table()
    (alone,) = compare_pairs(table, [("o0", "o1")])
    first, _ = compare_pairs(table, [("o0", "o1"), ("o0", "o2")])
    for one, other in ((alone.suite, first.suite), (alone.like_these, first.like_these)):
        assert one.estimate == other.estimate
        assert other.interval[0] < one.interval[0] < one.interval[1] < other.interval[1]


def test_looks_spend_no_more_than_the_total():
    assert [spend_alpha(look) for look in (1, 2, 3)] == [0.025, 0.0125, 0.00625]
    assert sum(spend_alpha(look) for look in range(1, 60)) <= 0.05
    with pytest.raises(ValueError, match="from 1"):
        spend_alpha(0)


@pytest.mark.parametrize("contrasts", [2, 5, 28])
@pytest.mark.parametrize("alpha", [0.05, 0.00078125])
def test_max_t_lies_between_one_t_and_bonferroni(contrasts, alpha):
    means = np.random.default_rng(1).normal(size=(contrasts, 30))
    found = max_t_critical(means, alpha)
    assert bonferroni_critical(29, alpha) <= found <= bonferroni_critical(29, alpha, contrasts)
    assert found == pytest.approx(max_t_critical(means + 5.0, alpha))  # the true differences do not enter


def test_max_t_knows_contrasts_that_agree():
    """Equal contrasts count once; independent ones cost nearly as much as Bonferroni's bound."""
    rng = np.random.default_rng(2)
    single, most = bonferroni_critical(39, 0.05), bonferroni_critical(39, 0.05, 10)
    equal = max_t_critical(np.tile(rng.normal(size=40), (10, 1)), 0.05)
    independent = max_t_critical(rng.normal(size=(10, 40)), 0.05)
    assert equal == pytest.approx(single, rel=0.06)
    assert independent == pytest.approx(most, rel=0.06)


def test_max_t_of_one_contrast_is_t():
    assert max_t_critical(np.arange(20.0)[None], 0.05) == pytest.approx(stats.t.ppf(0.975, 19))


def test_max_t_of_identical_optimizers():
    means = np.stack([np.zeros(20), np.arange(20.0)])
    assert max_t_critical(means, 0.05) == pytest.approx(stats.t.ppf(0.975, 19), rel=0.06)


def test_max_t_by_all_patterns_of_signs():
    """All 2^8 patterns, with t from scipy."""
    means = np.random.default_rng(3).normal(size=(3, 8))
    residuals = means - means.mean(-1, keepdims=True)
    signs = (np.arange(2**8)[:, None] >> np.arange(8) & 1) * 2 - 1
    largest = [np.abs(stats.ttest_1samp(residuals * each, 0, axis=-1).statistic).max() for each in signs]
    assert max_t_critical(means, 0.1, flips=20_000) == pytest.approx(np.quantile(largest, 0.9), rel=0.03)


@pytest.mark.parametrize(
    ("center", "distance"),
    [
        pytest.param(-0.4, 0.4, id="a difference to find"),
        pytest.param(0.16, 0.16, id="just above half the margin"),
        pytest.param(-0.1, 0.2, id="an equivalence to find"),
        pytest.param(0.0, 0.3, id="no difference"),
    ],
)
@pytest.mark.parametrize("look", [1, 3])
def test_more(center, distance, look):
    estimate = EffectEstimate(center=center, se=0.2, df=24, count=25)
    quantiles = stats.norm.ppf(1 - spend_alpha(look + 1) / 2) + stats.norm.ppf(0.8)
    total = math.ceil((1.0 * quantiles / distance) ** 2)
    studies = advise_more_studies(estimate, margin=MARGIN, look=look)
    families = advise_more_families(estimate, seed_variance=0.1, margin=MARGIN, look=look)
    assert studies.total == families.total == total
    assert studies.more == families.more == max(total - 25, 1)


@pytest.mark.parametrize(
    ("share", "count", "words"),
    [
        pytest.param(0.24, 25, "more seeds cannot help; 1,091 more families", id="families only"),
        pytest.param(0.26, 25, "1,091 more families", id="seeds too"),
        pytest.param(0.24, 10_000, "more seeds cannot help; 1 more family", id="one"),
    ],
)
def test_advice_in_words(share, count, words):
    estimate = EffectEstimate(center=0.1, se=1 / math.sqrt(count), df=24, count=count)
    assert str(advise_more_families(estimate, seed_variance=share, margin=0.15, look=1)) == words


def test_seed_variance_is_that_of_a_family_mean():
    """Families of one to four problems, whose means are drawn again and again."""
    rng, families = np.random.default_rng(4), ["a", "b", "b", "c", "c", "c", "c"]
    spreads = np.arange(1.0, 8.0)[:, None]
    found = np.mean([compute_seed_variance(spreads * rng.normal(size=(7, 5)), families) for _ in range(2_000)])
    expected = np.mean([1, (4 + 9) / 4, (16 + 25 + 36 + 49) / 16]) / 5
    assert found == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("families", "sigma", "factor"),
    [
        pytest.param(20, 1, 1.58, id="20"),
        pytest.param(30, 1, 1.44, id="30"),
        pytest.param(60, 1, 1.29, id="60"),
        pytest.param(20, 2, 2.50, id="20, twice the spread"),
        pytest.param(30, 2, 2.08, id="30, twice the spread"),
        pytest.param(60, 2, 1.665, id="60, twice the spread"),
    ],
)
def test_detectable_factors(families, sigma, factor):
    found = find_detectable_factor(families, sigma=sigma, alpha=0.05)
    assert found == pytest.approx(factor, abs=0.005)
    power = compute_power(math.log2(found), se=sigma / math.sqrt(families), df=families - 1, alpha=0.05)
    assert power == pytest.approx(0.8)


@pytest.mark.parametrize("effect", [0.0, 0.2, 0.5, 1.0, 20.0])
def test_power_by_simulation(effect):
    sample = np.random.default_rng(5).normal(effect, 1, (20_000, 20))
    decided = stats.ttest_1samp(sample, 0, axis=-1).pvalue < 0.025
    assert compute_power(effect, se=1 / math.sqrt(20), df=19, alpha=0.025) == pytest.approx(decided.mean(), abs=0.01)


@pytest.mark.parametrize(
    ("effect", "se", "power"),
    [
        pytest.param(0.0, 1.0, 0.025, id="no difference"),
        pytest.param(0.0, 0.0, 0.025, id="nothing at all"),
        pytest.param(1e-9, 0.0, 1.0, id="no uncertainty"),
        pytest.param(1e9, 1e-9, 1.0, id="certain"),
    ],
)
def test_power_at_the_ends(effect, se, power):
    assert compute_power(effect, se=se, df=19, alpha=0.025) == pytest.approx(power)


def test_without_scipy_one_line_says_what_to_install(make_table, monkeypatch):
    original = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("scipy"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ComponentError, match=r"needs scipy; install it: pip install 'gradient-playground\[compare\]'"):
        compare_pairs(make_table(), [("o0", "o1")])
