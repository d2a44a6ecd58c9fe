"""One chart: a figure in plotly's own terms, what of it moves with the step, and what is said beside it.

A colour in a figure may be written as a name of the page's palette, `@blue`, so that a light and a dark page each have
their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from playground.report.html.encoding import round_data

PALETTE = ("@blue", "@orange", "@green", "@purple", "@brown", "@sky", "@red", "@grey")
"""For series, in this order; after Okabe and Ito, whom colour-blind readers can tell apart."""

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "hexagon", "x")
"""For series of points, so that no colour has to be told apart."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""For lines, likewise."""

VALUE_SWITCH = "log scale"
"""The switch of the axes that values are on."""

STEP_SWITCH = "log steps"
"""The switch of an axis that steps are on; the page draws step 0 at the left of step 1."""

PlotlyTrace = dict[str, Any]


@dataclass(frozen=True)
class Move:
    """How a trace follows the step that is shown; one of three ways.

    :param traces: indices of the traces that follow in this way.
    :param at: rows of which the trace has the one value at the position: a point that moves.
    :param upto: rows of which it has all values up to the position: a path so far.
    :param frames: for each position the whole of an attribute; a list, or what `packed` returned.
    """

    traces: tuple[int, ...]
    at: Mapping[str, Sequence[float]] = field(default_factory=dict)
    upto: Mapping[str, Sequence[float]] = field(default_factory=dict)
    frames: Mapping[str, Any] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """Return it as the page's script reads it."""
        ways = {"at": self.at, "upto": self.upto, "frames": self.frames}
        return {"traces": list(self.traces), **{name: round_data(way) for name, way in ways.items() if way}}


@dataclass(frozen=True)
class Chart:
    """One chart of a page.

    :param name: unique within its part of the page.
    :param text: what is to be seen, in a sentence or two: the text alternative, and what stands below the chart.
    :param traces: plotly's traces. One with `"meta": "aside"` is no part of the numbers shown as a table.
    :param layout: plotly's layout; the page adds fonts and colours.
    :param moves: what follows the step.
    :param scales: axes that a switch turns between linear and logarithmic, such as `yaxis`, by what the switch says.
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

    @property
    def switches(self) -> dict[str, bool]:
        """Whether the axes of each switch begin logarithmic."""
        return {name: self.layout[axes[0]].get("type") == "log" for name, axes in self.scales.items()}

    def data(self) -> dict[str, Any]:
        """Return it as the page's script reads it: plain data, every number finite."""
        return {
            "data": round_data(self.traces),
            "layout": round_data(self.layout),
            "moves": [move.data() for move in self.moves],
            "scales": {name: list(axes) for name, axes in self.scales.items()},
        }


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis, which always has a name."""
    return {"title": {"text": title}, **more}


def line(x: Sequence[Any], y: Sequence[Any], name: str, index: int = 0, **more: Any) -> PlotlyTrace:
    """Return a line, by colour and dashes told from those with another index."""
    style = {"color": PALETTE[index % len(PALETTE)], "dash": DASHES[index % len(DASHES)], "width": 2}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": style, **more}


def point(name: str, colour: str = "@ink", symbol: str = "circle", size: int = 11, **more: Any) -> PlotlyTrace:
    """Return a trace for one point that moves."""
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
