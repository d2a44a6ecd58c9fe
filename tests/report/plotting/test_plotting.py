import math

import numpy as np
import pytest

from playground.report.captions import run_caption, sweep_caption
from playground.report.plotting.boundaries import scale_scores
from playground.report.plotting.figure import missing_letters
from playground.report.plotting.formats import choose_format, write
from playground.report.plotting.kinds import drawing
from playground.report.plotting.losses import find_last_step
from playground.report.plotting.surfaces import levels, plane
from playground.result import Loss, Recording, Run, RunTrace, Status, Verdict
from playground.views import (
    Bands,
    BoundaryView,
    CurveView,
    EndView,
    Ensemble,
    PathView,
    RunEnds,
    TangentPoint,
    ViewAxis,
)

CONDITIONS = {"optimizer": "sgd(lr=0.1)", "steps": "1000", "version": "1.2"}

AXIS = ViewAxis("x", (0.0, 1.0, 2.0))
CURVE = CurveView(
    AXIS,
    (1.0, 0.0, 1.0),
    (-2.0, 0.0, 2.0),
    (0, 1),
    (TangentPoint(0.0, 1.0, -2.0), TangentPoint(1.0, 0.0, 0.0)),
    ((1.0, 0.0),),
)


def a_run(**changes):
    loss = changes.pop("losses", (1.0, 0.5, 0.1))
    given = {
        "scenario": "a $cost$",
        "id": "0",
        "seed": 3,
        "status": Status.BUDGET,
        "verdict": Verdict.NONE,
        "steps": len(loss) - 1,
        "loss": Loss(loss[0], loss[-1], min(loss)),
        "trace": RunTrace(loss[:-1], Recording((0, 1), {"x": (0.0, 1.0)}, (1.0, None))),
        "conditions": CONDITIONS,
        **changes,
    }
    return Run(**given)


def a_sweep(losses):
    points = tuple({"optimizer": name, "optimizer.lr": rate} for name in ("sgd", "adam") for rate in (0.1, 1.0))
    runs = RunEnds.of(EndView(point, loss) for point, some in enumerate(losses) for loss in some)
    bands = tuple(Bands(point, (0, 9), ((1.0, 2.0, math.inf), (0.1, 0.2, math.inf))) for point in range(4))
    return Ensemble("s", ("optimizer", "optimizer.lr"), points, len(losses[0]), runs, bands, CONDITIONS)


def test_a_caption_says_how_a_run_was_made_and_what_was_not_done():
    assert run_caption(a_run()) == (
        "a $cost$ · sgd(lr=0.1) · 2 of 1,000 steps · start x 0 · seed 3 · no clipping · constant rate · playground 1.2"
    )
    told = run_caption(a_run(status=Status.DIVERGED, conditions={**CONDITIONS, "clip": "norm 1", "schedule": "cosine"}))
    assert "clipping at norm 1 · schedule cosine · ended diverged" in told


@pytest.mark.parametrize(
    ("changes", "caption"),
    [
        ({"setup": {"optimizer": "Adam (lr 0.1)"}}, "a $cost$ · Adam (lr 0.1) · all 2 steps used · playground 1.2"),
        ({"conditions": {}, "losses": (1.0, 0.5)}, "a $cost$ · 1 step used"),
        ({"conditions": {}, "status": Status.NONFINITE}, "a $cost$ · nonfinite after 2 steps"),
    ],
    ids=["an optimizer", "no conditions", "not finite"],
)
def test_a_caption_leaves_out_what_is_not_known_of_a_loop_that_was_watched(changes, caption):
    assert run_caption(a_run(seed=None, **changes)) == caption


def test_a_caption_of_a_sweep_says_what_varies():
    assert sweep_caption(a_sweep([[1.0]] * 4)) == (
        "s · 1,000 steps · start drawn by the seed · optimizer: sgd, adam · optimizer.lr: 0.1, 1.0 · 1 seed · "
        "no clipping · constant rate · playground 1.2"
    )


def test_every_run_that_ended_badly_is_a_cross_and_none_is_dropped():
    figure = drawing(a_sweep([[1.0, 0.5, math.inf], [math.inf] * 3, [1.0, 2.0, 3.0], [0.1, 0.2, 0.3]]), "lr").figure
    strip, axes = figure.axes
    assert sum(len(line.get_xdata()) for line in strip.lines) == 4
    dots = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert sum(len(line.get_xdata()) for line in dots) == 8
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sgd", "adam"]


def test_without_such_runs_there_is_no_strip():
    assert len(drawing(a_sweep([[1.0, 0.5]] * 4), "lr").figure.axes) == 1


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ((1.0, 0.5, 0.4), "linear"),
        ((1.0, 0.1, 0.001), "log"),
        ((1.0, 0.001, 0.0), "symlog"),
        ((1.0, -0.1, -5.0), "linear"),
        ((0.0, 0.0), "linear"),
        ((1.0, math.inf, math.nan), "linear"),
    ],
)
def test_the_axis_of_losses_is_logarithmic_where_ratios_matter(losses, scale):
    (axes,) = drawing(a_run(losses=losses), "loss").figure.axes
    assert axes.get_yscale() == scale


