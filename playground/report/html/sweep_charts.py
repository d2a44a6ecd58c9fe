"""The charts of a sweep: share that passed, final loss, loss over the steps, two axes at once, and basins."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from playground.figures.numbers import format_short
from playground.report.html.chart_spec import DASHES, PALETTE, STEP_SWITCH, SYMBOLS, VALUE_SWITCH, Chart, axis
from playground.report.ranking import MAX_NAMED_TIES
from playground.result import Summary, Sweep
from playground.views import EndView, Ensemble, RunEnds

MAX_LINES = 6
"""Maximum number of lines in one chart; more cannot be distinguished."""

MIN_LOG_RATIO = 10.0
"""A positive axis whose ends differ by more than this factor is logarithmic."""

MAX_DRAWN_RUNS = 3_000
"""Maximum number of runs that are drawn one by one."""

SAME_MINIMUM_SHARE = 0.02
"""Ends closer than this share of the span of all ends count as one minimum."""

BAND_OPACITY = "2e"
"""Opacity of a band, in hexadecimal digits; bands of several settings overlap."""

MAX_COLOURED_MINIMA = 6
"""Maximum number of minima with their own colour."""

Groups = dict[str, list[Summary]]


def sweep_charts(sweep: Sweep, runs: Ensemble | None) -> Iterator[Chart]:
    """Yield the charts of a sweep; without its runs, only those of its summaries."""
    key = horizontal(sweep)
    groups = group_points(sweep, key)
    if any(summary.interval for summary in sweep.summaries):
        yield pass_chart(sweep, key, groups)
    yield loss_chart(sweep, key, groups, runs)
    if runs is not None and any(len(band.steps) > 1 for band in runs.bands):
        yield band_chart(sweep, runs)
    if (drawn := heat_chart(sweep)) is not None:
        yield drawn
    if runs is not None and (drawn := basin_chart(runs)) is not None:
        yield drawn


def horizontal(sweep: Sweep) -> str | None:
    """Return the horizontal axis: the learning rate, or the first axis whose values are all numbers."""
    numeric = [name for name in sweep.axes if all(_is_number(each.values.get(name)) for each in sweep.summaries)]
    rates = [name for name in numeric if name.endswith(".lr")]
    return next(iter([*rates, *numeric]), None)


def group_points(sweep: Sweep, key: str | None) -> Groups:
    """Group the points by the values of all other axes; best groups first, no more than can be distinguished."""
    groups: Groups = {}
    for summary in sweep.summaries:
        others = {name: value for name, value in summary.values.items() if name != key} if key else {}
        groups.setdefault(label(others), []).append(summary)
    if key:
        for group in groups.values():
            group.sort(key=lambda summary: float(summary.values[key]))
    return dict(sorted(groups.items(), key=lambda pair: min(map(_rank, pair[1])))[:MAX_LINES])


def label(values: Mapping[str, Any]) -> str:
    """Return the values of a point as a short label: `adam, beta1 0.9`."""
    pairs = ((name.rpartition(".")[2], value) for name, value in values.items())
    words = (value if isinstance(value, str) else f"{name} {format_short(value)}" for name, value in pairs)
    return ", ".join(words)


def pass_chart(sweep: Sweep, key: str | None, groups: Groups) -> Chart:
    """Return the share that passed, with Wilson's interval."""
    traces = []
    for index, (name, group) in enumerate(groups.items()):
        rows = [(each.share or 0.0, *(each.interval or (0.0, 1.0))) for each in group]
        shares = [share for share, _, _ in rows]
        error = {
            "array": [high - share for share, _, high in rows],
            "arrayminus": [share - low for share, low, _ in rows],
        }
        points = [each.index for each in group]
        traces.append(_series(_places(group, key), shares, name, index, error, points))
    text = f"Share of the runs that passed at each setting, with Wilson's 95 % interval. {_name_largest_shares(sweep)}"
    layout = {
        "xaxis": _axis_across(sweep, key),
        "yaxis": axis("share that passed", range=[-0.03, 1.03], tickformat=".0%"),
    }
    return Chart("passed", "How many passed", text + _describe_left_out(sweep, key, groups), traces, layout)


