"""The charts of every descent: loss, gradient norm, parameters; and the V-curve of a derivative check."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from playground.figures.curve import scale_curve
from playground.figures.numbers import format_short, nested_shape
from playground.report.derivatives import v_curve
from playground.report.html.chart_spec import (
    PALETTE,
    STEP_SWITCH,
    SYMBOLS,
    VALUE_SWITCH,
    Chart,
    Move,
    axis,
    line,
    point,
)
from playground.report.html.encoding import padded_range, thin_indices
from playground.result import Recording, Run

MAX_DRAWN_ENTRIES = 8
"""Maximum number of parameter entries to draw: those that moved most."""

MAX_MARKED_VALUES = 20
"""A line with at most this many values has markers; a single finite value would not show as a line."""


LIVE_LOSSES, LIVE_NORMS = {"x": "steps", "y": "losses"}, {"x": "steps", "y": "norms"}


def run_charts(run: Run) -> Iterator[Chart]:
    """Yield the charts that the run has data for."""
    recording = run.trace.recording
    if len(run.losses) > 1:
        yield loss_chart(run)
    if recording is not None and len(recording.steps) > 1:
        yield parameter_chart(run, recording)
    if (drawn := v_curve(run.points)) is not None:
        yield _v_chart(*drawn)


def loss_chart(run: Run) -> Chart:
    """Return the loss before each update, and below it the gradient norm if it was recorded."""
    losses, recording = run.losses, run.trace.recording
    shown = thin_indices(len(losses))
    drawn = scale_curve(losses)
    kind = "log" if drawn is not None and drawn.logarithmic else "linear"
    marked: dict[str, Any] = {
        "mode": "lines+markers" if len(shown) <= MAX_MARKED_VALUES else "lines",
        "showlegend": False,
    }
    traces = [line(list(shown), [losses[step] for step in shown], "loss", **marked)]
    layout: dict[str, Any] = {"xaxis": _steps(losses), "yaxis": axis("loss", type=kind, **_range_around(losses))}
    moves, scales, text = [], {VALUE_SWITCH: ["yaxis"], STEP_SWITCH: ["xaxis"]}, _describe_fall(losses)
    if recording is not None:
        traces.append(point("loss at this step", PALETTE[0]))
        at = {"x": recording.steps, "y": [losses[step] for step in recording.steps]}
        moves += [Move((0,), live=LIVE_LOSSES, beside=True), Move((1,), at=at, live=LIVE_LOSSES)]
    if recording is not None and any(norm is not None for norm in recording.gradient_norms):
        norms = [math.nan if norm is None else norm for norm in recording.gradient_norms]
        below: dict[str, Any] = {"xaxis": "x", "yaxis": "y2"}
        traces.append(line(recording.steps, norms, "gradient norm", 1, **marked, **below))
        traces.append(point("gradient norm at this step", PALETTE[1], SYMBOLS[1], **below))
        moves += [Move((2,), live=LIVE_NORMS), Move((3,), at={"x": recording.steps, "y": norms}, live=LIVE_NORMS)]
        layout["yaxis"]["domain"] = [0.46, 1]
        layout["yaxis2"] = axis("gradient norm", type=kind, domain=[0, 0.38], **_range_around(norms))
        layout["xaxis"]["anchor"] = "y2"
        scales[VALUE_SWITCH].append("yaxis2")
    if run.trace.validation is not None:
        found = run.trace.validation
        values = found.values["validation_loss"]
        traces.append(line(found.steps, values, "loss of held-out data", 2, **{**marked, "showlegend": True}))
        text += f" On held-out data (dashed line) it goes from {format_short(values[0])} to {format_short(values[-1])}."
    if run.trace.full:
        full = list(run.trace.full.values())
        traces.append(line(list(run.trace.full), full, "loss of all data", 3, **{**marked, "showlegend": True}))
        text += f" The loss of all data goes from {format_short(full[0])} to {format_short(full[-1])}."
    if len(shown) < len(losses):
        text += f" {len(shown):,} of {len(losses):,} losses are drawn, spaced evenly by ratio."
    title = "Loss and gradient norm" if "yaxis2" in layout else "Loss"
    return Chart("loss", title, text, traces, layout, moves, scales, 420 if "yaxis2" in layout else 320)


def _describe_fall(losses: Sequence[float]) -> str:
    last = len(losses) - 1
    return f"The loss goes from {format_short(losses[0])} at step 0 to {format_short(losses[-1])} after {last} steps."


def _range_around(values: Sequence[float]) -> dict[str, Any]:
    """Return a range around the only finite value; the default axis would have unreadable ticks."""
    finite = {value for value in values if math.isfinite(value)}
    return {"range": padded_range(finite)} if len(finite) == 1 else {}


def _steps(losses: Sequence[float]) -> dict[str, Any]:
    """Return the axis of steps; logarithmic if the loss does not change over most of a linear axis."""
    drawn = scale_curve(losses)
    return axis("step", type="log" if drawn is not None and drawn.unchanged else "linear")


def parameter_chart(run: Run, recording: Recording) -> Chart:
    """Return the parameter entries that moved most, over the steps."""
    rows, chosen, count = _moved_most(recording)
    traces = [line(recording.steps, rows[name], name, index) for index, name in enumerate(rows)]
    traces += [point(name, PALETTE[index % len(PALETTE)]) for index, name in enumerate(rows)]
    moves = []
    for index, (name, entry) in enumerate(zip(rows, chosen, strict=True)):
        live = {"x": "steps", "y": f"entry:{entry}"}
        moves.append(Move((index,), live=live))
        moves.append(Move((len(rows) + index,), at={"x": recording.steps, "y": rows[name]}, live=live))
    some = f"The {len(rows)} of {count:,} numbers that moved most." if len(rows) < count else ""
    ends = ", ".join(f"{name} ends at {format_short(rows[name][-1])}" for name in list(rows)[:3])
    layout = {"xaxis": _steps(run.losses), "yaxis": axis("value")}
    text = f"{some} {ends}.".strip()
    return Chart("parameters", "Parameters", text, traces, layout, moves, {STEP_SWITCH: ["xaxis"]})


def _moved_most(recording: Recording) -> tuple[dict[str, list[float]], list[int], int]:
    """Return the parameter entries that moved most, by name, their indices among all, and the number of all."""
    import numpy as np

    columns = {name: np.asarray(rows, np.float64) for name, rows in recording.parameters.items()}
    values = np.concatenate([rows.reshape(len(rows), -1) for rows in columns.values()], axis=1)
    finite = np.where(np.isfinite(values), values, np.nan)
    spans = np.nan_to_num(np.fmax.reduce(finite) - np.fmin.reduce(finite))
    chosen = sorted(np.argsort(-spans, kind="stable")[:MAX_DRAWN_ENTRIES].tolist())
    names = _names({name: rows.shape[1:] for name, rows in columns.items()}, chosen)
    rows = {name: values[:, index].tolist() for name, index in zip(names, chosen, strict=True)}
    return rows, chosen, values.shape[1]


def _names(shapes: Mapping[str, Sequence[int]], chosen: Sequence[int]) -> Iterator[str]:
    """Yield names such as `weight[0, 1]` for indices into all parameters' entries.

    :param chosen: the indices, in ascending order.
    """
    import numpy as np

    first = 0
    for name, size in shapes.items():
        after = first + math.prod(size)
        for index in chosen:
            if first <= index < after:
                yield _label(name, [int(each) for each in np.unravel_index(index - first, tuple(size))])
        first = after


def entries(recording: Recording) -> Iterator[tuple[str, list[float]]]:
    """Yield each parameter entry, named like `weight[0, 1]`, with its values at the recorded steps."""
    for name, rows in recording.parameters.items():
        for place in product(*map(range, nested_shape(rows[0]))):
            yield _label(name, place), [_entry(row, place) for row in rows]


def _label(name: str, place: Sequence[int]) -> str:
    return f"{name}[{', '.join(map(str, place))}]" if place else name


def _entry(row: Any, place: Sequence[int]) -> float:
    for index in place:
        row = row[index]
    return float(row)


def _v_chart(title: str, steps: Sequence[float], errors: Sequence[float]) -> Chart:
    text = f"The error of central differences by their step h, {title}: rounding at the left, truncation at the right."
    if (exact := sum(error == 0 for error in errors)) > 0:
        text += f" {exact} of the {len(errors)} steps have no error, which a logarithmic axis cannot show."
    drawn = [error or math.nan for error in errors]
    traces = [line(steps, drawn, "error", mode="lines+markers", showlegend=False, connectgaps=True)]
    layout = {"xaxis": axis("step h", type="log"), "yaxis": axis("error", type="log")}
    return Chart("differences", "Error of central differences", text, traces, layout)
