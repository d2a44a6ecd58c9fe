"""Draws the classes that a model with two inputs predicts."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, to_rgb

from playground.report.captions import run_caption
from playground.report.plotting.figure import MARKERS, SERIES_COLOURS, Drawing, add_step_label, legend_above, plain_axes
from playground.result import Run
from playground.views import BoundaryView

ASPECT = 0.82

REGION_WHITENESS = 0.55
"""Share of white in the colour of a region."""


def boundary(run: Run, view: BoundaryView, width: float) -> Drawing:
    """Draw the regions of the classes, the line between them, and the samples."""
    figure, axes = plain_axes(width, run_caption(run), view.x.name, view.y.name, ASPECT)
    grids = np.array(view.values)
    extent = (view.x.values[0], view.x.values[-1], view.y.values[0], view.y.values[-1])
    regions = scale_scores(grids, view.level)
    look: dict[str, Any] = _scores() if view.level is not None else _classes(view.classes)
    image = axes.imshow(regions[-1], extent=extent, origin="lower", aspect="auto", **look)
    _samples(axes, view)
    legend_above(figure, axes)
    axes.set_xlim(*extent[:2])
    axes.set_ylim(*extent[2:])
    lines: list[Any] = []
    label = add_step_label(axes)

    def divide(frame: int) -> None:
        while lines:
            lines.pop().remove()
        for level in [view.level] if view.level is not None else np.arange(view.classes - 1) + 0.5:
            if grids[frame].min() < level < grids[frame].max():
                drawn = axes.contour(view.x.values, view.y.values, grids[frame], [level], colors="black", linewidths=1)
                lines.append(drawn)

    def show(frame: int) -> None:
        image.set_data(regions[frame])
        divide(frame)
        label(view.steps[frame])

    divide(-1)
    return Drawing(figure, show, len(view.steps))


def scale_scores(grids: np.ndarray, level: float | None) -> np.ndarray:
    """Return scores scaled to -1 (certainly class 0), 0 (the boundary) and 1 (certainly class 1); classes unchanged.

    Probabilities are scaled linearly; other scores saturate at about the median of their final size.
    """
    if level is None:
        return grids
    above = np.nan_to_num(grids - level)
    if level == 0.5 and grids.min() >= 0 and grids.max() <= 1:
        return 2 * above
    return np.tanh(above / max(float(np.median(np.abs(above[-1]))), 1e-12))


def _samples(axes: Axes, view: BoundaryView) -> None:
    inputs, targets = np.array(view.inputs), np.array(view.targets)
    size = 42 if len(inputs) <= 20 else 14
    for number, (colour, marker) in zip(
        range(view.classes), cycle(zip(SERIES_COLOURS, MARKERS, strict=True)), strict=False
    ):
        chosen = inputs[targets == number]
        axes.scatter(
            *(chosen[:, 0], chosen[:, 1]),
            s=size,
            c=colour,
            marker=marker,
            edgecolors="white",
            linewidths=0.5,
            label=f"class {number}",
            zorder=3,
        )


def _scores() -> dict[str, Any]:
    ends = [_fade_colours(SERIES_COLOURS[0]), (0.97, 0.97, 0.97), _fade_colours(SERIES_COLOURS[1])]
    cmap = LinearSegmentedColormap.from_list("classes", ends)
    return {"cmap": cmap, "vmin": -1, "vmax": 1, "interpolation": "bilinear"}


def _classes(count: int) -> dict[str, Any]:
    colours = [_fade_colours(SERIES_COLOURS[number % len(SERIES_COLOURS)]) for number in range(count)]
    return {"cmap": ListedColormap(colours), "vmin": -0.5, "vmax": count - 0.5, "interpolation": "nearest"}


def _fade_colours(colour: str) -> tuple[float, float, float]:
    red, green, blue = (part + (1 - part) * REGION_WHITENESS for part in to_rgb(colour))
    return red, green, blue
