"""Expected best, choice of settings, contrasts and descriptions, against enumeration and loops."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from playground.core.comparison import (
    average_middle_half,
    choose_settings,
    choose_shared_settings,
    contrast_property,
    count_problems,
    expect_best,
    judge_problems,
    measure_improvement,
    measure_resolutions,
)
from playground.core.comparison.expected_best import weigh_ranks


@given(
    tuning=st.lists(st.integers(0, 3), min_size=1, max_size=6),
    data=st.data(),
)
def test_expected_best_is_the_mean_over_all_subsets_and_orders(tuning, data):
    tried = data.draw(st.integers(1, len(tuning)))
    scoring = np.arange(len(tuning)) ** 2.0
    found = [
        scoring[min(order, key=lambda setting: tuning[setting])]  # the first of equal ones is taken, in every order
        for subset in combinations(range(len(tuning)), tried)
        for order in permutations(subset)
    ]
    assert expect_best(tuning, scoring, tried) == pytest.approx(np.mean(found))


@pytest.mark.parametrize("tried", [1, 2, 7, 19, 20])
def test_weights_of_ranks(tried):
    expected = [
        stats.hypergeom.pmf(0, 20, rank, tried) - stats.hypergeom.pmf(0, 20, rank + 1, tried) for rank in range(20)
    ]
    assert weigh_ranks(20, tried) == pytest.approx(np.array(expected), abs=1e-12)
    assert weigh_ranks(20, tried).sum() == pytest.approx(1)


def test_expected_best_of_many_problems():
    rng = np.random.default_rng(0)
    tuning, scoring = rng.normal(size=(2, 3, 4, 6))
    found = expect_best(tuning, scoring, 3)
    assert found.shape == (3, 4)
    assert found[1, 2] == pytest.approx(float(expect_best(tuning[1, 2], scoring[1, 2], 3)))
    assert expect_best(tuning, scoring, 6) == pytest.approx(
        np.take_along_axis(scoring, tuning.argmin(-1)[..., None], -1)[..., 0]
    )
    with pytest.raises(ValueError, match="cannot be tried"):
        expect_best(tuning, scoring, 7)


@pytest.mark.parametrize(
    ("scores", "place"),
    [
        pytest.param([3, 1, 2], 1, id="one best"),
        pytest.param([3, 1, 1, 1, 2], 2, id="the middle of three"),
        pytest.param([1, 1], 0, id="the lower of two"),
        pytest.param([5, 5, 5, 5, 5], 2, id="all equal"),
    ],
)
def test_choice(scores, place):
    assert choose_settings(np.array(scores, float)) == place
    assert choose_settings(np.array([[scores] * 2], float)).tolist() == [[place] * 2]


def test_shared_choice_ignores_the_own_family():
    rng, families = np.random.default_rng(1), ["a", "b", "b", "c", "a"]
    scores = rng.normal(size=(4, 5, 6))  # studies, problems, settings
    found = choose_shared_settings(scores, families)
    for study in range(4):
        for problem, own in enumerate(families):
            others = [
                np.mean([scores[study, p] for p, name in enumerate(families) if name == family], axis=0)
                for family in sorted(set(families) - {own})
            ]
            assert found[study, problem] == np.mean(others, axis=0).argmin()
    with pytest.raises(ValueError, match="two families"):
        choose_shared_settings(scores, ["a"] * 5)


@pytest.mark.parametrize("families", [4, 5, 12])
def test_contrasts(make_table, families):
    table = make_table(problems=24, families=24)
    pairs = [(f"p{place}", f"p{place + 12}") for place in range(families)]
    found = contrast_property(table, "rotation", pairs)
    assert [each.optimizer for each in found] == list(table.optimizers)
    means = table.values.mean((2, 3))
    changes = means[1, :families] - means[1, 12 : 12 + families]
    assert found[1].changes == pytest.approx(tuple(changes))
    if families < 5:
        assert found[1].estimate is None
    else:
        expected = stats.ttest_1samp(changes, 0).confidence_interval(0.95)
        assert found[1].estimate.interval(0.05) == pytest.approx(tuple(expected))


def test_contrasts_average_pairs_of_one_family(make_table):
    table = make_table(problems=24, families=6)
    found = contrast_property(table, "noise", [(f"p{place}", f"p{place + 12}") for place in range(12)])[0]
    means = np.array(found.changes).reshape(2, 6).mean(0)
    assert found.estimate.center == pytest.approx(means.mean())
    assert found.estimate.count == 6


def test_counts_of_problems():
    noise = np.array([-0.01, 0.0, 0.01, 0.02, -0.02])
    differences = np.stack([noise - 1, noise + 1, noise + 2, noise, 100 * noise, 0 * noise])
    verdicts = judge_problems(differences)
    assert [verdict.word for verdict in verdicts] == [
        "better",
        "worse",
        "worse",
        "equivalent",
        "cannot tell",
        "equivalent",
    ]
    for row, verdict in zip(differences[:5], verdicts, strict=False):
        assert verdict.interval == pytest.approx(tuple(stats.ttest_1samp(row, 0).confidence_interval(0.95)))
    counts = count_problems(verdicts)
    assert (counts.better, counts.worse, counts.equal, counts.cannot_tell) == (1, 2, 2, 1)


def test_resolutions(make_table):
    table = make_table(problems=5, families=5)
    table.values[:, 1] = table.values[:, 1].mean()  # nothing differs
    table.values[:, 2] = np.arange(3.0)[:, None, None]  # optimizers differ, seeds do not
    found = measure_resolutions(table)
    runs = table.values[:, 0].reshape(3, -1)
    assert found[0] == pytest.approx(np.std(runs.mean(1), ddof=1) / np.sqrt(np.mean(np.var(runs, axis=1, ddof=1))))
    assert found[1:3].tolist() == [0, np.inf]


def test_descriptions_of_a_pair(make_table):
    table = make_table(problems=8, families=8)
    differences = table.compute_differences("o0", "o1")
    assert average_middle_half(differences) == pytest.approx(np.sort(differences.mean(1))[2:6].mean())
    one, other = (table.scores_of(name).reshape(8, -1) for name in ("o0", "o1"))
    shares = [1 - stats.mannwhitneyu(a, b).statistic / (20 * 20) for a, b in zip(one, other, strict=True)]
    assert measure_improvement(table, "o0", "o1") == pytest.approx(np.mean(shares))
    assert measure_improvement(table, "o0", "o0") == 0.5
