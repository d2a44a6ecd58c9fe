"""Targets: what a pool of tuned optimizers reaches, early to late."""

from itertools import pairwise

import numpy as np
import pytest

from playground.runner.comparing.freezing import MIN_GAP, MIN_RATIO, UnusableProblemError, choose_targets
from playground.runner.comparing.suites import load_suite

STEPS = [*sorted({round(1000 ** (i / 63)) - 1 for i in range(64)}), 1000]


def exponential(half_life):
    return np.array([2.0 ** (-step / half_life) for step in STEPS])


CURVES = {
    "linear convergence": [exponential(50), exponential(60), exponential(55), exponential(200)],
    "fast": [exponential(1), exponential(2), exponential(1.5), exponential(3)],
    "sublinear": [1 / (1 + np.array(STEPS)) ** 0.8 for _ in range(4)],
    "one diverges": [exponential(50), exponential(60), exponential(55), np.full(len(STEPS), np.inf)],
    "oscillating": [exponential(80) * (1.2 + np.cos(np.array(STEPS))) for _ in range(4)],
}


@pytest.mark.parametrize("name", CURVES)
def test_targets_descend_apart_from_one_another_and_are_reached(name):
    curves = CURVES[name]
    targets = choose_targets(curves, STEPS)
    start = float(np.median([curve[0] for curve in curves]))
    assert len(targets) == 5
    assert all(a >= b * MIN_RATIO * 0.9999 for a, b in pairwise(targets))
    assert targets[0] < start
    assert targets[-1] >= MIN_GAP * start * 0.9999
    assert sum((curve <= targets[-1]).any() for curve in curves) >= 2


UNUSABLE = {
    "flat": ([np.ones(len(STEPS))] * 4, "lowers the gap by a factor of 1 only"),
    "hardly moves": ([np.geomspace(1, 0.5, len(STEPS))] * 4, "lowers the gap by a factor of 2 only"),
    "at its minimum": ([np.zeros(len(STEPS))] * 4, "starts at its least loss"),
    "not finite": ([np.full(len(STEPS), np.nan)] * 4, "no finite loss at the start"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_problems_that_tell_nothing_apart_are_refused(name):
    curves, message = UNUSABLE[name]
    with pytest.raises(UnusableProblemError, match=message):
        choose_targets(curves, STEPS)


def test_a_contestant_has_no_part_in_targets(suite_folder):
    """The pool is fixed: what else is stored of a problem changes nothing."""
    suite = load_suite(suite_folder / "tiny.yaml")
    assert all(problem.targets for problem in suite.problems.values())
