"""Which setting did best: ties, settings at the end of a range, and none at all."""

import json
import math

import pytest

from playground.report.document import batch_document
from playground.report.ranking import MAX_NAMED_TIES, describe_setting, rank_settings
from playground.result import Batch, Quartiles, Status, Summary, Sweep, Verdict
from playground.runner.sweeping.best import choose_best

AXES = ("optimizer", "optimizer.lr")


def sweep(*points, seeds=4, resolution=0.0):
    """Return a sweep of points `(optimizer, lr, runs that passed, median loss)`."""
    summaries = tuple(
        Summary(
            index=index,
            values=dict(zip(AXES, values, strict=True)),
            runs=seeds,
            passed=passed,
            interval=(0.1, 0.9),
            loss=Quartiles(loss, loss, loss),
            statuses={Status.BUDGET: seeds},
            steps={},
        )
        for index, (*values, passed, loss) in enumerate(points)
    )
    best, choice = choose_best(summaries, resolution)
    return Sweep(
        scenario="s",
        file="s.yaml",
        id="0123456789abcdef",
        axes=AXES,
        seeds=seeds,
        size=len(summaries) * seeds,
        runs=len(summaries) * seeds,
        computed=0,
        engines={},
        notes=(),
        summaries=summaries,
        best=best,
        choice=choice,
        expectations=(),
        verdict=Verdict.NONE,
        interrupted=False,
        seconds=0.0,
        store="",
    )


CASES = {
    "best": (
        [("adam", 0.1, 4, 0.5), ("sgd", 0.1, 3, 0.1)],
        ("best", ("optimizer = adam, lr = 0.1",), "100.0% passed, median loss 0.5", ()),
    ),
    "tie": (
        [("adam", 0.1, 4, 0.5), ("sgd", 0.1, 4, 0.5), ("sgd", 0.2, 4, 0.6)],
        ("tie", ("optimizer = adam, lr = 0.1", "optimizer = sgd, lr = 0.1"), "100.0% passed, median loss 0.5", ()),
    ),
    "none passed": (
        [("adam", 0.1, 0, 0.5), ("adam", 0.2, 0, 0.4)],
        ("none", ("optimizer = adam, lr = 0.2",), "no run passed; the lowest median loss 0.4", ()),
    ),
    "none finite": ([("adam", 0.1, 0, math.inf), ("adam", 0.2, 0, math.nan)], ("none", (), "no run passed", ())),
    "upper end": (
        [("adam", lr, 4, 1 / lr) for lr in (0.1, 0.2, 0.3)],
        (
            "best",
            ("optimizer = adam, lr = 0.3",),
            "100.0% passed, median loss 3.333",
            ("lr = 0.3 is the upper end of its range: more may do better",),
        ),
    ),
    "lower end, none passed": (
        [("adam", lr, 0, lr) for lr in (0.1, 0.2, 0.3)],
        (
            "none",
            ("optimizer = adam, lr = 0.1",),
            "no run passed; the lowest median loss 0.1",
            ("lr = 0.1 is the lower end of its range: less may do better",),
        ),
    ),
    "inside": (
        [("adam", lr, 4, abs(lr - 0.2)) for lr in (0.1, 0.2, 0.3)],
        ("best", ("optimizer = adam, lr = 0.2",), "100.0% passed, median loss 0", ()),
    ),
    "a tie reaches inside": (
        [("adam", 0.1, 2, 1.0), ("adam", 0.2, 4, 0.0), ("adam", 0.3, 4, 0.0)],
        ("tie", ("optimizer = adam, lr = 0.2", "optimizer = adam, lr = 0.3"), "100.0% passed, median loss 0", ()),
    ),
    "two values are no range": (
        [("adam", 0.1, 4, 1.0), ("adam", 0.2, 4, 0.5)],
        ("best", ("optimizer = adam, lr = 0.2",), "100.0% passed, median loss 0.5", ()),
    ),
}


@pytest.mark.parametrize(("points", "ranked"), CASES.values(), ids=CASES)
def test_what_is_said(points, ranked):
    found = rank_settings(sweep(*points))
    assert (found.word, found.settings, found.result, found.remarks) == ranked
    assert found.more == 0


def test_of_many_ties_some_are_named():
    found = rank_settings(sweep(*[(f"optimizer{n}", 0.1, 4, 0.5) for n in range(15)]))
    assert len(found.settings) == MAX_NAMED_TIES
    assert found.more == 15 - MAX_NAMED_TIES


SEEDS = "chosen and scored on the same seeds"

HOW = {
    "one is lowest": ([0.5, 0.4, 0.6], 4, SEEDS),
    "one seed": ([0.5, 0.4, 0.6], 1, "chosen and scored on the same seed"),
    "three are equal": (
        [1e-9, 1e-36, 1e-12],
        4,
        f"of 3 settings whose losses are equal within 1e-07, farthest from worse ones and the range's ends; {SEEDS}",
    ),
    "two are equal": (
        [1e-9, 1e-36],
        4,
        f"of 2 settings whose losses are equal within 1e-07; {SEEDS}",
    ),
}


@pytest.mark.parametrize(("losses", "seeds", "how"), HOW.values(), ids=HOW)
def test_how_it_was_chosen_is_said(losses, seeds, how):
    points = [("adam", float(place), seeds, loss) for place, loss in enumerate(losses)]
    assert rank_settings(sweep(*points, seeds=seeds, resolution=1e-7)).choice == how


def test_json_says_how_it_was_chosen():
    found = sweep(*[("adam", float(lr), 4, 0.0) for lr in range(3)], resolution=1e-7)
    (written,) = json.loads(batch_document(Batch((), sweeps=(found,))))["sweeps"]
    assert written["best"] == [1]
    assert written["choice"] == {"equal": 3, "resolution": 1e-7, "criterion": "margin", "same_seeds": True}


def test_nothing_is_chosen_where_no_run_passed():
    assert rank_settings(sweep(("adam", 0.1, 0, 0.5), ("adam", 0.2, 0, 0.4))).choice == ""


def test_one_setting_is_not_compared():
    assert rank_settings(sweep(("adam", 0.1, 4, 0.5))) is None


def test_axes_that_end_alike_have_their_whole_names():
    values = {"optimizer.lr": 0.1, "schedule.lr": 0.2, "optimizer.beta1": None}
    assert describe_setting(values) == "optimizer.lr = 0.1, schedule.lr = 0.2"
