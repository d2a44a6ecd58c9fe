"""Studies: what they need next, what they choose, and the seeds that they use."""

import itertools
import math

import pytest

from playground.plugins.search_ranges import LogRange
from playground.runner.comparing.protocol import (
    SCORING_SEEDS,
    TUNING_SEEDS,
    follow_study,
    next_requests,
    scoring_seeds,
    tuning_seeds,
)
from playground.runner.comparing.search_spaces import TRIALS, Lattice, make_space

SPACE = Lattice("lr", LogRange(1e-5, 10.0))


class Known:
    """Runs whose score depends on the rate alone.

    :param score: of a rate.
    """

    def __init__(self, score):
        self.score, self.runs = score, set()

    def has(self, setting, seed):
        return (setting, seed) in self.runs

    def rank(self, setting, seeds):
        assert all(self.has(setting, seed) for seed in seeds)
        return self.score(dict(setting)["lr"])


def valley(rate):
    """Best at a rate of 0.03."""
    return abs(math.log10(rate / 0.03))


def finish(known, studies, space=SPACE):
    rounds = []
    while requests := next_requests("p", studies, space, known):
        rounds.append(len(requests))
        known.runs.update(requests)
    return rounds


def test_a_study_asks_for_coarse_then_fine_then_scoring_runs():
    known = Known(valley)
    assert finish(known, [0]) == [10 * TUNING_SEEDS, 10 * TUNING_SEEDS, SCORING_SEEDS]
    study = follow_study("p", 0, SPACE, known)
    assert len(study.tried) == TRIALS
    assert len(known.runs) == 110
    assert study.chosen[0][1] == min((dict(each)["lr"] for each in study.tried), key=valley)
    assert abs(math.log10(study.chosen[0][1] / 0.03)) < 0.09


def test_five_studies_share_nothing_but_settings():
    known = Known(valley)
    finish(known, range(5))
    assert len(known.runs) == 550
    assert {follow_study("p", number, SPACE, known).chosen for number in range(5)} == {
        follow_study("p", 0, SPACE, known).chosen
    }


def test_an_interrupted_study_goes_on_where_it_stopped():
    whole, part = Known(valley), Known(valley)
    finish(whole, range(2))
    part.runs = set(itertools.islice(sorted(whole.runs, key=str), 77))
    finish(part, range(2))
    assert part.runs == whole.runs


def test_of_equal_settings_the_middle_one_is_chosen():
    known = Known(lambda rate: 0.0 if 1e-3 < rate < 1 else 1.0)
    finish(known, [0])
    chosen = follow_study("p", 0, SPACE, known).chosen[0][1]
    equal = sorted(rate for ((_, rate),) in follow_study("p", 0, SPACE, known).tried if 1e-3 < rate < 1)
    assert chosen == equal[(len(equal) + 1) // 2 - 1]


def test_an_optimizer_that_fails_everywhere_gets_scores_too():
    known = Known(lambda rate: math.inf)
    finish(known, [0])
    assert follow_study("p", 0, SPACE, known).chosen is not None


def test_nothing_to_tune_needs_scoring_runs_alone():
    known = Known(lambda _: 0.0)
    known.rank = lambda setting, seeds: 0.0
    assert finish(known, [0], make_space({})) == [TUNING_SEEDS, SCORING_SEEDS]


def test_seeds_are_disjoint_between_studies_and_problems():
    seen = set()
    for problem in ("a", "b"):
        for study in range(200):
            mine = [*tuning_seeds(problem, study), *scoring_seeds(problem, study)]
            assert len(mine) == TUNING_SEEDS + SCORING_SEEDS
            assert seen.isdisjoint(mine)
            seen.update(mine)


@pytest.mark.parametrize("number", range(3))
def test_what_is_chosen_does_not_depend_on_scoring_runs(number):
    known = Known(valley)
    finish(known, [number])
    chosen = follow_study("p", number, SPACE, known).chosen
    known.runs -= {(chosen, seed) for seed in scoring_seeds("p", number)}
    again = follow_study("p", number, SPACE, known)
    assert again.chosen == chosen
    assert len(again.missing) == SCORING_SEEDS
