from __future__ import annotations

import math
from dataclasses import replace

import pytest

from playground.report.layout import UNLIMITED_WIDTH
from playground.report.one_run import ending, run_blocks
from playground.result import Expectation, Loss, ResultTable, RunTrace, Status, Verdict


def shown(run, width=78):
    """Return the lines of each block."""
    return [[line.plain for line in block] for block in run_blocks(run, width)]


def test_a_run_shows_everything(make_run):
    setup, loss, parameters, table, metrics, expectations = shown(make_run())
    assert setup == [
        "task       classification",
        "model      perceptron",
        "optimizer  adam(lr=0.01)",
        "seed       0",
    ]
    assert loss[0] == "loss  0.2 → 0.0125"
    assert parameters == ["weight  [[3.766, 3.829]]", "bias    [-5.725]"]
    assert table == [
        "a  b  target  prediction",
        "────────────────────────",
        "1  1       1      0.8664",
        "1  0       0      0.1236",
    ]
    assert metrics == ["accuracy  1"]
    assert expectations == ["✔  loss below 0.05  0.0125"]


def test_a_task_without_descent_shows_neither_seed_nor_loss(make_run):
    points = ResultTable(("x", "by", "autograd", "central"), ((4, "x", 13.0, 13.00000001), (0.5, "x", -2.0, -2.0)))
    setup, table, *_ = shown(make_run(loss=None, parameters={}, table=points, setup={"function": "x**2"}))
    assert setup == ["task      classification", "function  x**2"]
    assert table == [
        "     x  by  autograd  central",
        "─────────────────────────────",
        "4.0000  x         13  13.0000",
        "0.5000  x         -2  -2.0000",
    ]


def test_the_chart_tells_its_edges_and_steps(make_run):
    _, loss, *_ = shown(make_run())
    assert loss[1].startswith("   0.2 ┤")
    assert loss[6].startswith("0.0125 ┤")
    assert loss[7].split() == ["step", "0", "300"]
    assert (
        len({line.index("┤") for line in loss if "┤" in line} | {line.index("│") for line in loss if "│" in line}) == 1
    )


def test_the_chart_says_when_its_scale_is_logarithmic_and_where_nothing_changed_any_more(make_run):
    losses = (1.0, 0.1, 0.01, 0.001, *[0.001] * 96)
    _, loss, *_ = shown(make_run(steps=100, loss=Loss(1.0, 0.001, 0.001), trace=RunTrace(losses)))
    assert loss[-1].split("  ")[-1].strip() == "3"
    assert "log scale, unchanged after step 3" in loss[-1]


def test_a_run_that_was_stopped_ends_the_chart_at_its_last_step(make_run):
    run = make_run(steps=3, loss=Loss(1.0, 4.0, 1.0), trace=RunTrace((1.0, 2.0, 3.0, 4.0)))
    _, loss, *_ = shown(run)
    assert loss[-1].endswith(" 3")


@pytest.mark.parametrize("last", [2.0, math.nan])
def test_a_better_loss_on_the_way_is_told(make_run, last):
    _, loss, *_ = shown(make_run(steps=0, loss=Loss(1.0, last, 0.5), trace=RunTrace()))
    assert loss == [f"loss  1 → {'nan' if math.isnan(last) else '2'}  best 0.5"]


def test_small_matrices_take_several_lines_and_large_ones_are_told_by_shape(make_run):
    weights = {"small": [[1.0, 2.5], [-3.0, 4.0]], "large": [[0.5] * 40] * 40, "empty": [[], []]}
    _, _, parameters, *_ = shown(make_run(parameters=weights))
    assert parameters == [
        "small  [[ 1.0000,  2.5000],",
        "        [-3.0000,  4.0000]]",
        "large  40 × 40 numbers, 0.5 to 0.5",
        "empty  [[], []]",
    ]


def test_a_long_table_is_cut_and_says_so(make_run):
    table = ResultTable(("x",), tuple((float(index),) for index in range(20)))
    _, _, _, rows, *_ = shown(make_run(table=table, predictions=[[0.0]] * 200))
    assert len(rows) == 13
    assert rows[-1] == "the first 10 of 200"


