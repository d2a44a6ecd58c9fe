from __future__ import annotations

import io

import pytest
from rich.console import Console

from playground.report.console import show
from playground.report.github import commands
from playground.report.overview import overview_table
from playground.result import Batch, Expectation, Quartiles, Status, Summary, Sweep, Verdict

AXES = ("optimizer", "optimizer.lr")


def summary(index, lr, passed=2, loss=0.5, statuses=None, steps=None, runs=4):
    statuses = statuses or {Status.BUDGET: runs}
    interval = None if passed is None else (0.1, 0.9)
    values = {"optimizer": "adam", "optimizer.lr": lr}
    return Summary(
        index=index,
        values=values,
        runs=runs,
        passed=passed,
        interval=interval,
        loss=Quartiles(loss / 2, loss, loss * 2),
        statuses=statuses,
        steps=steps or {},
    )


def sweep(*summaries, seeds=4, **changes):
    runs = sum(each.runs for each in summaries)
    fields = {
        "scenario": "and_gate",
        "file": "and.yaml",
        "id": "0123456789abcdef",
        "axes": AXES,
        "size": runs,
        "runs": runs,
        "computed": runs,
        "engines": {"batched": runs},
        "notes": (),
        "best": summaries[:1],
        "expectations": (),
        "verdict": Verdict.NONE,
        "interrupted": False,
        "seconds": 1.0,
        "store": "/x/.playground/results.sqlite",
    }
    return Sweep(seeds=seeds, summaries=summaries, **{**fields, **changes})


def shown(found, width=80):
    stream = io.StringIO()
    show(Batch((), sweeps=(found,)), Console(file=stream, width=width))
    return stream.getvalue()


def test_everything_fits_a_terminal():
    bad = {Status.DIVERGED: 3, Status.NONFINITE: 1}
    found = sweep(
        summary(0, 0.1), summary(1, 100.0, 0, float("inf"), bad, {Status.DIVERGED: 12.5, Status.NONFINITE: 7})
    )
    assert shown(found) == (
        "and_gate  a sweep\n"
        "\n"
        "  runs    8 of 8: 2 points × 4 seeds\n"
        "  engine  batched 8\n"
        "\n"
        "  optimizer   lr  passed  Wilson 95 %  loss ¼  median    ¾  diverged  nonfinite\n"
        "  ─────────────────────────────────────────────────────────────────────────────\n"
        "       adam  0.1   50.0%      10–90 %    0.25     0.5    1\n"
        "       adam  100    0.0%      10–90 %     inf     inf  inf    3 @ 12      1 @ 7\n"
        "\n"
        "  best    optimizer = adam, lr = 0.1\n"
        "          50.0% passed, median loss 0.5\n"
        "          chosen and scored on the same seeds\n"
        "\n"
        "not judged  8 runs computed  1.0 s\n"
        "  sweep 0123456789ab in /x/.playground/results.sqlite\n"
    )


def test_of_one_run_a_point_shows_no_statistics():
    text = shown(sweep(summary(0, 0.1, runs=1, passed=1), summary(1, 0.2, runs=1, passed=0), seeds=1))
    assert "2 of 2: 2 points\n" in text
    assert "loss" in text
    assert "Wilson" not in text
    assert "median" not in text


def test_where_nothing_was_expected_nothing_passed():
    assert "passed" not in shown(sweep(summary(0, 0.1, passed=None), summary(1, 0.2, passed=None)))


def test_of_many_points_the_best_are_shown():
    text = shown(sweep(*(summary(i, float(i), passed=i % 5, loss=float(i)) for i in range(1000))))
    assert "… and 960 more points; `playground results show 0123456789ab` has their runs" in text
    assert len(text.splitlines()) < 60


@pytest.mark.parametrize(("count", "told"), [(0, "nothing had to be computed"), (3, "3 runs computed")])
def test_what_was_computed_and_what_was_there(count, told):
    text = shown(sweep(summary(0, 0.1), computed=count, engines={"plain": count} if count else {}))
    assert told in text
    assert f"{4 - count} were stored already" in text


def test_long_reasons_are_told_to_their_end():
    text = shown(sweep(summary(0, 0.1), notes=("vmap refuses " * 20 + "END",), stale=("changed " * 20 + "STALE",)))
    assert "END" in text
    assert "STALE" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_an_interrupted_one_says_how_to_go_on():
    text = shown(sweep(summary(0, 0.1), interrupted=True, size=100))
    assert "interrupted  4 of 100 runs are stored; run the same command to continue" in text
    again = shown(sweep(summary(0, 0.1), interrupted=True, size=100, fresh=True))
    assert "run the same command without --fresh to continue" in " ".join(again.split())


def test_without_a_run_there_is_no_table_and_no_number():
    empty = summary(0, 0.1, passed=None, loss=float("nan"), statuses={Status.BUDGET: 0}, runs=0)
    nothing = shown(sweep(empty, interrupted=True, size=100, best=()))
    assert "interrupted  0 of 100 runs are stored" in nothing
    assert "nan" not in nothing
    assert "lr" not in nothing
    some = shown(sweep(summary(0, 0.1), empty, interrupted=True, size=100))
    assert "nan" not in some


def test_among_runs_it_has_a_line_and_its_failure_a_remark(make_run):
    failed = Expectation("passed at least 0.9", 0.5, passed=False)
    found = sweep(summary(0, 0.1), verdict=Verdict.FAILED, expectations=(failed,))
    batch = Batch((make_run(),), sweeps=(found,))
    assert overview_table(batch, 80)[-1].plain.split() == ["and.yaml", "failed", "4", "runs", "1.0", "s"]
    assert list(commands(batch)) == ["::error file=and.yaml,line=1::and_gate: passed at least 0.9, measured 0.5"]