def _name_largest_shares(sweep: Sweep) -> str:
    """Name the settings with the largest share that passed, as many as fit a caption."""
    most = max(each.share or 0.0 for each in sweep.summaries)
    if most == 0:
        return "No run passed."
    settings = [label(each.values) or "the only setting" for each in sweep.summaries if each.share == most]
    named = "; ".join(settings[:MAX_NAMED_TIES])
    if len(settings) == 1:
        return f"The largest is {most:.1%} at {named}."
    more = f" and {len(settings) - MAX_NAMED_TIES:,} more" if len(settings) > MAX_NAMED_TIES else ""
    return f"{len(settings):,} settings share the largest, {most:.1%}: {named}{more}."


def loss_chart(sweep: Sweep, key: str | None, groups: Groups, runs: Ensemble | None) -> Chart:
    """Return quartiles of the final loss, and above them every run that ended badly."""
    traces = []
    for index, (name, group) in enumerate(groups.items()):
        drawn = [each for each in group if math.isfinite(each.loss.median)]
        losses, points = [each.loss for each in drawn], [each.index for each in drawn]
        medians = [loss.median for loss in losses]
        error = {
            "array": [max(0.0, loss.high - loss.median) if math.isfinite(loss.high) else 0.0 for loss in losses],
            "arrayminus": [loss.median - loss.low for loss in losses],
        }
        traces.append(_series(_places(drawn, key), medians, name or "median", index, error, points))
    seen = [value for trace in traces for value in trace["y"] if value > 0]
    kind = "log" if seen and max(seen) > MIN_LOG_RATIO * min(seen) else "linear"
    layout = {"xaxis": _axis_across(sweep, key), "yaxis": axis("final loss", type=kind)}
    bad = runs.runs.bad() if runs else None
    text = "Final loss at each setting: median, and quartiles as bars."
    if bad:
        places = _all_places(sweep, key)
        top = (max(seen) * 3 if kind == "log" else max(seen) * 1.15) if seen else 1.0
        crosses = [run for run in _thin_runs(bad) if run.point in places]
        marker = {"symbol": "x-thin-open", "size": 9, "color": "@red", "opacity": 0.6, "line": {"width": 2}}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"ended badly ({len(bad):,} runs)",
                "marker": marker,
                "x": [places[run.point] for run in crosses],
                "y": [top] * len(crosses),
                "customdata": [run.point for run in crosses],
                "meta": "aside",
                "text": [f"seed {run.seed}: {run.status} at step {run.steps}" for run in crosses],
                "hoverinfo": "text",
            }
        )
        text += f" The {len(bad):,} runs that ended badly are crosses at the top."
        text += " Crosses of one setting overlap; only some are drawn." if len(crosses) < len(bad) else ""
    title = f"Final loss against {_short(key)}" if key else "Final loss"
    return Chart(
        "loss",
        title,
        text + _describe_left_out(sweep, key, groups),
        traces,
        layout,
        scales={VALUE_SWITCH: ["yaxis"]},
        height=400,
    )