def test_a_wide_table_keeps_both_ends(make_run):
    columns = (*(f"feature_{index}" for index in range(20)), "target", "prediction")
    table = ResultTable(columns, (tuple(range(22)), tuple(range(22))))
    _, _, _, (head, rule, first, second, *notes), *_ = shown(make_run(table=table), width=60)
    assert head.startswith("feature_0  feature_1")
    assert head.endswith("target  prediction")
    assert "…" in head
    assert len(head) <= len(rule) <= 60
    assert all(row.endswith("21") for row in (first, second))
    gone = " ".join(notes).removeprefix("not enough width for: ").split(", ")
    assert sorted([*head.replace("…", " ").split(), *gone]) == sorted(columns)


def test_without_a_terminal_no_column_is_left_out(make_run):
    columns = ("a name of more than twenty-four characters", *(f"feature_{index}" for index in range(200)))
    table = ResultTable(columns, (tuple(range(201)),))
    _, _, _, (head, _, row, *_), *_ = shown(make_run(table=table), width=UNLIMITED_WIDTH - 2)
    assert all(name in head for name in columns)
    assert row.split() == [str(index) for index in range(201)]


@pytest.mark.parametrize("width", [30, 60, 78, 118])
def test_lines_fit(make_run, hostile, width):
    run = make_run(
        hostile,
        setup={hostile: hostile * 9, "function": "x + " * 300},
        metrics={"note": "words " * 50, "text": hostile},
        expectations=(Expectation(hostile * 5, [[0.5]] * 50, passed=False, note="because " * 40),),
        table=ResultTable((hostile, *"abcdefghij"), ((hostile, *[0.123] * 10),)),
    )
    for block in run_blocks(run, width):
        for line in block:
            assert line.cell_len <= width + 12, line.plain  # double width; `put` cuts what is left over
            assert line.plain == line.plain.rstrip()
            assert line.plain.isprintable()


def test_expectations_are_marked_measured_and_annotated(make_run):
    expectations = (
        Expectation("loss below 1", 2.0, passed=False, note="too high"),
        Expectation("predictions rounded [[1], [0]]", [[0.25]] * 30, passed=True),
        Expectation("x near 5", None, passed=False),
    )
    *_, lines = shown(make_run(expectations=expectations), width=50)
    assert lines == [
        "✘  loss below 1          2",
        "   too high",
        "✔  predictions rounded…  [[0.25], [0.25], [0.25],…",
        "✘  x near 5              –",
    ]


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({}, "passed  all 300 steps used  200 ms"),
        ({"steps": 1}, "passed  1 step used  200 ms"),
        ({"steps": 0}, "passed  no steps requested  200 ms"),
        ({"status": Status.CONVERGED}, "passed  converged after 300 steps  200 ms"),
        ({"verdict": Verdict.NONE}, "nothing expected  all 300 steps used  200 ms"),
        ({"verdict": Verdict.NONE, "status": Status.INTERRUPTED}, "not judged  interrupted after 300 steps  200 ms"),
        ({"verdict": Verdict.FAILED, "status": Status.ERROR, "loss": None}, "failed  error  200 ms"),
        ({"status": Status.CONVERGED, "loss": None, "reason": "computed"}, "passed  computed  200 ms"),
    ],
)
def test_ending(make_run, changes, first):
    assert [line.plain for line in ending(make_run(**changes))] == [first]


def test_each_reason_has_its_line(make_run):
    run = replace(make_run(), status=Status.DIVERGED, reason="the loss grew; lr 0.3 > 2/8 = 0.25")
    assert [line.plain for line in ending(run)][1:] == ["the loss grew", "lr 0.3 > 2/8 = 0.25"]


def test_verdicts_have_their_colours(make_run, make_failed):
    passed, failed = next(ending(make_run())), next(ending(make_failed()))
    assert str(passed.spans[0].style) == "bold green"
    assert str(failed.spans[0].style) == "bold red"
