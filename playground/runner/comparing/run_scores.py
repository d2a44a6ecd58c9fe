"""Scores of the runs of a chunk: how many gradient evaluations each needs, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playground.result import Status
from playground.runner.store import RunColumns
from playground.runner.store.run_columns import STATUSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_PENALTY = 2.0
"""A target that is not reached counts as reached after this many times the budget."""

PENALTIES = (1.0, DEFAULT_PENALTY, 10.0)
"""Others show whether a verdict depends on it."""

FAILED = tuple(STATUSES.index(str(status)) for status in (Status.DIVERGED, Status.NONFINITE, Status.ERROR))


@dataclass(frozen=True, eq=False)
class RunScores:
    """Scores of some runs; every array has one entry for each run.

    :param reached: gradient evaluations until each target is reached, shape `(runs, targets)`; infinite for never.
    :param evaluations: log2 of the gradient evaluations, by penalty.
    :param progress: decades from the first gap to the last.
    :param losses: over all data, at `steps`, shape `(runs, steps)`; NaN after the end of a run.
    :param steps: the steps of `losses`; the last one is the budget.
    :param failed: the run diverged, became non-finite or raised.
    :param spent: gradient evaluations that it made.
    """

    reached: NDArray[Any]
    evaluations: Mapping[float, NDArray[Any]]
    progress: NDArray[Any]
    losses: NDArray[Any]
    steps: Sequence[int]
    failed: NDArray[Any]
    spent: NDArray[Any]


def score_runs(table: RunColumns, least: float, targets: Sequence[float], budget: int) -> RunScores:
    """Return the scores of runs.

    :param least: the least loss over all data.
    :param targets: gaps that count as reached; without any, `evaluations` is empty.
    :param budget: gradient evaluations of a run, and its updates.
    """
    import numpy as np

    from playground.core.comparison import count_evaluations, measure_progress, score_evaluations

    count, kept = len(table), list(table.layout.trace_steps)
    trace = np.full((count, len(kept)), np.nan) if table.trace is None else table.trace.astype(np.float64)
    complete = table.steps == budget
    losses = np.column_stack([trace, np.where(complete, table.last, np.nan)])
    steps = [*kept, budget]
    per_step = np.maximum((table.evaluations - 1) / np.maximum(table.steps, 1), 1.0)
    failed = np.isin(table.status, FAILED)
    evaluations, reached = {}, np.full((count, 0), np.inf)
    if targets:
        reached = count_evaluations(losses - least, steps, targets, budget=float(budget), evaluations_per_step=per_step)
        evaluations = {
            penalty: score_evaluations(reached, budget=float(budget), penalty=penalty) for penalty in PENALTIES
        }
    return RunScores(
        reached=reached,
        evaluations=evaluations,
        progress=measure_progress(losses[:, 0] - least, losses[:, -1] - least),
        losses=losses,
        steps=steps,
        failed=failed,
        spent=np.where(np.isnan(table.seconds), 0, table.evaluations),
    )