def test_dollar_signs_of_a_scenario_are_text():
    figure = drawing(a_run()).figure
    figure.canvas.draw()
    assert "$cost$" in figure._supxlabel.get_text().replace("\\$", "$")


def test_a_path_moves_from_its_start_to_its_end():
    drawn = drawing(a_run(views=(CURVE,)), "path")
    line = next(line for line in drawn.figure.axes[0].lines if line.get_label() == "the run")
    assert (drawn.frames, len(line.get_xdata())) == (2, 2)
    drawn.show(0)
    assert list(line.get_xdata()) == [0.0]


def test_a_picture_stands_where_everything_is_the_same():
    flat = BoundaryView(AXIS, AXIS, (0,), (((0.5,) * 3,) * 3,), 0.5, ((1.0, 1.0),), (0,), 2)
    drawing(a_run(views=(flat,)), "boundary").figure.canvas.draw()


def test_levels_go_from_the_lowest_to_the_highest_by_ratio():
    found = levels(np.array([[0.0, 1.0], [10.0, 100.0]]))
    assert (found[0], found[-1]) == (0, 100)
    np.testing.assert_allclose(found[2:] / found[1:-1], found[2] / found[1])
    assert len(levels(np.ones((2, 2)))) == 2


@pytest.mark.parametrize(
    ("grids", "level", "expected"),
    [
        ([[[0.0, 0.5, 1.0]]], 0.5, [[[-1, 0, 1]]]),
        ([[[-2.0, 0.0, 2.0]]], 0.0, [[[-math.tanh(1), 0, math.tanh(1)]]]),
        ([[[0.0, 1.0, 2.0]]], None, [[[0, 1, 2]]]),
    ],
)
def test_scores_are_shown_about_the_boundary(grids, level, expected):
    np.testing.assert_allclose(scale_scores(np.array(grids), level), expected)


DESCENT = [100 * 0.5**step for step in range(15)]


@pytest.mark.parametrize(
    ("losses", "end"),
    [
        ([*DESCENT, *[DESCENT[-1]] * 985], 18),  # flat to the last bit from step 14 on
        ([*DESCENT, *[0.0] * 985], 19),
        (DESCENT, 14),
        ([5.0] * 1000, 999),  # nothing ever happens: all of it is shown
        ([1.0] * 900 + [0.5] * 100, 999),  # it happens late
        ([*DESCENT, *[DESCENT[-1]] * 400, 1.0, *[DESCENT[-1]] * 700], 520),  # a spike is seen
        ([*DESCENT, *[math.inf] * 985], 999),
        ([0.0] * 1000, 999),
        ([1.0], 0),
    ],
)
def test_a_picture_of_losses_ends_where_there_is_nothing_more_to_see(losses, end):
    assert find_last_step(losses) == end


def test_a_picture_that_ends_early_says_so():
    figure = drawing(a_run(losses=(*DESCENT, *[DESCENT[-1]] * 985)), "loss").figure
    assert figure.axes[0].get_xlim()[1] < 20
    assert "the loss stays flat up to step 999, which is not drawn" in figure.texts[-1].get_text().replace("\n", " ")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("loss", [0.0, 1.0, -3.0, 1e30, 1e-30, -1e300, 5e-324])
@pytest.mark.parametrize("count", [1, 2, 50])
def test_a_constant_loss_is_drawn_without_a_warning(loss, count, tmp_path):
    drawn = drawing(a_run(losses=(loss,) * count), "loss")
    write(drawn, choose_format(tmp_path / "a.png"), "", tmp_path / "a.png")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("losses", [(1e308, 1e-308), (5e-324, 1e308), (0.0, 1e308, 5e-324), (-1e308, 1e308)])
def test_losses_at_the_ends_of_floats_are_drawn(losses, tmp_path):
    drawn = drawing(a_run(losses=losses), "loss")
    write(drawn, choose_format(tmp_path / "a.png"), "", tmp_path / "a.png")


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("name", "letters"), [("中文 é 中", "中文"), ("🎉 x", "🎉"), ("naïve Ω ∂", ""), ("हि", "हि")])
def test_letters_that_the_font_lacks_are_boxes_and_are_known(name, letters, tmp_path):
    drawn = drawing(a_run(scenario=name), "loss")
    for suffix in ("png", "svg", "pdf"):
        write(drawn, choose_format(tmp_path / f"a.{suffix}"), "", tmp_path / f"a.{suffix}")
    assert missing_letters(drawn.figure) == "".join(sorted(letters))


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0%"), (1e-9, "less than 1%"), (0.004, "less than 1%"), (0.3, "30%")]
)
def test_a_direction_says_how_much_of_the_variance_it_has(share, text):
    axis = ViewAxis("first", (-1.0, 0.0, 1.0))
    view = PathView(axis, axis, (0, 1), ((0.0, 0.0), (1.0, 0.0)), (1 - share, share), None)
    figure = plane(a_run(), view, 5.0).figure
    assert figure.axes[0].get_ylabel() == f"second principal direction ({text} of the variance)"
