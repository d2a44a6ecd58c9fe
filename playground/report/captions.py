"""Captions: every figure states how it was made."""

from __future__ import annotations

from collections.abc import Mapping

from playground.comparison import Comparison
from playground.figures.numbers import flatten, format_short
from playground.figures.text import make_printable
from playground.result import Run, Status
from playground.views import Ensemble

MAX_START_NUMBERS = 4
"""Maximum number of numbers of a start in a caption."""


def run_caption(run: Run) -> str:
    """Return scenario, optimizer, steps, start, seed and the other conditions of a run, on one line.

    For a task without a descent, only scenario and version. Of a run without a seed, which is a loop that was watched,
    the other conditions are not known.
    """
    conditions = run.conditions
    if run.seed is None:
        return _join_parts([run.scenario, run.setup.get("optimizer", ""), run.ending[0]], conditions)
    if run.loss is None:
        return _join_parts([run.scenario], conditions)
    parts = [
        run.scenario,
        conditions.get("optimizer", ""),
        f"{run.steps:,} of {int(conditions['steps']):,} steps" if "steps" in conditions else "",
        _start(run),
        "" if run.seed is None else f"seed {run.seed}",
        *_describe_conditions(conditions),
        "" if run.status is Status.BUDGET else f"ended {run.status}",
    ]
    return _join_parts(parts, conditions)


def comparison_caption(comparison: Comparison) -> str:
    """Return optimizer, suite, studies, seeds, look and hashes of a comparison, on one line."""
    protocol = comparison.protocol
    parts = [
        comparison.scenario,
        f"{protocol.studies} studies of {protocol.tuning_seeds} tuning and {protocol.scoring_seeds} scoring seeds",
        f"look {protocol.look}",
        f"suite {comparison.suite['hash'][:12]}",
        f"protocol {protocol.hash[:12]}",
    ]
    return _join_parts(parts, {})


def sweep_caption(sweep: Ensemble, *more: str) -> str:
    """Return the same for a sweep, with the values that vary.

    :param more: further parts of the caption.
    """
    conditions = sweep.conditions
    varied = [f"{axis}: {_describe_values(sweep, axis)}" for axis in sweep.axes]
    start = f"start {conditions['start']}" if "start" in conditions else "start drawn by the seed"
    parts = [
        sweep.scenario,
        "" if "optimizer" in sweep.axes else conditions.get("optimizer", ""),
        "" if "steps" in sweep.axes or "steps" not in conditions else f"{int(conditions['steps']):,} steps",
        "" if any(axis.partition(".")[0] == "start" for axis in sweep.axes) else start,
        *varied,
        f"{sweep.seeds:,} seeds each" if sweep.seeds > 1 else "1 seed",
        *_describe_conditions(conditions, sweep.axes),
        *more,
    ]
    return _join_parts(parts, conditions)


def _join_parts(parts: list[str], conditions: Mapping[str, str]) -> str:
    version = f"playground {conditions['version']}" if conditions.get("version") else ""
    return make_printable(" · ".join(part for part in (*parts, version) if part))


def _start(run: Run) -> str:
    if "start" in run.conditions:
        return f"start {run.conditions['start']}"
    recording = run.trace.recording
    if recording is not None:
        first = {name: rows[0] for name, rows in recording.parameters.items()}
        if len(list(flatten(list(first.values())))) <= MAX_START_NUMBERS:
            return "start " + ", ".join(f"{name} {format_short(value)}" for name, value in first.items())
    return "start drawn by the seed"


def _describe_conditions(conditions: Mapping[str, str], axes: tuple[str, ...] = ()) -> list[str]:
    """Return the conditions that limit or change the steps; names absent ones too, such as "no clipping"."""
    words = {
        "clip": ("clipping at {}", "no clipping"),
        "schedule": ("schedule {}", "constant rate"),
        "batch_size": ("batches of {}", ""),
        "dtype": ("{}", ""),
    }
    varied = {axis.partition(".")[0] for axis in axes}
    return [
        there.format(conditions[key]) if key in conditions else absent
        for key, (there, absent) in words.items()
        if key not in varied
    ]


def _describe_values(sweep: Ensemble, axis: str) -> str:
    """Return an axis's values: all of them, or their number and range."""
    values = list(dict.fromkeys(str(point.get(axis)) for point in sweep.points))
    numbers = [point[axis] for point in sweep.points if isinstance(point.get(axis), int | float)]
    if len(values) <= MAX_START_NUMBERS or len(numbers) < len(sweep.points):
        return ", ".join(values[:8]) + ("…" if len(values) > 8 else "")
    return f"{len(values)} values from {format_short(min(numbers))} to {format_short(max(numbers))}"
