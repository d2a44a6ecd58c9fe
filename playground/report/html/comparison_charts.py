"""The charts of a comparison: families, targets reached, sensitivity, the best of some trials, costs of properties."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from playground.comparison import Comparison, ContrastFinding, FamilyEffect, OptimizerCurves, PairFinding
from playground.figures.factors import count_things
from playground.figures.text import cut_text
from playground.report.html.chart_spec import PALETTE, SYMBOLS, Chart, PlotlyTrace, axis, line

ROW_HEIGHT = 22
"""Height of a row with a label, in pixels."""

MAX_LABEL_CHARACTERS = 26
"""Maximum number of characters of a label on a vertical axis; a phone has no room for more."""

MAX_ROOM = 2.0
"""An axis of factors ends at most this many doublings beyond the factors; longer intervals are cut."""

MAX_MARK_SIZE = 16
"""Diameter of the mark of the setting that was chosen most often, in pixels."""

BAND_OPACITY = "22"
"""Opacity of a band, in hexadecimal digits."""

FRACTIONS = {1 / 2: "½", 1 / 4: "¼", 1 / 8: "⅛"}
"""Short forms of ticks."""

LIKE_THESE, ON_SUITE, NEW_PROBLEM = "on problems like these", "on this suite", "a new problem"


def curve_charts(curves: Sequence[OptimizerCurves]) -> Iterator[Chart]:
    """Yield the charts of curves that there are, in the order of the page."""
    if any(each.evaluations for each in curves):
        yield reached_chart(curves)
    if any(each.rates for each in curves):
        yield sensitivity_chart(curves)
    if any(each.expected_best for each in curves):
        yield best_chart(curves)


# The families of a pair


def forest_chart(pair: PairFinding, name: str) -> Chart:
    """Return a row for each family with its interval, coloured by probe, below diamonds for the estimands."""
    probes = list(dict.fromkeys(each.probe for each in pair.families))
    labels = _label_families(pair)
    baseline = _cut(pair.baseline)
    ordered = sorted(pair.families, key=lambda each: (probes.index(each.probe), each.factor))
    traces = [
        _family_trace([each for each in ordered if each.probe == probe], labels, probe, index)
        for index, probe in enumerate(probes)
    ]
    diamonds = _diamonds(pair)
    traces.append(diamonds)
    rows = [*diamonds["y"], *([NEW_PROBLEM] if pair.new_problem else []), *(labels[each.family] for each in ordered)]
    if pair.new_problem:
        style = {"color": "@ink", "width": 2, "dash": "dot"}
        ends = {"x": list(pair.new_problem), "y": [NEW_PROBLEM] * 2, "line": style}
        traces.append({"type": "scatter", "mode": "lines", "name": NEW_PROBLEM, **ends})
    factors = [each.factor for each in pair.families] + list(diamonds["x"])
    layout = {
        "xaxis": _factor_axis(f"evaluations relative to {baseline}", factors),
        "yaxis": axis("family", **_category_order(rows), dtick=1),
        "shapes": [_line_at_one()],
    }
    text = (
        f"Left of 1, {pair.optimizer} needs fewer evaluations. Each family has an interval over studies; diamonds are "
        "what can be said on problems like these and on this suite, with the intervals that the verdicts rest on."
    )
    height = 120 + ROW_HEIGHT * len(rows) + 10 * len(probes)
    return Chart(
        name, f"{pair.optimizer} against {pair.baseline}, family by family", text, traces, layout, height=height
    )


def _label_families(pair: PairFinding) -> dict[str, str]:
    """Return a short label of each family, or its name if two would have the same label."""
    labels = {each.family: _cut(each.family) for each in pair.families}
    count = Counter(labels.values())
    return {family: label if count[label] == 1 else family for family, label in labels.items()}


def _family_trace(families: Sequence[FamilyEffect], labels: Mapping[str, str], probe: str, index: int) -> PlotlyTrace:
    effects = [(each.factor, each.low, each.high) for each in families]
    return _effect_trace(effects, [labels[each.family] for each in families], probe, index)


def _diamonds(pair: PairFinding) -> PlotlyTrace:
    found = {LIKE_THESE: pair.like_these, ON_SUITE: pair.suite}
    effects = {name: (each.factor, each.low, each.high) for name, each in found.items() if each is not None}
    trace = _effect_trace(list(effects.values()), list(effects), "estimates", 0)
    trace["marker"] = {"color": "@ink", "symbol": "diamond", "size": 13}
    trace["error_x"] |= {"color": "@ink", "thickness": 2.5}
    return trace


def _effect_trace(
    effects: Sequence[tuple[float, float | None, float | None]], rows: Sequence[str], name: str, index: int
) -> PlotlyTrace:
    """Return marks with horizontal intervals; one without an interval has none."""
    error = {
        "array": [0.0 if high is None else high - factor for factor, _, high in effects],
        "arrayminus": [0.0 if low is None else factor - low for factor, low, _ in effects],
    }
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [factor for factor, _, _ in effects],
        "y": list(rows),
        "name": name,
        "marker": {"color": _colour(index), "symbol": _symbol(index), "size": 8},
        "error_x": {"type": "data", "symmetric": False, "thickness": 1.5, "width": 3, "color": _colour(index), **error},
    }


def _factor_axis(title: str, factors: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic axis of factors, with ticks at powers of 2 or of 10, that includes 1."""
    finite = [math.log2(each) for each in factors if each > 0 and math.isfinite(each)] or [0.0]
    low, high = min(*finite, 0.0), max(*finite, 0.0)
    room = min(MAX_ROOM, 0.5 + 0.15 * (high - low))
    low, high = low - room, high + room
    base = 2.0 if high - low < 10 else 10.0
    unit = math.log2(base)
    ticks = [base**power for power in range(math.ceil(low / unit), math.floor(high / unit) + 1)]
    some = ticks if len(ticks) <= 7 else [tick for tick in ticks if round(math.log(tick, base)) % 2 == 0]
    span = [low * math.log10(2), high * math.log10(2)]
    return axis(
        title,
        type="log",
        range=span,
        tickvals=some,
        ticktext=[f"{FRACTIONS.get(tick, f'{tick:.3g}')}×" for tick in some],
    )


