"""Every chart is a figure that plotly accepts, names its axes, tells itself in words, and follows the step."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from playground.report.html import sweep_charts as module
from playground.report.html import view_charts
from playground.report.html.run_charts import run_charts
from playground.report.html.sweep_charts import group_points, horizontal, label, sweep_charts
from playground.result import Loss, Quartiles, Recording, RunTrace, Status, Summary, Sweep, Verdict
from playground.views import (
    Bands,
    BoundaryView,
    CurveView,
    EndView,
    Ensemble,
    FitView,
    PathView,
    PredictionsView,
    RunEnds,
    SurfaceView,
    TangentPoint,
    ViewAxis,
)

STEPS = (0, 1, 5)
X, Y = ViewAxis("x", (-1.0, 0.0, 1.0)), ViewAxis("y", (0.0, 2.0))
GRID = ((1.0, 0.5, 1.0), (math.inf, 0.0, math.nan))
NOWHERE = ((math.inf,) * 3, (math.nan,) * 3)
WALK = ((-1.0, 2.0), (0.0, 1.0), (0.5, 0.0))
CONTACTS = tuple(TangentPoint(x, x * x, 2 * x) for x, _ in WALK)

VIEWS = {
    "curve": CurveView(X, (1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), STEPS, CONTACTS, ((0.0, 0.0),)),
    "surface": SurfaceView(X, Y, GRID, STEPS, WALK, ((0.0, 2.0),)),
    "path": PathView(X, Y, STEPS, WALK, (0.8, 0.2), GRID),
    "path without a loss": PathView(X, Y, STEPS, WALK, (0.8, 0.2)),
    "surface without a finite loss": SurfaceView(X, Y, ((math.inf,) * 3, (math.nan,) * 3), STEPS, WALK),
    "path without a finite loss": PathView(
        X, Y, STEPS, (*WALK[:2], (math.inf, math.nan)), (1.0, 0.0), ((math.inf,) * 3,) * 2
    ),
    "boundary": BoundaryView(X, Y, STEPS, (GRID,) * 3, 0.5, ((0.0, 1.0), (1.0, 1.0)), (0, 1), 2),
    "three classes": BoundaryView(X, Y, STEPS, (GRID,) * 3, None, ((0.0, 1.0), (1.0, 1.0)), (0, 2), 3),
    "fit": FitView(X, STEPS, ((1.0, 2.0, 3.0),) * 3, (0.0,), (1.0,)),
}


def held(chart):
    """Hold a chart against plotly's own validation and against what every chart must have."""
    figure = chart.data()
    text = json.dumps(figure, allow_nan=False).replace('"@diverging"', '"RdBu"')
    figure = json.loads(re.sub(r'"@[a-z]+(/[0-9a-f]{2})?"', '"red"', text))
    for trace in figure["data"]:
        trace.pop("meta", None)
    go.Figure(figure["data"], figure["layout"])
    axes = [axis for name, axis in figure["layout"].items() if name[1:5] == "axis"]
    assert len(axes) >= 2
    assert all(axis["title"]["text"] for axis in axes)
    assert chart.title
    assert chart.text.endswith(".")
    for move in figure["moves"]:
        assert all(index < len(figure["data"]) for index in move["traces"])
        for way in ("at", "upto", "frames"):
            for rows in move.get(way, {}).values():
                assert (rows["shape"][0] if isinstance(rows, dict) else len(rows)) == len(STEPS)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_views(view):
    (chart,) = view_charts.view_charts(view)
    held(chart)


def test_predictions_are_a_table():
    told = PredictionsView(("a", "prediction"), STEPS, (((1.0, 0.5),),) * 3)
    assert list(view_charts.view_charts(told)) == []
    assert view_charts.find_prediction_table((VIEWS["fit"], told)) is told


def test_the_next_step_is_drawn_only_where_it_was_recorded():
    (chart,) = view_charts.view_charts(VIEWS["curve"])
    hops = next(move for move in chart.moves if move.traces == (4,)).frames["x"]
    assert [len(hop) for hop in hops] == [2, 0, 0]