def _thin_runs(runs: RunEnds) -> list[EndView]:
    """Return at most `MAX_DRAWN_RUNS` runs, equally many of each setting."""
    if len(runs) <= MAX_DRAWN_RUNS:
        return list(runs)
    settings = runs.positions_by_point()
    most = max(1, MAX_DRAWN_RUNS // len(settings))
    return [run for positions in settings.values() for run in runs.take(positions[:most])]


def band_chart(sweep: Sweep, runs: Ensemble) -> Chart:
    """Return the loss over the steps at the best settings: the median, and a band with the middle half of the runs."""
    ranked = sorted(sweep.summaries, key=_rank)[:MAX_LINES]
    bands = {band.point: band for band in runs.bands}
    traces: list[dict[str, Any]] = []
    for index, summary in enumerate(each for each in ranked if each.index in bands):
        band, colour, name = bands[summary.index], PALETTE[index], label(summary.values) or "all runs"
        low, median, high = ([row[i] if math.isfinite(row[i]) else None for row in band.quartiles] for i in range(3))
        edge: dict[str, Any] = {
            "type": "scatter",
            "mode": "lines",
            "x": band.steps,
            "line": {"width": 0, "color": colour},
        }
        edge |= {"showlegend": False, "hoverinfo": "skip", "legendgroup": name}
        style = {"color": colour, "dash": DASHES[index % len(DASHES)], "width": 2}
        traces.append({**edge, "y": low, "name": f"{name}, lower quartile"})
        traces.append(
            {
                **edge,
                "y": high,
                "name": f"{name}, upper quartile",
                "fill": "tonexty",
                "fillcolor": f"{colour}/{BAND_OPACITY}",
            }
        )
        middle = {"type": "scatter", "mode": "lines", "x": band.steps, "y": median, "name": name, "line": style}
        traces.append({**middle, "legendgroup": name, "customdata": [summary.index] * len(band.steps)})
    some = f" The {MAX_LINES} settings that did best are drawn." if len(sweep.summaries) > MAX_LINES else ""
    text = "How the loss fell over the steps: the median of the runs, and a band with the middle half of them."
    if (counted := max((band.runs or 0 for band in runs.bands), default=0)) > 0:
        text += f" They are of the first {counted:,} seeds."
    layout = {"xaxis": axis("step"), "yaxis": axis("loss", type="log")}
    return Chart(
        "bands",
        "Loss curves",
        text + some,
        traces,
        layout,
        scales={VALUE_SWITCH: ["yaxis"], STEP_SWITCH: ["xaxis"]},
        height=400,
    )


def heat_chart(sweep: Sweep) -> Chart | None:
    """Return a map over the first two axes with several values, if all other axes have one value."""
    axes = [name for name in sweep.axes if len({format_short(each.values.get(name)) for each in sweep.summaries}) > 1]
    pairs = {tuple(_word(each.values, name) for name in axes) for each in sweep.summaries}
    if len(axes) != 2 or len(pairs) < len(sweep.summaries):
        return None
    rows, columns = (list(dict.fromkeys(_word(each.values, name) for each in sweep.summaries)) for name in axes)
    judged = any(each.interval for each in sweep.summaries)
    grid: list[list[float | None]] = [[None] * len(columns) for _ in rows]
    points: list[list[int | None]] = [[None] * len(columns) for _ in rows]
    for each in sweep.summaries:
        value = each.share if judged else math.log10(each.loss.median) if 0 < each.loss.median < math.inf else None
        row, column = rows.index(_word(each.values, axes[0])), columns.index(_word(each.values, axes[1]))
        grid[row][column], points[row][column] = value, each.index
    title = "share that passed" if judged else "log₁₀ of median loss"
    bar: dict[str, Any] = {"title": {"text": title}, "thickness": 12, **({"tickformat": ".0%"} if judged else {})}
    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": columns,
        "y": rows,
        "z": grid,
        "customdata": points,
        "colorscale": "Cividis",
        "colorbar": bar,
    }
    trace |= {"zmin": 0, "zmax": 1} if judged else {}
    text = f"The {title} for each pair of {_short(axes[0])} and {_short(axes[1])}; a gap is a pair without a value."
    layout = {"xaxis": axis(_short(axes[1]), type="category"), "yaxis": axis(_short(axes[0]), type="category")}
    return Chart("heat", "Two axes at once", text, [{**trace, "xgap": 1, "ygap": 1}], layout, height=400)


def basin_chart(runs: Ensemble) -> Chart | None:
    """Return which start reached which minimum, for a sweep over a start of one or two numbers."""
    starts = [_start(values) for values in runs.points]
    size = {len(start) for start in starts}
    if size not in ({1}, {2}):
        return None
    every = math.ceil(len(runs.runs) / MAX_DRAWN_RUNS) or 1
    some = runs.runs[::every]
    ends = [run.end if math.isfinite(run.loss) and all(map(math.isfinite, run.end)) else None for run in some]
    places = _minima([end for end in ends if end])
    traces = []
    reached = [_nearest_minimum(end, places[:MAX_COLOURED_MINIMA]) for end in ends]
    for index, place in enumerate([*places[:MAX_COLOURED_MINIMA], None]):
        chosen = [run for run, at in zip(some, reached, strict=True) if at == (index if place else None)]
        if not chosen:
            continue
        name = f"ends at {format_short(list(place))}" if place else "ends elsewhere, or badly"
        marker = {"symbol": SYMBOLS[index % len(SYMBOLS)], "color": PALETTE[index % len(PALETTE)], "size": 9}
        first = [starts[run.point][0] for run in chosen]
        second = [starts[run.point][1] if size == {2} else run.end[0] if run.end else None for run in chosen]
        drawn = {"x": first, "y": second, "customdata": [run.point for run in chosen]}
        traces.append({"type": "scatter", "mode": "markers", **drawn, "name": name, "marker": marker})
    if not traces:
        return None
    names = _start_names(runs.points[0], len(starts[0]))
    below = axis(names[1]) if size == {2} else axis("where it ended")
    text = f"Each mark is a run at its start; its sign and colour show its end. There are {len(places)} distinct ends."
    text += f" One in {every} runs is drawn." if every > 1 else ""
    return Chart("basins", "Basins", text, traces, {"xaxis": axis(names[0]), "yaxis": below}, height=480, square=True)


