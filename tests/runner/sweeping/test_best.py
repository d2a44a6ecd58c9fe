"""Which settings of a sweep are best, and which of those with equal losses is the most robust."""

import math

import pytest

from playground.result import BestChoice, Criterion, Quartiles, Status, Summary
from playground.runner.sweeping.best import choose_best, loss_resolution

INF, NAN = math.inf, math.nan


def summary(index, passed, median, runs=10, bad=0, steps=100.0, **values):
    """Return a point of which some runs ended badly."""
    statuses = {Status.BUDGET: runs - bad, Status.DIVERGED: bad}
    return Summary(
        index=index,
        values=values,
        runs=runs,
        passed=passed,
        interval=None,
        loss=Quartiles(0, median, 9),
        statuses={status: count for status, count in statuses.items() if count},
        steps={Status.BUDGET: steps, Status.DIVERGED: 3.0},
    )


@pytest.mark.parametrize(
    ("summaries", "indices"),
    [
        ([(0, 5, 0.1), (1, 9, 0.5), (2, 8, 0.0)], [1]),
        ([(0, 9, 0.1), (1, 9, 0.05), (2, 8, 0.0)], [1]),
        ([(0, 9, 0.1), (1, 9, 0.1), (2, 8, 0.0)], [0, 1]),
        ([(0, 0, INF), (1, 0, INF)], [0, 1]),
        ([(0, None, 0.2), (1, None, 0.1)], [1]),
        ([(0, 9, 0.1), (1, 0, NAN, 0)], [0]),
        ([(0, 0, NAN, 0)], []),
        ([], []),
    ],
    ids=["share", "loss", "tie", "infinite", "not judged", "a point without runs", "no runs", "no points"],
)
def test_the_best_has_the_highest_share_then_the_lowest_loss(summaries, indices) -> None:
    best, _ = choose_best([summary(*one) for one in summaries], 0.0)
    assert [one.index for one in best] == indices


def line(*medians, bad=(), steps=()):
    """Return points along a learning rate."""
    bad, steps = dict(bad), dict(steps)
    return [
        summary(i, None, median, bad=bad.get(i, 0), steps=steps.get(i, 100.0), lr=10.0**i)
        for i, median in enumerate(medians)
    ]


EQUAL = {
    "below the resolution, the middle": (line(1.0, 1e-9, 1e-36, 1e-12, 1.0), [2], 3, Criterion.MARGIN),
    "above it, the lowest": (line(1.0, 1e-5, 1e-6, 1e-5), [2], 1, None),
    "the ends of the range are no good neighbours": (line(0.0, 0.0, 0.0, 1.0), [1], 3, Criterion.MARGIN),
    "away from settings that diverge": (line(0.0, 0.0, 0.0, 0.0, INF), [1, 2], 4, Criterion.MARGIN),
    "of two in the middle, the quick one": (
        line(0.0, 0.0, 0.0, 0.0, INF, steps={1: 90.0, 2: 40.0, 3: 10.0}),
        [2],
        4,
        Criterion.STEPS,
    ),
    "the most runs that end well": (line(0.0, 0.0, 0.0, bad={0: 1, 1: 1}), [2], 3, Criterion.ENDED_WELL),
    "a run that ends badly is a worse setting": (
        line(0.0, 0.0, 0.0, 0.0, 0.0, bad={4: 1}),
        [1, 2],
        5,
        Criterion.MARGIN,
    ),
    "two regions, the wider one": (line(0.0, 1.0, 0.0, 0.0, 0.0, 1.0), [3], 4, Criterion.MARGIN),
    "all are equal, the middle of the range": (line(0.0, 0.0, 0.0, 0.0, 0.0), [2], 5, Criterion.MARGIN),
    "nothing but infinite losses": (line(INF, INF, INF), [1], 3, Criterion.MARGIN),
    "settings without an order": (
        [summary(0, None, 0.0, optimizer="adam"), summary(1, None, 1e-9, optimizer="sgd")],
        [0, 1],
        2,
        None,
    ),
    "a line for each optimizer": (
        [
            summary(3 * place + i, None, median, optimizer=name, lr=10.0**i)
            for place, (name, medians) in enumerate({"sgd": (1.0, 0.0, 1.0), "adam": (0.0, 0.0, 0.0)}.items())
            for i, median in enumerate(medians)
        ],
        [4],
        4,
        Criterion.MARGIN,
    ),
    "a plane": (
        [
            summary(5 * i + j, None, 1.0 if (i, j) == (0, 2) else 0.0, lr=10.0**i, beta=0.1 * j)
            for i in range(3)
            for j in range(5)
        ],
        [6, 8],
        14,
        Criterion.MARGIN,
    ),
}


@pytest.mark.parametrize(("summaries", "indices", "equal", "criterion"), EQUAL.values(), ids=EQUAL)
def test_of_settings_with_equal_losses_the_most_robust_is_chosen(summaries, indices, equal, criterion) -> None:
    best, choice = choose_best(summaries, 1e-7)
    assert [one.index for one in best] == indices
    assert choice == BestChoice(equal, 1e-7, criterion)


RESOLUTIONS = {
    "float32": ((2.0, {"float32"}), 2.0 * 2**-23),
    "float64": ((-2.0, {"float64"}), 2.0 * 2**-52),
    "both": ((1.0, {"float32", "float64"}), 2.0**-23),
    "no finite loss": ((NAN, {"float32"}), 0.0),
}


@pytest.mark.parametrize(("given", "resolution"), RESOLUTIONS.values(), ids=RESOLUTIONS)
def test_the_resolution_is_the_rounding_of_the_first_loss(given, resolution) -> None:
    assert loss_resolution(*given) == resolution