def test_a_run(make_run):
    recording = Recording(STEPS, {"weight": ([[1.0, 2.0]], [[math.nan, 3.0]], [[2.0, 3.0]])}, (1.0, 0.5, None))
    run = make_run(steps=5, trace=RunTrace((1.0, 0.5, math.inf, 0.1, 0.01), recording), loss=Loss(1.0, 0.001, 0.001))
    drawn = list(run_charts(run))
    assert [chart.name for chart in drawn] == ["loss", "parameters"]
    for chart in drawn:
        held(chart)


def test_the_loss_of_all_data_is_drawn_beside_that_of_the_batches(make_run):
    trace = RunTrace((1.0, 0.5, 0.7, 0.1, 0.2), full={0: 0.9, 1: 0.8, 4: 0.3})
    (chart,) = run_charts(make_run(steps=5, trace=trace, loss=Loss(1.0, 0.25, 0.1)))
    held(chart)
    assert [each["name"] for each in chart.traces] == ["loss", "loss of all data"]
    assert (chart.traces[1]["x"], chart.traces[1]["y"]) == ([0, 1, 4], [0.9, 0.8, 0.3])
    assert "The loss of all data goes from 0.9 to 0.3." in chart.text


def test_the_numbers_that_moved_most_are_drawn(make_run):
    still, moves = [[[0.5] * 7] * 2] * 3, ([[0.0, 1.0]], [[0.0, math.nan]], [[3.0, 2.0]])
    recording = Recording(STEPS, {"a": tuple(still), "b": moves, "c": (0.0, math.inf, -9.0)}, (1.0, 0.5, None))
    run = make_run(steps=5, trace=RunTrace((1.0,) * 5, recording), loss=Loss(1.0, 1.0, 1.0))
    chart = list(run_charts(run))[1]
    names = [trace["name"] for trace in chart.traces[: len(chart.traces) // 2]]
    assert names == ["a[0, 0]", "a[0, 1]", "a[0, 2]", "a[0, 3]", "a[0, 4]", "b[0, 0]", "b[0, 1]", "c"]
    assert chart.traces[6]["y"][::2] == [1.0, 2.0]
    assert (
        chart.text
        == "The 8 of 17 numbers that moved most. a[0, 0] ends at 0.5, a[0, 1] ends at 0.5, a[0, 2] ends at 0.5."
    )


def test_a_run_without_a_recording(make_run):
    (chart,) = run_charts(make_run())
    held(chart)


def test_a_loss_that_is_the_only_finite_one_has_room_around_it(make_run):
    chart, *_ = run_charts(make_run(steps=1, trace=RunTrace((4e7,)), loss=Loss(4e7, math.inf, 4e7)))
    low, high = chart.layout["yaxis"]["range"]
    assert high - low > 1e7
    held(chart)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e12, 1e32, 1e300])
def test_a_bar_of_colours_has_no_more_labels_than_a_phone_has_room_for(size):
    (chart,) = view_charts.view_charts(SurfaceView(X, Y, ((size, 0.0, size), (size,) * 3), STEPS, WALK))
    bar = chart.traces[0]["colorbar"]
    assert 2 <= len(bar["tickvals"]) == len(bar["ticktext"]) <= view_charts.COLOUR_BAR_TICKS + 2


def a_sweep(points, judged=True):
    count = len(points)
    passed, interval = (5, (0.2, 0.8)) if judged else (None, None)
    ends = {Status.BUDGET: 9, Status.DIVERGED: 1}
    summaries = tuple(
        Summary(
            index=i,
            values=values,
            runs=10,
            passed=passed,
            interval=interval,
            loss=Quartiles(0.1, 0.2 * (i + 1), math.inf),
            statuses=ends,
            steps={},
        )
        for i, values in enumerate(points)
    )
    axes = tuple(dict.fromkeys(name for values in points for name in values))
    numbers = {"seeds": 10, "size": 10 * count, "runs": 10 * count, "computed": 0, "seconds": 0.1}
    nothing = {"engines": {}, "notes": (), "expectations": (), "interrupted": False}
    known = {"axes": axes, "summaries": summaries, "best": summaries[:1], "verdict": Verdict.NONE}
    sweep = Sweep(scenario="s", file="s.yaml", id="id", store="store", **numbers, **nothing, **known)
    bad = [EndView(i, math.inf, 0, "diverged", "failed", 7, (math.nan, 3.0)) for i in range(count)]
    good = [EndView(i, 0.1, 1 + seed, "budget", "passed", 9, (i % 2, 3.0)) for i in range(count) for seed in range(9)]
    ended = RunEnds.of(bad + good)
    bands = tuple(Bands(i, (0, 1), ((0.1, 0.2, math.inf), (0.1, 0.2, 0.3))) for i in range(len(points)))
    return sweep, Ensemble("s", axes, tuple(points), 10, ended, bands, {"optimizer": "sgd"})


