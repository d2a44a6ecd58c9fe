"""The specification of one chart: a plotly figure, the traces that follow the current step, and the caption.

A colour in a figure may be the name of a colour in the page's palette, `@blue`, so that light and dark pages have their
own colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from playground.report.html.encoding import round_data
from playground.result import json_value

PALETTE = ("@blue", "@orange", "@green", "@purple", "@brown", "@sky", "@red", "@grey")
"""Colours of series, in this order; after Okabe and Ito, whose palette colour-blind readers can distinguish."""

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "hexagon", "x")
"""Symbols of series, so that series of points differ by more than colour."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Dash styles of lines, for the same reason."""

VALUE_SWITCH = "log scale"
"""The label of the switch for axes of values."""

STEP_SWITCH = "log steps"
"""The label of the switch for axes of steps; the page draws step 0 at the left of step 1."""

PlotlyTrace = dict[str, Any]


@dataclass(frozen=True)
class Move:
    """How traces follow the current step; one of three ways.

    Where a page computes the run itself, the rows that `live` names take the place of these; a move that has names only
    shows all rows of such a run. The names are those of `QUANTITIES` in `templates/scripts/rows.js`.

    :param traces: indices of the traces that follow in this way.
    :param at: rows of values; the trace shows the value at the current position: a moving point.
    :param upto: rows of values; the trace shows all values up to the current position: a path so far.
    :param frames: a complete attribute for each position; a list, or the result of `pack_grids`.
    :param live: names of rows that a page computes, by attribute: `{"x": "steps", "y": "losses"}`.
    :param beside: whether a second run that a page computes is shown in the same way.
    """

    traces: tuple[int, ...]
    at: Mapping[str, Sequence[float]] = field(default_factory=dict)
    upto: Mapping[str, Sequence[float]] = field(default_factory=dict)
    frames: Mapping[str, Any] = field(default_factory=dict)
    live: Mapping[str, str] = field(default_factory=dict)
    beside: bool = False

    def data(self) -> dict[str, Any]:
        """Return plain data in the layout that the page's script reads."""
        ways = {"at": self.at, "upto": self.upto, "frames": self.frames, "live": self.live, "beside": self.beside}
        return {"traces": list(self.traces), **{name: round_data(way) for name, way in ways.items() if way}}


@dataclass(frozen=True)
class Chart:
    """One chart of a page.

    :param name: unique within its part of the page.
    :param text: a description in a sentence or two: the text alternative, and the caption below the chart.
    :param traces: plotly's traces. One with `"meta": "aside"` is not in the table of numbers, and the place of one with
        `"meta": "samples"` is taken by points that can be moved, where a page computes the run itself.
    :param live: what such a page needs besides: `start`, the parameter entries on the axes; `samples`, the classes of
        the data points; `grid`, where a model's scores are shown; `plane`, an origin and two directions; `map`, what
        many runs show.
    :param layout: plotly's layout; the page adds fonts and colours.
    :param moves: the traces that follow the current step.
    :param scales: by the label of a switch, the axes that it turns between linear and logarithmic, such as `yaxis`.
    :param height: in pixels.
    :param square: as high as wide, up to `height`: for planes.
    """

    name: str
    title: str
    text: str
    traces: Sequence[PlotlyTrace]
    layout: Mapping[str, Any]
    moves: Sequence[Move] = ()
    scales: Mapping[str, Sequence[str]] = field(default_factory=dict)
    height: int = 360
    square: bool = False
    live: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_map(self) -> bool:
        """Whether the chart shows only what a page computes itself."""
        return "map" in self.live

    @property
    def switches(self) -> dict[str, bool]:
        """Whether the axes of each switch are logarithmic at first."""
        return {name: self.layout[axes[0]].get("type") == "log" for name, axes in self.scales.items()}

    def data(self) -> dict[str, Any]:
        """Return plain data in the layout that the page's script reads; every number is finite."""
        return {
            "data": round_data(self.traces),
            "layout": round_data(self.layout),
            "moves": [move.data() for move in self.moves],
            "scales": {name: list(axes) for name, axes in self.scales.items()},
            **{name: json_value(value) for name, value in self.live.items()},
        }


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis; every axis has a title."""
    return {"title": {"text": title}, **more}


def line(x: Sequence[Any], y: Sequence[Any], name: str, index: int = 0, **more: Any) -> PlotlyTrace:
    """Return a line whose colour and dashes depend on the index."""
    style = {"color": PALETTE[index % len(PALETTE)], "dash": DASHES[index % len(DASHES)], "width": 2}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": style, **more}


def point(name: str, colour: str = "@ink", symbol: str = "circle", size: int = 11, **more: Any) -> PlotlyTrace:
    """Return a trace for one moving point."""
    marker = {"color": colour, "symbol": symbol, "size": size, "line": {"color": "@paper", "width": 1.5}}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [],
        "y": [],
        "name": name,
        "marker": marker,
        "meta": "aside",
        "showlegend": False,
        "hoverinfo": "skip",
        **more,
    }
