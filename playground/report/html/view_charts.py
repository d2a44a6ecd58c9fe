"""One chart for each kind of view: the path of the run in its plane or on its line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any

from playground.figures.numbers import format_short
from playground.report.html.chart_spec import PALETTE, SYMBOLS, Chart, Move, axis, line, point
from playground.report.html.encoding import pack_grids, padded_range
from playground.views import BoundaryView, CurveView, FitView, PathView, PredictionsView, SurfaceView, View

COLOUR_BAR_TICKS = 5
"""Approximate number of labels of a colour bar; a phone has no room for more."""

SAMPLES = {"meta": "samples"}
"""Marks the traces of data points."""

PATH_COLOUR = "@red"
"""The style of the path, visible on any background."""


@singledispatch
def view_charts(view: View) -> Iterator[Chart]:
    """Yield the charts of a view; none for an unknown kind of view."""
    yield from ()


@view_charts.register
def _curve(view: CurveView) -> Iterator[Chart]:
    """Draw f, the point of the run, its tangent, and the next step if it was recorded."""
    x, y = [place.x for place in view.path], [place.y for place in view.path]
    tangents = [_tangent(view, index) for index in range(len(view.path))]
    hops = [_next(view, index) for index in range(len(view.path))]
    at = {"x": "entry:0", "y": "losses"}
    traces = [
        line(view.x.values, view.y, "loss"),
        _marks(view.minima, "minimum"),
        line(x[-1:], y[-1:], "path so far", 1, mode="lines+markers", marker={"size": 5}, meta="aside"),
        line([], [], "tangent", 2, meta="aside"),
        line([], [], "next step", 3, mode="lines+markers", marker={"size": 8, "symbol": "diamond-open"}, meta="aside"),
        point("the run", PATH_COLOUR),
    ]
    moves = [
        Move((2,), upto={"x": x, "y": y}, live=at, beside=True),
        Move((3,), frames=_columns(tangents), live={"x": "tangent:x", "y": "tangent:y"}),
        Move((4,), frames=_columns(hops), live={"x": "next:x", "y": "next:y"}),
        Move((5,), at={"x": x, "y": y}, live=at),
    ]
    layout = {
        "xaxis": axis(view.x.name, range=[view.x.values[0], view.x.values[-1]]),
        "yaxis": axis("loss", range=padded_range(view.y)),
    }
    text = (
        f"The loss over {view.x.name}, with the point, its tangent and the next step. {_describe_minima(view.minima)}"
    )
    yield Chart("curve", f"The loss over {view.x.name}", text, traces, layout, moves, height=400, live={"start": [0]})


def _columns(frames: Sequence[tuple[list[float], list[float]]]) -> dict[str, list[list[float]]]:
    return {"x": [frame[0] for frame in frames], "y": [frame[1] for frame in frames]}


def _tangent(view: CurveView, index: int) -> tuple[list[float], list[float]]:
    """Return a tangent's ends, a sixth of the axis to each side."""
    at, half = view.path[index], (view.x.values[-1] - view.x.values[0]) / 6
    return [at.x - half, at.x + half], [at.y - half * at.slope, at.y + half * at.slope]


def _next(view: CurveView, index: int) -> tuple[list[float], list[float]]:
    """Return the segment from one point to the next; empty if steps between them were not recorded."""
    after = index + 1
    if after == len(view.path) or view.steps[after] != view.steps[index] + 1:
        return [], []
    both = view.path[index], view.path[after]
    return [at.x for at in both], [at.y for at in both]


@view_charts.register
def _surface(view: SurfaceView) -> Iterator[Chart]:
    x, y = [at[0] for at in view.path], [at[1] for at in view.path]
    ground, note = _ground(view.x.values, view.y.values, view.values)
    traces = [*ground, _marks(view.minima, "known minimum"), *_path_traces(x, y)]
    moves = _path_moves(len(traces) - 2, x, y, {"x": "entry:0", "y": "entry:1"})
    layout = {
        "xaxis": axis(view.x.name, range=[view.x.values[0], view.x.values[-1]]),
        "yaxis": axis(view.y.name, range=[view.y.values[0], view.y.values[-1]]),
    }
    text = (
        f"The path from ({format_short(x[0])}, {format_short(y[0])}) to ({format_short(x[-1])}, {format_short(y[-1])}) "
        f"over {view.x.name} and {view.y.name}. {note} {_describe_minima(view.minima)}"
    ).rstrip()
    live = {"start": [0, 1]}
    yield Chart("surface", "The path over the loss", text, traces, layout, moves, height=520, square=True, live=live)


