"""Runs of a chunk one after the other, each as `run` would run it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from playground.errors import PlaygroundError
from playground.plugins.manager import Plugins
from playground.result import Loss, Run, Status, Verdict
from playground.runner.single.running import run_one
from playground.runner.store import ParameterLayout, Row, tabulate_rows
from playground.runner.sweeping.plan import Chunk, ChunkResult
from playground.scenario.model import Loaded

PIECE_SECONDS = 0.5
"""Seconds of runs one after the other between two looks at what is finished."""


def run_sequentially(chunk: Chunk, plugins: Plugins) -> Iterator[ChunkResult]:
    """Run every member alone, and hand over what is finished in small pieces."""
    from playground.core.interrupts import is_stop_requested

    rows: list[Row] = []
    since = time.perf_counter()
    for point, seed in chunk.members:
        try:
            row = None if is_stop_requested() else _run_member(chunk, point, seed, plugins)
        except KeyboardInterrupt:
            row = None
        if row is None:
            yield ChunkResult(tables=tuple(tabulate_rows(rows)), note=chunk.note, interrupted=True)
            return
        rows.append(row)
        if time.perf_counter() - since > PIECE_SECONDS:
            yield ChunkResult(tables=tuple(tabulate_rows(rows)), note=chunk.note)
            rows, since = [], time.perf_counter()
    yield ChunkResult(tables=tuple(tabulate_rows(rows)), note=chunk.note)


def _run_member(chunk: Chunk, point: int, seed: int, plugins: Plugins) -> Row | None:
    """Run one member; None when Ctrl-C came while it descended.

    :raises KeyboardInterrupt: it came elsewhere.
    """
    from playground.core.traces import thin_steps

    loaded = chunk.points[point]
    loaded = replace(loaded, scenario=loaded.scenario.model_copy(update={"seed": seed}))
    run = _run_or_error(loaded, plugins)
    if run.status is Status.INTERRUPTED:
        return None
    return _row_of_run(run, chunk, point, seed, thin_steps(loaded.scenario.steps))


def _run_or_error(loaded: Loaded, plugins: Plugins) -> Run:
    """Run one member; what is not valid for this seed only is an error of this run."""
    try:
        return run_one(loaded, plugins, of_sweep=True)
    except PlaygroundError as error:
        reason = "; ".join(fault.message for fault in error.faults)
        scenario = loaded.scenario
        return Run(
            scenario=scenario.name,
            id="",
            seed=scenario.seed,
            status=Status.ERROR,
            verdict=Verdict.FAILED,
            reason=reason,
        )


def _row_of_run(run: Run, chunk: Chunk, point: int, seed: int, kept: Sequence[int]) -> Row:
    """Return a run alone as a row."""
    import numpy as np

    traced = run.trace.full or dict(enumerate(run.trace.loss))
    losses = [traced.get(step, math.nan) for step in kept]
    flat = [np.ravel(np.asarray(value, dtype="<f8")) for value in run.parameters.values()]
    loss = run.loss or Loss(math.nan, math.nan, math.nan)
    return Row(
        key=f"{chunk.keys[point]}-{seed}",
        point=point,
        seed=seed,
        status=str(run.status),
        verdict=str(run.verdict),
        first=loss.first,
        last=loss.last,
        best=loss.best,
        steps=run.steps,
        evaluations=run.evaluations,
        seconds=run.seconds,
        engine=chunk.engine,
        reason=run.reason,
        metrics={name: float(value) for name, value in run.metrics.items() if isinstance(value, int | float)},
        parameters=np.concatenate(flat).tobytes() if flat else None,
        trace=np.asarray(losses, dtype="<f4").tobytes() if run.trace.loss else None,
        layout=ParameterLayout(
            tuple((name, np.shape(value)) for name, value in run.parameters.items()),
            tuple(kept) if run.trace.loss else (),
        ),
    )
