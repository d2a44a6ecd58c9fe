"""Measures and judges runs that descended in one batch, and returns them as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playground.result import Status, Verdict
from playground.runner.single.expectations import BAD_STATUSES, judge_runs
from playground.runner.single.prepared import PreparedDescent
from playground.runner.store import ParameterLayout, RunColumns
from playground.runner.store.run_columns import STATUSES, VERDICTS
from playground.runner.sweeping.plan import Chunk

if TYPE_CHECKING:
    from numpy.typing import NDArray
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
    :param statuses: indices in `STATUSES`.
    :param reasons: why a run ended, by run; those that used their budget have none.
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
    statuses: Tensor
    reasons: Mapping[int, str]
    seconds: float


def make_columns(chunk: Chunk, ready: PreparedDescent, ended: FinishedRuns) -> RunColumns:
    """Measure and judge every run that was not interrupted, and return the runs as columns."""
    import numpy as np
    import torch

    with torch.no_grad():
        metrics = _measure_runs(ready, ended)
    statuses, count = ended.statuses.numpy(force=True), len(chunk.members)
    reasons, reason = _number_texts(ended.reasons, count)
    flat = torch.cat([tensor.reshape(len(tensor), -1) for tensor in ended.final.values()], dim=1)
    runs = RunColumns(
        keys=chunk.keys,
        point=chunk.members.point,
        seed=chunk.members.seed,
        status=statuses.astype(np.uint8),
        verdict=_decide_verdicts(ready, ended, statuses, metrics),
        first=ended.first.numpy(),
        last=ended.last.numpy(),
        best=ended.best.numpy(),
        steps=ended.steps.numpy(),
        evaluations=ended.evaluations.numpy(),
        seconds=np.full(count, ended.seconds / count),
        engine=ended.engine,
        reason=reason,
        reasons=reasons,
        metrics={name: values.astype(np.float64) for name, values in metrics.items() if values.ndim == 1},
        parameters=flat.double().numpy(force=True),
        trace=ended.kept.numpy(force=True) if ended.steps_kept else None,
        layout=ParameterLayout(
            tuple((name, tuple(tensor.shape[1:])) for name, tensor in ended.final.items()), tuple(ended.steps_kept)
        ),
    )
    finished = runs.status != STATUSES.index(str(Status.INTERRUPTED))
    return runs if finished.all() else runs.take(finished)


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
    ready: PreparedDescent, ended: FinishedRuns, statuses: NDArray[Any], metrics: Mapping[str, Any]
) -> NDArray[Any]:
    """Judge all runs at once, by the scenario's expectations and by how they ended; return codes of verdicts."""
    import numpy as np
    import torch

    expect, eps = ready.loaded.scenario.expect, torch.finfo(ready.setting.dtype).eps
    measured = {
        **{name: tensor.numpy(force=True) for name, tensor in ended.final.items()},
        **metrics,
        "loss": ended.last.numpy(),
        "steps": ended.steps.numpy(),
        "evaluations": ended.evaluations.numpy(),
    }
    if "status" in expect:
        measured["status"] = np.array(STATUSES)[statuses]
    bad = np.isin(statuses, [STATUSES.index(str(status)) for status in BAD_STATUSES])
    failed = np.zeros_like(bad) if "status" in expect else bad
    for name, check in expect.items():
        failed = failed | ~judge_runs(check, measured[name], eps) if name in measured else np.ones_like(bad)
    otherwise = str(Verdict.PASSED if expect else Verdict.NONE)
    codes = np.where(failed, VERDICTS.index(str(Verdict.FAILED)), VERDICTS.index(otherwise))
    return codes.astype(np.uint8)


def _number_texts(texts: Mapping[int, str], count: int) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Return the distinct texts, the empty one first, and for each run the index of its text.

    :param texts: by run; a run without one has the empty text.
    """
    import numpy as np

    numbers = {"": 0}
    codes = np.zeros(count, dtype=np.int64)
    for run, text in texts.items():
        codes[run] = numbers.setdefault(text, len(numbers))
    return tuple(numbers), codes