@view_charts.register
def _path(view: PathView) -> Iterator[Chart]:
    x, y = [at[0] for at in view.path], [at[1] for at in view.path]
    first, second = (f"{share:.0%}" for share in view.explained)
    ground, note = _ground(view.x.values, view.y.values, view.values or ())
    traces = [*ground, *_path_traces(x, y)]
    names = {"x": "direction:0", "y": "direction:1"} if view.directions else {}
    moves = _path_moves(len(traces) - 2, x, y, names)
    layout = {
        "xaxis": axis(f"first principal direction ({first} of variance)", range=padded_range(view.x.values, 0)),
        "yaxis": axis(f"second principal direction ({second})", range=padded_range(view.y.values, 0)),
    }
    text = (
        "The parameters in the two directions in which they moved most, relative to the end of the run; "
        f"these explain {first} and {second} of the variance. {note}"
    ).rstrip()
    live = {"plane": {"origin": view.end, "directions": view.directions}} if view.directions else {}
    yield Chart(
        "directions", "The path in its principal directions", text, traces, layout, moves, height=480, live=live
    )


@view_charts.register
def _boundary(view: BoundaryView) -> Iterator[Chart]:
    """Draw the score as the background, its level as a line, and each class with its own symbol.

    The page's script paints the grid of each step, 60 times a second; plotly draws the colour bar and the axes.
    """
    frames = pack_grids(view.values)
    x, y = ([side.values[0], side.values[-1]] for side in (view.x, view.y))
    area = {"x": x, "y": y, "z": [[0, 0]] * 2, "opacity": 0, "hoverinfo": "skip", "meta": "aside"}
    ground = {**area, "type": "heatmap", "zsmooth": "fast", "colorscale": "@diverging", **_levels(view, frames)}
    ground["colorbar"] = {"title": {"text": "class" if view.level is None else "score of class 1"}, "thickness": 12}
    traces: list[dict[str, Any]] = [ground]
    if view.level is not None:
        edge = {"start": view.level, "end": view.level, "size": 1, "coloring": "none"}
        style = {"color": "@ink", "width": 2}
        traces.append(
            {**area, "type": "contour", "contours": edge, "line": style, "showscale": False, "showlegend": False}
        )
    moves = [Move(tuple(range(len(traces))), frames={"z": frames})]
    traces += _classes(view)
    layout = {
        "xaxis": axis(view.x.name, range=padded_range(view.x.values, 0), showgrid=False, zeroline=False),
        "yaxis": axis(view.y.name, range=padded_range(view.y.values, 0), showgrid=False, zeroline=False),
    }
    text = f"The model's prediction at each point, with {len(view.inputs)} samples of {view.classes} classes."
    text += "" if view.level is None else f" The line is where the score is {format_short(view.level)}."
    live = {
        "grid": {"x": view.x.values, "y": view.y.values, "classes": view.classes},
        "samples": {
            "count": len(view.inputs),
            "classes": view.classes,
            "targets": view.targets,
            "level": view.level,
        },
    }
    yield Chart("boundary", "The decision surface", text, traces, layout, moves, height=520, square=True, live=live)


def _levels(view: BoundaryView, frames: dict[str, Any]) -> dict[str, float]:
    """Return the range of colours, the same at each step; centred on the level if there is one."""
    if view.level is None:
        return {"zmin": 0, "zmax": max(view.classes - 1, 1)}
    last = [value for row in view.values[-1] for value in row if math.isfinite(value)] or [view.level]
    away = max(max(last) - view.level, view.level - min(last), 1e-9)
    return {"zmin": view.level - away, "zmax": view.level + away}


def _classes(view: BoundaryView) -> Iterator[dict[str, Any]]:
    for number in range(view.classes):
        chosen = [at for at, target in zip(view.inputs, view.targets, strict=True) if target == number]
        colour = ("@blue", "@red")[number] if view.classes == 2 else PALETTE[number % len(PALETTE)]
        edge = {"color": "@paper", "width": 1.2}
        marker = {"color": colour, "symbol": SYMBOLS[number % len(SYMBOLS)], "size": 10, "line": edge}
        columns = {"x": [at[0] for at in chosen], "y": [at[1] for at in chosen]}
        yield {"type": "scatter", "mode": "markers", **columns, "name": f"class {number}", "marker": marker, **SAMPLES}


