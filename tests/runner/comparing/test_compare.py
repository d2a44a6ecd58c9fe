"""Whole comparisons on a small suite: known truths, fairness, storage, and optimizers that misbehave."""

import dataclasses
import math
from functools import partial

import pytest
import torch

import playground
from playground.errors import PlaygroundError
from playground.runner.comparing.compare import CompareOptions, compare_optimizers
from playground.runner.comparing.measuring import CompareProgress
from playground.runner.store import Store


@pytest.fixture(scope="module")
def compare(suite_folder, mine):
    """Compare on the small suite, in this process."""

    def run(optimizer, *against, progress=None, **options):
        chosen = CompareOptions(against=against, suite=str(suite_folder / "tiny.yaml"), jobs=1, **options)
        return compare_optimizers(optimizer, mine, chosen, progress, suite_folder)

    return run


def numbers(pair):
    """What is measured of a pair, without what the number of pairs determines."""
    effect = pair.suite
    families = [(each.family, each.factor, each.low, each.high) for each in pair.families]
    return effect.factor, families, pair.improvement, pair.middle, pair.tally


def test_a_copy_is_equivalent_with_differences_of_exactly_zero(compare):
    (pair,) = compare("copy", "torch.SGD").pairs
    assert (pair.suite.word, pair.suite.factor, pair.suite.low, pair.suite.high) == ("equivalent", 1.0, 1.0, 1.0)
    assert all((each.factor, each.low, each.high) == (1.0, 1.0, 1.0) for each in pair.families)
    assert pair.improvement == 0.5
    assert set(pair.holds.values()) == {"equivalent"}


def test_our_adam_is_that_of_torch(compare):
    (pair,) = compare("adam", "torch.Adam").pairs
    assert pair.suite.word == "equivalent"
    assert pair.suite.factor == pytest.approx(1.0, abs=1e-6)


def test_few_families_say_nothing_about_problems_like_these(compare):
    (pair,) = compare("adam", "sgd").pairs
    assert pair.like_these is None
    assert pair.new_problem is None
    assert pair.refusal == "no statement on problems like these: 3 families, and at least 20 are needed"
    assert pair.headline is pair.suite


def test_another_contestant_changes_no_number_of_a_pair(compare):
    alone, (first, second) = compare("adam", "sgd").pairs[0], compare("adam", "sgd", "rmsprop").pairs
    assert numbers(first) == numbers(alone)
    assert first.suite.high - first.suite.low >= alone.suite.high - alone.suite.low  # it shares the error probability
    assert second.baseline == "rmsprop"


def test_everybody_gets_the_same(compare):
    found = compare("adam", "sgd", "torch.Adam")
    assert {entry.trials for entry in found.ledger} == {20}
    assert {entry.choices for entry in found.ledger} == {15}
    for entry in found.ledger:
        assert entry.runs == 3 * 550
        assert entry.scoring <= 3 * 50 * 82
        assert sum(entry.engines.values()) == entry.runs
    assert found.protocol.look == 1
    assert found.protocol.alpha == 0.025


def test_asked_again_nothing_is_computed(compare):
    first, progress = compare("adam", "sgd"), CompareProgress()
    again = compare("adam", "sgd", progress=progress)
    assert (progress.stored, progress.done) == (progress.total, 0)
    assert dataclasses.replace(again, seconds={}) == dataclasses.replace(first, seconds={})


def test_more_studies_are_the_next_look(compare):
    compare("rmsprop", "sgd", studies=2)
    progress = CompareProgress()
    found = compare("rmsprop", "sgd", more="studies", progress=progress)
    assert (found.protocol.look, found.protocol.studies, found.protocol.alpha) == (2, 8, 0.0125)
    assert compare("rmsprop", "sgd").protocol.look == 2  # asked again, it is the last one


def test_all_pairs(compare):
    found = compare("adam", "sgd", "rmsprop", all_pairs=True)
    pairs = [(pair.optimizer, pair.baseline) for pair in found.pairs]
    assert pairs == [("adam", "sgd"), ("adam", "rmsprop"), ("sgd", "rmsprop")]


def test_an_optimizer_that_never_moves_is_worse(compare):
    found = compare("stays", "sgd")
    (pair,) = found.pairs
    assert pair.suite.word == "worse"
    assert any("stays never moved a parameter" in note for note in found.notes)


def test_closures_are_counted(compare):
    """It evaluates twice in a step and moves as SGD does, so it needs twice as many evaluations."""
    (pair,) = compare("needs_closure", "torch.SGD", "adam").pairs[:1]
    assert 1.7 < pair.suite.factor < 2.6