RATES = [{"optimizer": name, "optimizer.lr": rate} for name in ("sgd", "adam") for rate in (0.01, 0.1, 1.0)]
SWEEPS = {
    "rates": (RATES, ["passed", "loss", "bands", "heat"]),
    "seeds": ([{}], ["passed", "loss", "bands"]),
    "words": ([{"loss": "mse"}, {"loss": "mae"}], ["passed", "loss", "bands"]),
    "starts": ([{"start.x": x, "start.y": 1.0} for x in (1.0, 2.0)], ["passed", "loss", "bands", "basins"]),
    "a start as a list": ([{"start.x": [x, 1.0]} for x in (1.0, 2.0)], ["passed", "loss", "bands", "basins"]),
}


@pytest.mark.parametrize(("points", "names"), SWEEPS.values(), ids=SWEEPS)
def test_sweeps(points, names):
    drawn = list(sweep_charts(*a_sweep(points)))
    assert [chart.name for chart in drawn] == names
    for chart in drawn:
        held(chart)


def test_every_run_that_ended_badly_is_at_the_top():
    chart = next(each for each in sweep_charts(*a_sweep(RATES)) if each.name == "loss")
    crosses = chart.traces[-1]
    assert len(crosses["x"]) == len(RATES)
    assert min(crosses["y"]) > max(value for trace in chart.traces[:-1] for value in trace["y"])


def test_of_very_many_runs_every_setting_keeps_its_marks(monkeypatch):
    monkeypatch.setattr(module, "MAX_DRAWN_RUNS", 8)
    sweep, runs = a_sweep(RATES)
    bad = RunEnds.of(run._replace(loss=math.inf) for run in runs.runs)
    (chart,) = (each for each in sweep_charts(sweep, replace(runs, runs=bad)) if each.name == "loss")
    assert len(chart.traces[-1]["x"]) == len(set(chart.traces[-1]["customdata"])) == len(RATES)
    assert "some are drawn" in chart.text
    points = [{"start.x": float(x)} for x in range(9)]
    (basins,) = (each for each in sweep_charts(*a_sweep(points)) if each.name == "basins")
    assert {x for trace in basins.traces for x in trace["x"]} >= {0.0, 8.0}
    assert "One in 12 runs is drawn." in basins.text


def test_every_mark_knows_its_setting():
    sweep, runs = a_sweep(RATES)
    for chart in sweep_charts(sweep, runs):
        for trace in chart.traces:
            marks = trace.get("customdata", [])
            assert len(marks) == len(trace["y"]) or trace.get("hoverinfo") == "skip"
            for place, index in zip(trace["x"], marks, strict=False):
                assert chart.name != "passed" or RATES[index]["optimizer.lr"] == place


def test_a_sweep_that_expects_nothing_and_has_no_runs():
    sweep, _ = a_sweep(RATES, judged=False)
    assert [chart.name for chart in sweep_charts(sweep, None)] == ["loss", "heat"]


def test_lines_are_grouped_by_all_axes_but_one():
    sweep, _ = a_sweep(RATES)
    assert horizontal(sweep) == "optimizer.lr"
    assert {name: len(group) for name, group in group_points(sweep, "optimizer.lr").items()} == {"sgd": 3, "adam": 3}
    assert label({"optimizer": "adam", "optimizer.beta1": 0.9}) == "adam, beta1 0.9"