@view_charts.register
def _fit(view: FitView) -> Iterator[Chart]:
    traces = [
        line(view.x.values, view.values[-1], "prediction", 1),
        {
            "type": "scatter",
            "mode": "markers",
            "x": view.inputs,
            "y": view.targets,
            "name": "data",
            "marker": {"color": "@blue", "size": 7},
            **SAMPLES,
        },
    ]
    moves = [Move((0,), frames={"y": view.values}, live={"y": "fit"})]
    layout = {
        "xaxis": axis(view.x.name, range=padded_range(view.x.values, 0)),
        "yaxis": axis("target", range=padded_range([*view.targets, *view.values[-1]])),
    }
    text = f"The model's predictions over {view.x.name}, with {len(view.inputs)} samples."
    live = {"samples": {"count": len(view.inputs)}}
    yield Chart("fit", "The fit", text, traces, layout, moves, height=400, live=live)


def _path_traces(x: Sequence[float], y: Sequence[float]) -> list[dict[str, Any]]:
    """Return traces of the path and of the current point."""
    style = {"color": PATH_COLOUR, "width": 2}
    path = {"type": "scatter", "mode": "lines+markers", "x": x, "y": y, "name": "path so far", "line": style}
    return [{**path, "marker": {"size": 4, "color": PATH_COLOUR}}, point("the run", PATH_COLOUR)]


def _path_moves(first: int, x: Sequence[float], y: Sequence[float], live: Mapping[str, str]) -> list[Move]:
    rows = {"x": x, "y": y}
    return [Move((first,), upto=rows, live=live, beside=bool(live)), Move((first + 1,), at=rows, live=live)]


def _marks(places: Sequence[tuple[float, float]], name: str) -> dict[str, Any]:
    marker = {"symbol": "star", "size": 13, "color": "@gold", "line": {"color": "@ink", "width": 1}}
    columns = {"x": [at[0] for at in places], "y": [at[1] for at in places]}
    return {"type": "scatter", "mode": "markers", **columns, "name": name, "marker": marker}


def _describe_minima(minima: Sequence[tuple[float, float]]) -> str:
    places = ", ".join(f"({format_short(x)}, {format_short(y)})" for x, y in minima)
    return f"Stars mark minima: {places}." if minima else ""


def _ground(x: Sequence[float], y: Sequence[float], z: Sequence[Sequence[float]]) -> tuple[list[dict[str, Any]], str]:
    """Return contours at levels evenly spaced by ratio above the lowest value, and a sentence about them.

    :returns: no trace without values; the sentence says if no value is finite.
    """
    finite = [value for row in z for value in row if math.isfinite(value)]
    if not finite:
        return [], "The loss is not finite anywhere in the picture." if z else ""
    low, high = min(finite), max(finite)
    floor = (high - low or 1.0) * 1e-6
    logs = [[math.log10(max(value - low, floor)) if math.isfinite(value) else None for value in row] for row in z]
    ends = sorted(value for row in logs for value in row if value is not None)
    bottom, top = ends[len(ends) // 1000], ends[-1]
    ticks = range(math.floor(bottom), math.ceil(top) + 1, math.ceil((top - bottom) / COLOUR_BAR_TICKS) or 1)
    contours = {"start": bottom, "end": top, "size": (top - bottom) / 18 or 1.0, "coloring": "fill"}
    bar = {"title": {"text": "loss − lowest"}, "tickvals": list(ticks), "thickness": 12}
    bar["ticktext"] = [f"{10.0**tick:g}" if abs(tick) < 5 else f"10<sup>{tick}</sup>" for tick in ticks]
    trace = {"type": "contour", "x": x, "y": y, "z": logs, "contours": contours, "colorscale": "Viridis"}
    more = {"reversescale": True, "line": {"width": 0.5}, "hoverinfo": "skip", "meta": "aside"}
    note = "Contours of the loss, at levels evenly spaced by ratio above the lowest value in the picture."
    return [{**trace, "colorbar": bar, **more}], note


def find_prediction_table(views: Sequence[View]) -> PredictionsView | None:
    """Return the model's predictions for its data, step by step; None if the views have none."""
    return next((view for view in views if isinstance(view, PredictionsView)), None)
