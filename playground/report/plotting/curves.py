"""Draws figures over one axis: a function, the path on it, the fit of a model."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from playground.figures.numbers import format_short
from playground.report.captions import run_caption
from playground.report.plotting.figure import SERIES_COLOURS, Drawing, Picture, add_step_label, literal, plain_axes
from playground.result import Run
from playground.views import CurveView, FitView

TANGENT_SHARE = 0.12
"""Length of a tangent to each side, as a share of the axis."""


def function(run: Run, view: CurveView, width: float) -> Drawing:
    """Draw a function with its minimum."""
    figure, axes = _function(run, view, width)
    axes.legend(loc="best")
    return Drawing(figure)


def path(run: Run, view: CurveView, width: float) -> Drawing:
    """Draw a function with the points of the run; an animation also has the tangent."""
    figure, axes = _function(run, view, width)
    low, high = axes.get_ylim()
    x, y, slope = np.array(view.path).T
    (line,) = axes.plot(x, y, "o-", color=SERIES_COLOURS[1], markersize=3, linewidth=0.8, label="the run")
    (here,) = axes.plot(x[-1:], y[-1:], "o", color=SERIES_COLOURS[1], markersize=7, markeredgecolor="white")
    (tangent,) = axes.plot([], [], color=SERIES_COLOURS[2], linewidth=1.2)
    axes.plot(x[:1], y[:1], "o", color="white", markeredgecolor=SERIES_COLOURS[1], markersize=6, label="start")
    axes.set_xlim(view.x.values[0], view.x.values[-1])
    axes.set_ylim(low, high)
    axes.legend(loc="best")
    reach = TANGENT_SHARE * (view.x.values[-1] - view.x.values[0])
    label = add_step_label(axes)

    def show(frame: int) -> None:
        line.set_data(x[: frame + 1], y[: frame + 1])
        here.set_data(x[frame : frame + 1], y[frame : frame + 1])
        ends = np.array([-reach, reach])
        tangent.set_data(x[frame] + ends, y[frame] + slope[frame] * ends)
        label(view.steps[frame])

    return Drawing(figure, show, len(view.steps))


def fit(run: Run, view: FitView, width: float) -> Drawing:
    """Draw the data, and the model's curve at the start and at the end."""
    figure, axes = plain_axes(width, run_caption(run), view.x.name, "target and prediction")
    few = len(view.inputs) <= 200
    axes.plot(view.inputs, view.targets, "o" if few else ".", color="#555555", markersize=3, alpha=0.7, label="data")
    axes.plot(view.x.values, view.values[0], "--", color=SERIES_COLOURS[5], label=f"step {view.steps[0]}")
    axes.plot(view.x.values, view.values[-1], color="none")  # reserves room on the axis for the final curve
    (line,) = axes.plot(view.x.values, view.values[-1], color=SERIES_COLOURS[1], label=f"step {view.steps[-1]:,}")
    legend = axes.legend()
    axes.margins(x=0)

    def show(frame: int) -> None:
        line.set_ydata(view.values[frame])
        legend.get_texts()[-1].set_text(f"step {view.steps[frame]:,}")

    return Drawing(figure, show, len(view.steps))


def _function(run: Run, view: CurveView, width: float) -> tuple[Picture, Axes]:
    figure, axes = plain_axes(width, run_caption(run), view.x.name, run.setup.get("function", "loss"))
    values = np.where(np.isfinite(view.y), view.y, np.nan)
    axes.plot(view.x.values, values, color=SERIES_COLOURS[0])
    for number, (x, y) in enumerate(view.minima):
        label = literal(f"minimum {format_short(y)} at {view.x.name} = {format_short(x)}") if number == 0 else None
        axes.plot(x, y, "*", color="black", markersize=9, markeredgecolor="white", label=label, zorder=5)
    axes.margins(x=0)
    return figure, axes