def _category_order(rows: Sequence[str]) -> dict[str, Any]:
    """Return the order of rows of an axis, from the top, with little room at its ends."""
    return {"categoryorder": "array", "categoryarray": list(rows)[::-1], "range": [-0.8, len(rows) - 0.2]}


def _line_at_one() -> dict[str, Any]:
    line_style = {"color": "@dim", "width": 1.5, "dash": "dash"}
    return {"type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1, "line": line_style, "layer": "below"}


def _cut(text: str) -> str:
    return cut_text(text, MAX_LABEL_CHARACTERS)


def _colour(index: int) -> str:
    return PALETTE[index % len(PALETTE)]


def _symbol(index: int) -> str:
    """Return a symbol, so that series of one colour differ by it."""
    return SYMBOLS[(index + index // len(PALETTE)) % len(SYMBOLS)]


# Curves of all optimizers


def reached_chart(curves: Sequence[OptimizerCurves]) -> Chart:
    """Return the share of targets reached over gradient evaluations, with a band for each optimizer."""
    traces: list[PlotlyTrace] = []
    for index, each in enumerate(curves):
        colour = _colour(index)
        edge: PlotlyTrace = {"type": "scatter", "mode": "lines", "x": list(each.evaluations)}
        edge |= {"line": {"width": 0, "color": colour}}
        edge |= {"showlegend": False, "hoverinfo": "skip", "legendgroup": each.optimizer}
        traces.append({**edge, "y": list(each.reached_low), "name": f"{each.optimizer}, lower end"})
        fill = {"fill": "tonexty", "fillcolor": f"{colour}/{BAND_OPACITY}"}
        traces.append({**edge, "y": list(each.reached_high), "name": f"{each.optimizer}, upper end", **fill})
        traces.append(
            line(list(each.evaluations), list(each.reached), each.optimizer, index, legendgroup=each.optimizer)
        )
    layout = {
        "xaxis": axis("gradient evaluations", type="log"),
        "yaxis": axis("targets reached", range=[-0.02, 1.02], tickformat=".0%"),
    }
    text = (
        "The share of all targets, over all problems that count, that the tuned optimizer has reached after so many "
        "gradient evaluations; with a 95 % band over families. The axis is absolute: no curve depends on another."
    )
    return Chart("reached", "Targets reached", text, traces, layout, height=420)


def sensitivity_chart(curves: Sequence[OptimizerCurves]) -> Chart:
    """Return the mean evaluations at each value of the tuned parameter, and below it the chosen values."""
    drawn = [(index, each) for index, each in enumerate(curves) if each.rates]
    marks = {"mode": "lines+markers"}
    traces = [
        line(list(each.rates), [2.0**score for score in each.rate_scores], each.optimizer, index, **marks)
        | {"marker": {"symbol": _symbol(index), "size": 6}}
        for index, each in drawn
    ]
    for index, each in drawn:
        most = max(each.chosen.values(), default=1)
        sizes = [MAX_MARK_SIZE * math.sqrt(count / most) for count in each.chosen.values()]
        marker = {"color": _colour(index), "symbol": _symbol(index), "size": sizes, "opacity": 0.75}
        places = {"x": list(each.chosen), "y": [_cut(each.optimizer)] * len(each.chosen), "yaxis": "y2"}
        total = sum(each.chosen.values())
        words = [f"chosen {count} times of {total}" for count in each.chosen.values()]
        traces.append(
            {"type": "scatter", "mode": "markers", "marker": marker, "name": f"{each.optimizer}, chosen", **places}
            | {"text": words, "hovertemplate": "%{x:.3g}: %{text}<extra></extra>", "showlegend": False}
        )
    height = 400 + ROW_HEIGHT * len(drawn)
    share = ROW_HEIGHT * len(drawn) / (height - 120)
    layout = {
        "xaxis": axis("tuned value", type="log", anchor="y2"),
        "yaxis": axis("mean evaluations", type="log", domain=[share + 0.08, 1]),
        "yaxis2": axis("chosen", domain=[0, share], type="category", showgrid=False, dtick=1),
    }
    others = [each.optimizer for each in curves if not each.rates]
    text = (
        "Geometric mean of the evaluations at each value of the tuned parameter, which is the learning rate unless "
        "something else was asked for. A flat valley forgives a wrong choice. "
        "Marks below are the values that tuning chose, larger for more choices."
    )
    text += f" Not drawn, because several parameters are tuned: {', '.join(others)}." if others else ""
    return Chart("sensitivity", "Sensitivity to the rate", text, traces, layout, height=height)


def best_chart(curves: Sequence[OptimizerCurves]) -> Chart:
    """Return the expected evaluations of the best of k settings."""
    traces = []
    for index, each in enumerate(curves):
        tried = list(range(1, len(each.expected_best) + 1))
        values = [2.0**score for score in each.expected_best]
        marker = {"symbol": _symbol(index), "size": 6}
        traces.append(line(tried, values, each.optimizer, index, mode="lines+markers", marker=marker))
    most = max(len(each.expected_best) for each in curves)
    layout = {
        "xaxis": axis("settings tried at random, k", range=[0.5, most + 0.5], dtick=math.ceil(most / 12)),
        "yaxis": axis("mean evaluations", type="log"),
    }
    text = (
        "Geometric mean of the evaluations of the best of k settings, chosen on other seeds than those that score it: "
        "what a small budget of tuning buys."
    )
    return Chart("best", "The best of k trials", text, traces, layout)


def contrast_chart(comparison: Comparison) -> Chart:
    """Return what properties of problems cost each optimizer: a dot for each pair of problems, a mark for the mean."""
    properties = list(dict.fromkeys(each.property for each in comparison.contrasts))
    optimizers = list(comparison.optimizers)
    traces: list[PlotlyTrace] = []
    for index, optimizer in enumerate(optimizers):
        mine = [each for each in comparison.contrasts if each.optimizer == optimizer]
        traces += [_dots(mine, optimizer, index), _means(mine, optimizer, index)]
    factors = [change for each in comparison.contrasts for change in each.changes.values()]
    layout = {
        "xaxis": _factor_axis("evaluations relative to without it", factors),
        "yaxis": axis("property", **_category_order(properties)),
        "scattermode": "group",
        "scattergap": 0.25,
        "shapes": [_line_at_one()],
    }
    few = [
        name for name in properties if all(each.low is None for each in comparison.contrasts if each.property == name)
    ]
    text = (
        "Right of 1, the property costs evaluations. A small dot is a problem with the property, relative to the same "
        "problem without it; a large mark is the mean, with its 95 % interval over families."
    )
    text += f" Too few families for an interval: {', '.join(few)}." if few else ""
    height = 120 + len(properties) * max(34, 17 * len(optimizers))
    return Chart("contrasts", "What properties of problems cost", text, traces, layout, height=height)


def _dots(contrasts: Sequence[ContrastFinding], optimizer: str, index: int) -> PlotlyTrace:
    rows = [(change, each.property, name) for each in contrasts for name, change in each.changes.items()]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [change for change, _, _ in rows],
        "y": [name for _, name, _ in rows],
        "text": [problem for _, _, problem in rows],
        "hovertemplate": "%{text}: %{x:.3g}×<extra></extra>",
        "name": f"{optimizer}, {count_things(len(rows), 'pair')} of problems",
        "marker": {"color": _colour(index), "symbol": _symbol(index), "size": 5, "opacity": 0.55},
        "orientation": "h",
        "offsetgroup": str(index),
        "showlegend": False,
        "meta": "aside",
    }


def _means(contrasts: Sequence[ContrastFinding], optimizer: str, index: int) -> PlotlyTrace:
    effects = [(each.factor, each.low, each.high) for each in contrasts]
    trace = _effect_trace(effects, [each.property for each in contrasts], optimizer, index)
    trace["marker"] |= {"size": 11, "line": {"color": "@paper", "width": 1}}
    return {**trace, "orientation": "h", "offsetgroup": str(index)}