@pytest.mark.slow
def test_an_optimizer_that_draws_random_numbers_is_judged_by_another_engine(compare):
    found = compare("draws", "sgd", studies=2)
    (pair,) = found.pairs
    assert found.notes == ["draws on bowl and 2 more: plain: repeating the same step gives different results"]
    assert found.ledger[0].engines == {"plain": 3 * 220}
    assert math.isfinite(pair.suite.factor)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", r"raises does not work on problem 'bowl': optimizer 'raises': RuntimeError: not today"),
        ("reshapes", r"reshapes does not work on problem 'bowl': "),
    ],
)
def test_an_optimizer_that_fails_everywhere_is_refused(compare, name, message):
    with pytest.raises(PlaygroundError, match=message) as caught:
        compare(name, "sgd")
    assert "\n" not in str(caught.value)


def test_an_optimizer_without_a_rate_is_not_tuned_and_this_is_said(compare):
    found = compare("no_rate", "sgd")
    assert found.ledger[0].trials == 1
    assert any("no_rate has nothing to tune" in note for note in found.notes)


def test_classes_in_hand(compare, suite_folder, mine):
    """A class of the caller is judged as a registered one; `use` fixes parameters, and a list is one value."""

    class Steps(torch.optim.SGD):
        def __init__(self, params, lr=0.1, momentum=0.0, ends=(0, 1)):
            assert tuple(ends) == (0, 1)
            super().__init__(params, lr=lr, momentum=momentum)

    subject = playground.use(Steps, momentum=0.0, ends=[0, 1])
    options = {"suite": suite_folder / "tiny.yaml", "plugins": mine, "folder": suite_folder, "jobs": 2}
    (pair,) = playground.compare(subject, ["torch.SGD"], **options).pairs
    assert (pair.suite.word, pair.suite.factor) == ("equivalent", 1.0)
    assert pair.optimizer == "Steps(momentum=0.0, ends=[[0, 1]])"
    assert mine.in_hand == ()
    with pytest.raises(
        PlaygroundError, match=r"^compare\(\): expected a class of torch.optim.Optimizer .* got object$"
    ):
        playground.compare(object(), ["sgd"], **options)


def test_expectations(compare):
    met = compare("sgd", "stays", expect=["better than stays"])
    assert (met.verdict, met.unmet) == ("passed", [])
    missed = compare("stays", "sgd", expect=["not worse than sgd"])
    assert missed.verdict == "failed"
    assert missed.unmet[0].startswith("expected not worse than sgd, found worse")


FAULTS = {
    "unknown": (partial(dict, against=["adm"]), "unknown optimizer 'adm'; did you mean 'adam'"),
    "itself": (partial(dict, against=["adam"]), "'adam' is compared twice"),
    "expectation": (partial(dict, against=["sgd"], expect=["better than lion"]), "'lion' is not compared"),
    "more": (partial(dict, against=["sgd"], more="families"), "the suite has no more families"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_before_anything_is_computed(compare, name):
    make, message = FAULTS[name]
    options = make()
    with pytest.raises(PlaygroundError, match=message):
        compare("adam", *options.pop("against"), **options)


def test_runs_are_kept_apart_from_sweeps(compare, suite_folder):
    compare("adam", "sgd")
    assert not (suite_folder / ".playground" / "results.sqlite").exists()
    with Store.open(suite_folder, create=False, name="compare") as store:
        assert "adam" in store.sweeps()[0].scenario or "sgd" in store.sweeps()[0].scenario


def test_contrasts_and_problems(compare):
    found = compare("adam", "sgd")
    assert [(each.property, each.optimizer, each.families) for each in found.contrasts] == [
        ("tilt", "adam", 1),
        ("tilt", "sgd", 1),
    ]
    assert all(each.low is None for each in found.contrasts)
    assert [row.problem for row in found.problems] == ["bowl", "booth", "matyas"]
    for row in found.problems:
        assert set(row.reached) == {"adam", "sgd"}
        assert all(0 <= share <= 1 for share in row.reached.values())


def test_curves(compare):
    for curve in compare("adam", "sgd").curves:
        assert list(curve.reached) == sorted(curve.reached)
        assert all(
            low <= share <= high
            for low, share, high in zip(curve.reached_low, curve.reached, curve.reached_high, strict=True)
        )
        assert len(curve.rates) == len(curve.rate_scores) == len(curve.expected_best) == 10
        assert sum(curve.chosen.values()) == 15


def test_a_table_for_pandas(compare):
    pandas = pytest.importorskip("pandas")
    table = compare("adam", "sgd").to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert list(table["baseline"]) == ["sgd"]


@pytest.mark.slow
def test_the_self_test_repeats_the_comparison_with_its_own_runs(compare):
    found = compare("adam", "sgd", "rmsprop", self_test=True)
    rows = {row.name: row for row in found.self_test}
    assert len(found.self_test) >= 8
    assert all(0 <= row.low <= row.rate <= row.high <= 1 for row in found.self_test)
    copy = next(row for name, row in rows.items() if "copy" in name)
    assert copy.passed
    assert copy.rate == 1.0


def test_the_self_test_needs_seeds(compare):
    with pytest.raises(PlaygroundError, match="--self-test needs 20 tuning seeds of each problem, and there are 10"):
        compare("adam", "sgd", self_test=True, studies=2)
