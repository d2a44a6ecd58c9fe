"""Draws the loss of a run over its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from playground.report.captions import run_caption
from playground.report.plotting.figure import SERIES_COLOURS, Drawing, plain_axes
from playground.result import Run, Status

MAX_LINE_POINTS = 4000
"""Maximum number of points of a line; a longer run is thinned evenly."""

MIN_LOG_RATIO = 20
"""Ratio of the largest to the smallest loss from which the axis is logarithmic."""


MAX_DRAWN_LOSS = 1e150
"""A loss larger than this is not drawn, and one smaller than its reciprocal is drawn as zero, because matplotlib
squares what it draws."""

FLAT_HEIGHT_SHARE = 0.005
"""Share of a picture's height within which a line counts as flat."""

FLAT_LINE_FACTOR = 1.25
"""Drawn length of a descent with its flat rest, as a multiple of the steps of the descent."""


def loss(run: Run, width: float) -> Drawing:
    """Draw the loss before each update and after the last one, without a long flat rest."""
    name = "loss of the step's batch" if "batch_size" in run.conditions else "loss"
    held_out = run.trace.validation
    end = len(run.losses) - 1 if held_out else find_last_step(run.losses)  # overfitting appears late
    left_out = f"the loss stays flat up to step {len(run.losses) - 1:,}, which is not drawn"
    caption = run_caption(run) if end == len(run.losses) - 1 else f"{run_caption(run)} · {left_out}"
    figure, axes = plain_axes(width, caption, "step", name)
    stride = max(1, math.ceil((end + 1) / MAX_LINE_POINTS))
    steps = list(range(0, end + 1, stride))
    values = clip_losses([run.losses[step] for step in steps])
    fit_axis(axes, [*values, *(held_out.values["validation_loss"] if held_out else ()), *run.trace.full.values()])
    axes.plot(steps, values, color=SERIES_COLOURS[0])
    full = {step: loss for step, loss in run.trace.full.items() if step <= end}
    if full:
        line = clip_losses(list(full.values()))
        axes.plot(list(full), line, "-.", color=SERIES_COLOURS[2], label="all data")
        axes.legend(loc="best")
    if held_out:
        line = clip_losses(held_out.values["validation_loss"])
        axes.plot(held_out.steps, line, "--", color=SERIES_COLOURS[1], label="held-out data")
        axes.legend(loc="best")
    if run.status in (Status.DIVERGED, Status.NONFINITE):
        finite = [index for index, value in enumerate(values) if math.isfinite(value)]
        if finite:
            axes.plot(
                steps[finite[-1]],
                values[finite[-1]],
                "X",
                color=SERIES_COLOURS[1],
                clip_on=False,
                label=str(run.status),
            )
            axes.legend(loc="upper left")
    axes.margins(x=0.01)
    return Drawing(figure)


def find_last_step(losses: Sequence[float]) -> int:
    """Return the last step to draw: the last one of the run, or one soon after the line becomes flat.

    Cuts the rest if it is at least half of the line and the loss at every step in it differs from the last loss by at
    most `FLAT_HEIGHT_SHARE` of the height. Heights are logarithms if the axis would be logarithmic.
    """
    last = len(losses) - 1
    heights = clip_losses(losses)
    if np.isnan(heights).any():
        return last
    if is_logarithmic(heights):
        heights = np.log10(np.maximum(heights, heights[heights > 0].min() / 10))  # draw a zero below all others
    away = np.flatnonzero(np.abs(heights - heights[-1]) > FLAT_HEIGHT_SHARE * (heights.max() - heights.min()))
    end = math.ceil(FLAT_LINE_FACTOR * (away[-1] + 1)) if len(away) else last
    return end if 2 * end <= last else last


def clip_losses(losses: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return losses that can be drawn: nan for those that are not finite or too large, zero for too small ones."""
    values = np.asarray(losses, dtype=float)
    values = np.where(np.abs(values) <= MAX_DRAWN_LOSS, values, np.nan)
    return np.where(np.abs(values) < 1 / MAX_DRAWN_LOSS, 0.0, values)


def is_logarithmic(finite: np.ndarray) -> bool:
    """Return whether no loss is negative, and the positive ones differ by a large ratio."""
    positive = finite[finite > 0]
    return bool(finite.min() >= 0 and len(positive) and finite.max() >= MIN_LOG_RATIO * positive.min())


def fit_axis(axes: Axes, values: Sequence[float] | np.ndarray) -> None:
    """Set the limits of the y axis to the finite losses; logarithmic if they differ by large ratios.

    If some of them are zero, the axis is linear near zero.
    """
    finite = clip_losses(values)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return
    low, high, positive = float(finite.min()), float(finite.max()), finite[finite > 0]
    if not is_logarithmic(finite):
        room = 0.05 * (high - low) if high > low else 0.05 * abs(high) or 0.5
        axes.set_ylim(0 if 0 <= low <= room else low - room, high + room)
        return
    ratio = (high / positive.min()) ** 0.05
    if low > 0:
        axes.set_yscale("log")
        axes.set_ylim(low / ratio, high * ratio)
    else:
        lowest = math.floor(math.log10(positive.min()))
        decades = math.log10(high) - lowest
        axes.set_yscale("symlog", linthresh=10.0**lowest, linscale=max(1.0, 0.08 * decades))
        powers = np.arange(lowest, math.floor(math.log10(high)) + 1, max(1, math.ceil(decades / 7)))
        axes.set_yticks([0, *(10.0**powers)])
        axes.set_ylim(0, high * ratio)
