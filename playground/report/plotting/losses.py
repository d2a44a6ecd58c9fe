"""The loss of a run against its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from playground.report.captions import of_run
from playground.report.plotting.figure import COLOURS, Drawing, plain_axes
from playground.result import Run, Status

POINTS = 4000
"""Of a line; of a longer run every so-manieth step is drawn."""

RATIO = 20
"""Of the largest to the smallest loss, from which on the axis is logarithmic."""


def loss(run: Run, width: float) -> Drawing:
    """Draw the loss before each update and after the last."""
    name = "loss of the step's batch" if "batch_size" in run.conditions else "loss"
    figure, axes = plain_axes(width, of_run(run), "step", name)
    stride = max(1, math.ceil(len(run.losses) / POINTS))
    steps = list(range(0, len(run.losses), stride))
    values = np.array([run.losses[step] for step in steps])
    held_out = run.trace.validation
    fit_axis(axes, [*values, *(held_out.values["validation_loss"] if held_out else ())])
    axes.plot(steps, np.where(np.isfinite(values), values, np.nan), color=COLOURS[0])
    if held_out:
        axes.plot(held_out.steps, held_out.values["validation_loss"], "--", color=COLOURS[1], label="held-out data")
        axes.legend(loc="best")
    if run.status in (Status.DIVERGED, Status.NONFINITE):
        finite = [index for index, value in enumerate(values) if math.isfinite(value)]
        if finite:
            axes.plot(
                steps[finite[-1]], values[finite[-1]], "X", color=COLOURS[1], clip_on=False, label=str(run.status)
            )
            axes.legend(loc="upper left")
    axes.margins(x=0.01)
    return Drawing(figure)


def fit_axis(axes: Axes, values: Sequence[float] | np.ndarray) -> None:
    """Give the y axis room for what is finite of these losses; logarithmic where they differ by ratios.

    Zeros among them get a linear end.
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return
    low, high, positive = float(finite.min()), float(finite.max()), finite[finite > 0]
    if low < 0 or not len(positive) or high < RATIO * positive.min():
        room = 0.05 * (high - low) or 0.5
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
