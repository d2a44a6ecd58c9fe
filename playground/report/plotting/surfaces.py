"""Draws figures over two parameters, or over the plane in which a run with more parameters moved most."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.ticker import FuncFormatter

from playground.figures.numbers import format_short
from playground.report.captions import run_caption
from playground.report.plotting.figure import SERIES_COLOURS, Drawing, Picture, add_step_label, legend_above, plain_axes
from playground.result import Run
from playground.views import NumberGrid, PathView, SurfaceView

BAND_COUNT = 14
"""Number of bands of a surface."""

MIN_LEVEL_SHARE = 1e-4
"""Height of the lowest level above the lowest value, as a share of the whole height."""

MIN_LEVEL_RATIO = 0.05
"""Minimum height of the lowest level above the lowest value, as a share of that value, so that labels differ."""

MAX_DARKNESS = 0.75
"""Opacity of the bands, so that a path stands out."""

ASPECT = 0.82


def surface(run: Run, view: SurfaceView, width: float) -> Drawing:
    """Draw the loss over two parameters as bands, with its known minima."""
    figure, axes = _landscape(run, view, width, view.x.name, view.y.name)
    if view.minima:
        legend_above(figure, axes)
    return Drawing(figure)


def path(run: Run, view: SurfaceView, width: float) -> Drawing:
    """Draw the same with the run's path."""
    figure, axes = _landscape(run, view, width, view.x.name, view.y.name)
    return _draw_with_path(figure, axes, view)


def plane(run: Run, view: PathView, width: float) -> Drawing:
    """Draw a path in its two principal directions, with the loss in their plane."""
    names = (
        f"{which} principal direction ({_percent(share)} of the variance)"
        for which, share in zip(("first", "second"), view.explained, strict=True)
    )
    figure, axes = _landscape(run, view, width, *names)
    return _draw_with_path(figure, axes, view)


def _percent(share: float) -> str:
    return "less than 1%" if 0 < share < 0.005 else f"{share:.0%}"


def levels(values: np.ndarray) -> np.ndarray:
    """Return heights above the lowest value, evenly spaced by ratio, from the lowest to the highest value."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if not high > low:
        return np.array([low - 0.5, low + 0.5])
    lowest = min(max(MIN_LEVEL_SHARE, MIN_LEVEL_RATIO * abs(low) / (high - low)), 0.1)
    above = np.geomspace(lowest, 1, BAND_COUNT) * (high - low)
    return np.array([low, *(low + above)])


def _landscape(run: Run, view: SurfaceView | PathView, width: float, x: str, y: str) -> tuple[Picture, Axes]:
    figure, axes = plain_axes(width, run_caption(run), x, y, ASPECT)
    if view.values is not None:
        _bands(figure, axes, view, view.values)
    for number, (a, b) in enumerate(getattr(view, "minima", ())):
        label = "minimum" if number == 0 else None
        axes.plot(a, b, "*", color="black", markersize=9, markeredgecolor="white", label=label, zorder=5)
    axes.set_xlim(view.x.values[0], view.x.values[-1])
    axes.set_ylim(view.y.values[0], view.y.values[-1])
    return figure, axes


def _bands(figure: Picture, axes: Axes, view: SurfaceView | PathView, grid: NumberGrid) -> None:
    values = np.array(grid)
    values = np.where(np.isfinite(values), values, np.nan)
    if np.isnan(values).all():
        return
    heights = levels(values)
    norm = BoundaryNorm(heights, BAND_COUNT)
    colours = ListedColormap(matplotlib.colormaps["Blues"](np.linspace(0, MAX_DARKNESS, BAND_COUNT)))
    bands = axes.contourf(view.x.values, view.y.values, values, heights, norm=norm, cmap=colours)
    bands.set_edgecolor("face")  # otherwise PDF viewers show hairlines between bands
    bands.set_linewidth(0.2)
    axes.contour(view.x.values, view.y.values, values, heights[1:-1], colors="white", linewidths=0.3)
    bar = figure.colorbar(bands, ax=axes, label="loss", ticks=heights[1::3], fraction=0.05, pad=0.02, spacing="uniform")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_short(value, 2)))
    bar.outline.set_linewidth(0.4)


def _draw_with_path(figure: Picture, axes: Axes, view: SurfaceView | PathView) -> Drawing:
    x, y = np.array(view.path).T
    (line,) = axes.plot(x, y, "o-", color=SERIES_COLOURS[1], markersize=2.5, linewidth=1, label="the run")
    axes.plot(x[:1], y[:1], "o", color="white", markeredgecolor=SERIES_COLOURS[1], markersize=6, label="start")
    (here,) = axes.plot(
        x[-1:], y[-1:], "o", color=SERIES_COLOURS[1], markersize=7, markeredgecolor="white", label="end"
    )
    legend_above(figure, axes)
    label = add_step_label(axes)

    def show(frame: int) -> None:
        line.set_data(x[: frame + 1], y[: frame + 1])
        here.set_data(x[frame : frame + 1], y[frame : frame + 1])
        label(view.steps[frame])

    return Drawing(figure, show, len(view.steps))
