"""Measures and judges runs that descended in one batch, and builds their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playground.result import Status, Verdict
from playground.runner.single.expectations import BAD_STATUSES, judge_runs
from playground.runner.single.prepared import PreparedDescent
from playground.runner.store import ParameterLayout, Row
from playground.runner.sweeping.plan import Chunk

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.problem import Problem


@dataclass(frozen=True, kw_only=True)
class FinishedRuns:
    """The results of the members of a chunk, in their order; tensors have one entry for each member.

    :param engine: what computed them.
    :param problem: of any one run.
    :param final: parameters by name, `(runs, *shape)`.
    :param first: loss before update 0; it, `last` and `best` in float64 on the CPU.
    :param kept: losses at `steps_kept`, `(runs, steps kept)`, float32.
    :param reasons: a sentence for each status.
    :param seconds: of all together.
    """

    engine: str
    problem: Problem
    final: Mapping[str, Tensor]
    first: Tensor
    last: Tensor
    best: Tensor
    steps: Tensor
    evaluations: Tensor
    kept: Tensor
    steps_kept: Sequence[int]
    statuses: Sequence[Status]
    reasons: Sequence[str]
    seconds: float


def make_rows(chunk: Chunk, ready: PreparedDescent, ended: FinishedRuns) -> tuple[Row, ...]:
    """Measure and judge every run that was not interrupted, and return the rows."""
    import torch

    with torch.no_grad():
        metrics = _measure_runs(ready, ended)
    statuses = list(map(str, ended.statuses))
    verdicts = _decide_verdicts(ready, ended, statuses, metrics)
    flat = torch.cat([tensor.reshape(len(tensor), -1) for tensor in ended.final.values()], dim=1)
    layout = ParameterLayout(
        tuple((name, tuple(tensor.shape[1:])) for name, tensor in ended.final.items()), tuple(ended.steps_kept)
    )
    count = len(chunk.members)
    points, seeds = zip(*chunk.members, strict=True)
    columns = {
        "key": [f"{chunk.keys[point]}-{seed}" for point, seed in chunk.members],
        "point": points,
        "seed": seeds,
        "status": statuses,
        "verdict": verdicts,
        "first": ended.first.tolist(),
        "last": ended.last.tolist(),
        "best": ended.best.tolist(),
        "steps": ended.steps.tolist(),
        "evaluations": ended.evaluations.tolist(),
        "seconds": [ended.seconds / count] * count,
        "engine": [ended.engine] * count,
        "reason": ended.reasons,
        "metrics": _metric_records(metrics, count),
        "parameters": _row_bytes(flat.double()),
        "trace": _row_bytes(ended.kept) if ended.steps_kept else [None] * count,
        "layout": [layout] * count,
    }
    rows = (Row(**dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True))
    return tuple(row for row in rows if row.status != Status.INTERRUPTED)


def _measure_runs(ready: PreparedDescent, ended: FinishedRuns) -> dict[str, Any]:
    """Let the task measure all runs at once, or one by one if it cannot."""
    import torch
    from torch.func import vmap

    def measure(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(ready.task.measure(ended.problem, parameters))

    try:
        measured = vmap(measure)(ended.final)
    except Exception:  # vmap refuses in many ways; a mistake of the task shows again below
        each = [measure({name: tensor[i] for name, tensor in ended.final.items()}) for i in range(len(ended.statuses))]
        measured = {name: torch.stack([one[name] for one in each]) for name in each[0]}
    return {name: tensor.numpy(force=True) for name, tensor in measured.items()}


def _decide_verdicts(
    ready: PreparedDescent, ended: FinishedRuns, statuses: Sequence[str], metrics: Mapping[str, Any]
) -> list[str]:
    """Judge all runs at once, by the scenario's expectations and by how they ended."""
    import numpy as np
    import torch

    measured = {
        **{name: tensor.numpy(force=True) for name, tensor in ended.final.items()},
        **metrics,
        "loss": ended.last.numpy(),
        "steps": ended.steps.numpy(),
        "evaluations": ended.evaluations.numpy(),
        "status": np.asarray(statuses),
    }
    expect, eps = ready.loaded.scenario.expect, torch.finfo(ready.setting.dtype).eps
    bad = np.isin(measured["status"], [str(status) for status in BAD_STATUSES])
    failed = np.zeros_like(bad) if "status" in expect else bad
    for name, check in expect.items():
        failed = failed | ~judge_runs(check, measured[name], eps) if name in measured else np.ones_like(bad)
    otherwise = str(Verdict.PASSED if expect else Verdict.NONE)
    return [str(Verdict.FAILED) if each else otherwise for each in failed.tolist()]


def _metric_records(metrics: Mapping[str, Any], count: int) -> list[dict[str, float]]:
    """Return the measured numbers of each run."""
    columns = {name: values.tolist() for name, values in metrics.items() if values.ndim == 1}
    if not columns:
        return [{}] * count
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _row_bytes(numbers: Tensor) -> list[bytes]:
    """Return the bytes of each row, little-endian."""
    array = numbers.numpy(force=True)
    if not array.shape[1]:  # no step, no loss to keep
        return [b""] * len(array)
    data, width = array.astype(array.dtype.newbyteorder("<")).tobytes(), array.shape[1] * array.itemsize
    return [data[start : start + width] for start in range(0, len(array) * width, width)]
