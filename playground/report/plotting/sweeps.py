"""Draws figures of many runs: quartiles, and every run that ended badly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from playground.errors import PlaygroundError
from playground.figures.numbers import format_short
from playground.report.captions import sweep_caption
from playground.report.plotting.figure import (
    FIGURE_ASPECT,
    LINE_STYLES,
    MARKERS,
    SERIES_COLOURS,
    Drawing,
    legend_above,
    literal,
    page,
    plain_axes,
)
from playground.report.plotting.losses import fit_axis
from playground.views import Bands, Ensemble

MAX_SERIES = len(SERIES_COLOURS)
"""Maximum number of series in one figure; more cannot be distinguished."""

MAX_LOSS_RATIO = 1e3
"""A run that diverges beyond this multiple of the first loss leaves the figure at the top."""

MAX_DRAWN_RUNS = 3000
"""Maximum number of runs that are drawn one by one, in addition to those that ended badly."""


def lr(sweep: Ensemble, width: float) -> Drawing:
    """Draw the last loss over the learning rate: median and quartiles, and every run.

    A run that ended badly is a cross in the strip on top; its loss counts as infinite in the quartiles.
    """
    axis = rate_axis(sweep)
    if axis is None:
        raise PlaygroundError(f"{sweep.scenario}: no learning rate varies in this sweep")
    series = _series(sweep, axis)
    some = _thin_evenly(list(series))
    caption = sweep_caption(
        sweep, "line and band: median and quartiles", _describe_left_out(len(some), len(series), "settings")
    )
    bad = [[rate for rate, losses in series[name].items() for loss in losses if math.isinf(loss)] for name in some]
    rows = sum(map(bool, bad))
    figure = page(width, caption, FIGURE_ASPECT + 0.03 * rows)
    if rows:
        strip, axes = figure.subplots(2, 1, sharex=True, height_ratios=[0.05 * rows, 1])
        _draw_crosses(strip, [(SERIES_COLOURS[index], rates) for index, rates in enumerate(bad) if rates])
    else:
        axes = figure.subplots()
    fit_axis(axes, [loss for name in some for losses in series[name].values() for loss in losses])
    for index, name in enumerate(some):
        _quartiles(axes, series[name], index, name, dots=len(sweep.runs) <= MAX_DRAWN_RUNS)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss at the end")
    if len(some) > 1:
        legend_above(figure, axes)
    return Drawing(figure)


def loss(sweep: Ensemble, width: float) -> Drawing:
    """Draw the loss over the steps: median and quartiles of the runs of each setting."""
    some = _thin_evenly(sweep.bands)
    left_out = _describe_left_out(len(some), len(sweep.bands), "settings")
    caption = sweep_caption(
        sweep, "line and band: median and quartiles; a run that ended stays at its last loss", left_out
    )
    figure, axes = plain_axes(width, caption, "step", "loss")
    first = max((value for band in some for value in band.quartiles[0] if math.isfinite(value)), default=math.inf)
    values = (value for band in some for row in band.quartiles for value in row)
    fit_axis(axes, [value for value in values if value <= MAX_LOSS_RATIO * abs(first)])
    for index, band in enumerate(some):
        label = _setting_label(sweep.points[band.point]) or sweep.scenario
        _band(axes, band.steps, np.array(band.quartiles).T, index, "", label)
    axes.margins(x=0.01)
    legend_above(figure, axes)
    return Drawing(figure)


def rate_axis(sweep: Ensemble) -> str | None:
    """Return the axis that varies the learning rate; None if there is none."""
    return next((axis for axis in sweep.axes if axis.rpartition(".")[2] == "lr"), None)


def _series(sweep: Ensemble, axis: str) -> dict[str, dict[float, list[float]]]:
    """Return the last losses by learning rate, for each setting of the other axes."""
    found: dict[str, dict[float, list[float]]] = {}
    for index, positions in sweep.runs.positions_by_point().items():
        point = sweep.points[index]
        if isinstance(point.get(axis), int | float):
            name = _setting_label({key: value for key, value in point.items() if key != axis})
            found.setdefault(name, {}).setdefault(point[axis], []).extend(sweep.runs.loss[positions].tolist())
    return {name: dict(sorted(rates.items())) for name, rates in found.items()}


def _setting_label(values: Mapping[str, Any]) -> str:
    """Return a setting as text: `adam`, `sgd, model.hidden 8`."""
    return ", ".join(_value(value) if key == "optimizer" else f"{key} {_value(value)}" for key, value in values.items())


def _value(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else format_short(value)
        if not isinstance(value, Mapping)
        else str(value["name"])
    )


def _quartiles(axes: Axes, rates: Mapping[float, Sequence[float]], index: int, name: str, dots: bool) -> None:
    """Draw one series and its runs."""
    quartiles = [np.quantile(losses, (0.25, 0.5, 0.75), method="inverted_cdf") for losses in rates.values()]
    colour = SERIES_COLOURS[index]
    _band(axes, list(rates), np.array(quartiles).T, index, MARKERS[index], name)
    if dots:
        places = [(rate, loss) for rate, losses in rates.items() for loss in losses if math.isfinite(loss)]
        axes.plot(*np.array(places).reshape(-1, 2).T, ".", color=colour, markersize=2.5, alpha=0.35, markeredgewidth=0)


def _band(axes: Axes, x: Sequence[float], quartiles: np.ndarray, index: int, marker: str, label: str) -> None:
    """Draw median and quartiles; an infinite quartile leaves the figure at the top."""
    bottom, top = axes.get_ylim()
    beyond = top + 9 * (top - bottom)
    low, median, high = (np.where(np.isfinite(each), each, beyond) for each in quartiles)
    look: dict[str, Any] = {"color": SERIES_COLOURS[index]}
    axes.fill_between(x, low, high, alpha=0.18, linewidth=0, **look)
    line = np.where(np.isfinite(quartiles[1]), median, np.nan)
    style = LINE_STYLES[index % len(LINE_STYLES)]
    axes.plot(x, line, linestyle=style, marker=marker, markersize=4, label=literal(label) or None, **look)


def _draw_crosses(strip: Axes, rows: Sequence[tuple[str, Sequence[float]]]) -> None:
    """Draw a cross for every run that ended badly: a row for each series, runs of one rate side by side."""
    known = sorted({rate for _, rates in rows for rate in rates})
    spread = 0.6 * min((math.log10(b / a) for a, b in pairwise(known)), default=0.2)
    for row, (colour, rates) in enumerate(rows):
        x: list[float] = []
        for rate in dict.fromkeys(rates):
            count = rates.count(rate)
            x += [rate * 10 ** (spread * ((place + 0.5) / count - 0.5)) for place in range(count)]
        strip.plot(x, [row] * len(x), "x", color=colour, markersize=4, markeredgewidth=0.8)
    strip.set_ylim(len(rows) - 0.4, -0.6)
    strip.set_yticks([])
    strip.set_ylabel("diverged", rotation=0, ha="right", va="center")
    strip.tick_params(axis="x", which="both", bottom=False, labelbottom=False)
    strip.xaxis.set_minor_formatter(NullFormatter())
    strip.spines["bottom"].set_visible(False)


def _thin_evenly(items: Sequence[Any] | tuple[Bands, ...]) -> list[Any]:
    """Return all items, or evenly spaced ones if there are too many to distinguish."""
    if len(items) <= MAX_SERIES:
        return list(items)
    return [items[round(place)] for place in np.linspace(0, len(items) - 1, MAX_SERIES)]


def _describe_left_out(shown: int, all_of_them: int, what: str) -> str:
    return "" if shown == all_of_them else f"{shown} of {all_of_them} {what} are shown"
