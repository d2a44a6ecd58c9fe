"""Charts of many runs that a page makes itself: the last loss by learning rate, and where each start ends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from playground.live import Dial, Live
from playground.report.html.chart_spec import Chart, Move, PlotlyTrace, axis, line
from playground.result import Run
from playground.views import SurfaceView

RATE = "lr"
"""The hyperparameter that is swept: the learning rate."""

RATE_DECADES = 1.5
"""How far rates reach on both sides of the scenario's, in powers of ten, if nothing says which to offer."""


def live_charts(live: Live, run: Run) -> Iterator[Chart]:
    """Yield the charts that a page can make of many runs of its own."""
    own = next(iter(live.programs.values()))
    rate = next((dial for dial in own.varying if dial.name == RATE), None)
    if rate is not None and rate.value > 0:
        yield _rates(rate)
    surface = next((view for view in run.views if isinstance(view, SurfaceView) and view.minima), None)
    if surface is not None:
        yield _basins(surface)


def _rates(rate: Dial) -> Chart:
    low, high = rate_range(rate)
    traces = [
        _points("last loss", "@green", 3.5, showlegend=False),
        _points("not finite or diverged", "@red", 5, meta="guide"),
        _points("exactly 0", "@blue", 5, meta="guide"),
        line([], [], "the rate above", 6, meta="guide"),
    ]
    names = ({"x": "rates", "y": "ends"}, {"x": "rates", "y": "lost"}, {"x": "rates", "y": "zero"})
    moves = [Move((index,), live=each) for index, each in enumerate((*names, {"x": "rate", "y": "height"}))]
    layout = {
        "xaxis": axis("learning rate", type="log", range=_exponents(low, high)),
        "yaxis": axis("last loss", type="log"),
    }
    text = (
        "The last loss of a run at each learning rate, with all other settings as they are. Marks at the top are runs "
        "that diverged or were not finite, marks at the bottom reached 0. The line is the rate that the controls have."
    )
    live = {"map": {"kind": "rates", "range": [low, high]}}
    return Chart("rates", "Last loss by learning rate", text, traces, layout, moves, live=live)


def _points(name: str, colour: str, size: float, **more: Any) -> PlotlyTrace:
    return line([], [], name, mode="markers", marker={"color": colour, "size": size}, **more)


def rate_range(rate: Dial) -> tuple[float, float]:
    """Return the rates to sweep: those to offer, if their ratio means something, else some around the scenario's."""
    if rate.range is not None and rate.range.is_logarithmic and rate.range.low > 0:
        return rate.range.low, rate.range.high
    return rate.value / 10**RATE_DECADES, rate.value * 10**RATE_DECADES


def _basins(view: SurfaceView) -> Chart:
    x, y = ((side.values[0], side.values[-1]) for side in (view.x, view.y))
    traces = [_minima(view.minima)]
    layout = {
        "xaxis": axis(view.x.name, range=list(x), showgrid=False, zeroline=False),
        "yaxis": axis(view.y.name, range=list(y), showgrid=False, zeroline=False),
    }
    text = (
        "Where the run from each start ends, with all other settings as they are: each known minimum has a colour. "
        "Starts whose run diverges are red; grey ones end elsewhere."
    )
    live = {"start": [0, 1], "map": {"kind": "basins", "x": x, "y": y, "minima": view.minima}}
    return Chart("basins", "Where each start ends", text, traces, layout, (), height=520, square=True, live=live)


def _minima(places: Sequence[tuple[float, float]]) -> PlotlyTrace:
    marker = {"symbol": "star", "size": 13, "color": "@gold", "line": {"color": "@ink", "width": 1}}
    columns = {"x": [at[0] for at in places], "y": [at[1] for at in places]}
    return {"type": "scatter", "mode": "markers", **columns, "name": "known minimum", "marker": marker}


def _exponents(low: float, high: float) -> list[float]:
    return [math.log10(low), math.log10(high)]