def _start(values: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the start of a point, if the sweep varies it."""
    found: list[Any] = []
    for name, value in values.items():
        if name == "start" or name.startswith("start."):
            inner = list(value.values()) if isinstance(value, Mapping) else [value]
            for each in inner:
                found += each if isinstance(each, list) else [each]
    return tuple(found) if found and all(map(_is_number, found)) else ()


def _start_names(values: Mapping[str, Any], count: int) -> list[str]:
    names = [name for name in values if name.startswith("start.")]
    return names if len(names) == count else [f"start, coordinate {index}" for index in range(count)]


def _minima(ends: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    """Return the distinct ends, most frequent first; ends near each other count as one."""
    if not ends:
        return []
    found: dict[tuple[float, ...], int] = {}
    spans = [max(column) - min(column) for column in zip(*ends, strict=True)]
    near = max(1e-3, SAME_MINIMUM_SHARE * max(spans))
    for end in ends:
        place = next((each for each in found if math.dist(each, end) <= near), tuple(end))
        found[place] = found.get(place, 0) + 1
    return sorted(found, key=lambda place: -found[place])


def _nearest_minimum(end: Sequence[float] | None, places: Sequence[tuple[float, ...]]) -> int | None:
    """Return the index of the place that an end belongs to; None for any other end, or a run that ended badly."""
    if end is None or not places:
        return None
    index = min(range(len(places)), key=lambda i: math.dist(places[i], end))
    spread = max((math.dist(a, b) for a in places for b in places), default=0.0)
    return index if math.dist(places[index], end) <= max(1e-3, 2 * SAME_MINIMUM_SHARE * spread) else None


def _series(
    x: Sequence[Any], y: Sequence[float], name: str, index: int, error: dict[str, Any], points: Sequence[int]
) -> dict[str, Any]:
    """Return marks with error bars; each has its point, whose runs the page shows on a click."""
    colour = PALETTE[index % len(PALETTE)]
    marker = {"color": colour, "symbol": SYMBOLS[index % len(SYMBOLS)], "size": 7}
    bars = {"type": "data", "symmetric": False, "thickness": 1.3, "width": 3, "color": colour, **error}
    style = {"color": colour, "dash": DASHES[index % len(DASHES)], "width": 1.5}
    mode = "markers" if any(isinstance(place, str) for place in x) else "lines+markers"  # no order, no line
    trace = {"type": "scatter", "mode": mode, "x": x, "y": y, "name": name, "marker": marker, "customdata": points}
    return {**trace, "line": style, "error_y": bars, "showlegend": bool(name)}


def _places(group: Sequence[Summary], key: str | None) -> list[Any]:
    return [each.values[key] if key else label(each.values) or "all runs" for each in group]


def _all_places(sweep: Sweep, key: str | None) -> dict[int, Any]:
    points = list(sweep.summaries)
    return {each.index: place for each, place in zip(points, _places(points, key), strict=True)}


def _axis_across(sweep: Sweep, key: str | None) -> dict[str, Any]:
    if key is None:
        return axis("setting", type="category")
    values = [float(each.values[key]) for each in sweep.summaries]
    wide = min(values) > 0 and max(values) > MIN_LOG_RATIO * min(values)
    return axis("learning rate" if key.endswith(".lr") else key, type="log" if wide else "linear")


def _describe_left_out(sweep: Sweep, key: str | None, groups: Groups) -> str:
    """Return a sentence about the settings that are not drawn."""
    rest = len(sweep.summaries) - sum(map(len, groups.values()))
    return f" The {len(groups)} best of several combinations are drawn; the table has all." if rest else ""


def _rank(summary: Summary) -> tuple[float, float]:
    median = summary.loss.median
    return -(summary.share or 0.0), math.inf if math.isnan(median) else median


def _word(values: Mapping[str, Any], name: str) -> str:
    return format_short(values.get(name))


def _short(name: str) -> str:
    return "learning rate" if name.endswith(".lr") else name


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
