"""One chunk of runs: together when that is possible, else one after the other, with the reason."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import PlaygroundError
from playground.plugins.causes import ISOLATED, cause
from playground.plugins.manager import Plugins
from playground.plugins.signature import blaming, build
from playground.result import Loss, Run, Status, Verdict
from playground.runner.binding import bind
from playground.runner.expectations import UNWELCOME, holding
from playground.runner.measuring import stop_rules
from playground.runner.preparing import Prepared, prepared
from playground.runner.running import run_one
from playground.runner.store import Layout, Row
from playground.runner.sweeping.plan import Chunk, Parcel, digest
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from torch import Tensor

    from playground.engine.problem import Problem
    from playground.engine.replicas import Replicas
    from playground.engine.setting import Setting
    from playground.engine.task import DescentTask
    from playground.engine.traces import Traces

PIECE_SECONDS = 0.5
"""Seconds of runs one after the other between two looks at what is finished."""

Watch = Callable[["Traces"], None]
"""Gets the traces of a batch before it descends, to read while they grow."""


@dataclass(frozen=True)
class ChunkResult:
    """What a chunk gave.

    :param rows: in the order of the chunk's members; a run that was interrupted has none.
    :param note: why its runs did not descend together; empty if they did.
    :param interrupted: Ctrl-C came.
    """

    rows: tuple[Row, ...]
    note: str = ""
    interrupted: bool = False


def compute(chunk: Chunk, plugins: Plugins, watch: Watch | None = None) -> Iterator[ChunkResult]:
    """Run every member of a chunk: all of them together, or one after the other in several pieces.

    :param watch: gets the traces of runs that descend together, to show their progress.
    """
    if chunk.engine == "plain":
        yield from _one_by_one(chunk, plugins, chunk.note)
        return
    try:
        together = _together(chunk, plugins, watch)
    except ISOLATED as error:  # a component may raise for some replicas only: alone, each has its own answer
        yield from _one_by_one(chunk, plugins, _why_not(error))
    else:
        yield together


def obstacle(chunk: Chunk, plugins: Plugins) -> str:
    """Say why runs like the first ones of a chunk cannot descend together; empty if a step of theirs succeeds."""
    few = replace(chunk, members=(chunk.members[0], chunk.members[-1]))
    with prepared(few.points[few.members[0][0]], plugins) as ready:
        if ready.stepper is None:
            return "a task without a descent"
        try:
            stepper = _replicas(few, plugins, ready)
            stepper.evaluate(0)
            stepper.update(0)
        except ISOLATED as error:
            return _why_not(error)
    return ""


def _why_not(error: BaseException) -> str:
    from playground.engine.replicas import CannotBatchError

    return str(error) if isinstance(error, CannotBatchError | PlaygroundError) else cause(error)


def _together(chunk: Chunk, plugins: Plugins, watch: Watch | None) -> ChunkResult:
    """Let all members descend as replicas.

    :raises CannotBatchError: they cannot; a component may raise anything else.
    """
    from playground.engine.descent import descend
    from playground.engine.traces import Traces

    with prepared(chunk.points[chunk.members[0][0]], plugins) as ready:
        stepper = _replicas(chunk, plugins, ready)
        traces = Traces(stepper, ready.loaded.scenario.steps, stop_rules(ready), len(chunk.members))
        if watch is not None:
            watch(traces)
        descend(stepper, traces)
        return _result(chunk, ready, stepper, traces)


def _replicas(chunk: Chunk, plugins: Plugins, ready: Prepared) -> Replicas:
    """Give every member its own start, hyperparameters and order of mini-batches."""
    from playground.engine.gradients import Clip
    from playground.engine.replicas import ELEMENTWISE, RuleReplicas, TorchReplicas, stacked
    from playground.engine.update import UpdateRule, together

    scenario = ready.loaded.scenario
    optimizers = {index: _optimizer(loaded, plugins) for index, loaded in chunk.points.items()}
    mine = [optimizers[index] for index, _ in chunk.members]
    clip = Clip(scenario.clip.value, scenario.clip.norm) if scenario.clip else None
    seeds = [seed for _, seed in chunk.members]
    problem = ready.stepper.problem  # type: ignore[union-attr]
    parameters = stacked(_starts(chunk, plugins, ready))
    if isinstance(mine[0], UpdateRule):
        return RuleReplicas(problem, parameters, seeds, together(mine), ready.bound.schedule, clip)
    kind = mine[0].func
    elementwise = getattr(kind, "elementwise", kind in ELEMENTWISE)
    with blaming(plugins.registry.get("optimizer", scenario.components["optimizer"].name)):
        return TorchReplicas(problem, parameters, seeds, mine, elementwise, ready.bound.schedule, clip)


def _optimizer(loaded: Loaded, plugins: Plugins) -> Any:
    ref = loaded.scenario.components["optimizer"]
    return build(plugins.registry.get("optimizer", ref.name), ref.parameters)


def _starts(chunk: Chunk, plugins: Plugins, ready: Prepared) -> list[Mapping[str, Tensor]]:
    """Return every member's initial parameters; points that start alike share those of a seed."""
    from playground.engine.replicas import initial

    folder = Path(chunk.file).parent
    alike = {index: digest(loaded.scenario.section.get("start")) for index, loaded in chunk.points.items()}
    seeds: dict[str, dict[int, None]] = {}
    for index, seed in chunk.members:
        seeds.setdefault(alike[index], {})[seed] = None
    representatives = {group: chunk.points[index].scenario for index, group in alike.items()}
    drawn: dict[tuple[str, int], Mapping[str, Tensor]] = {}
    for group, wanted in seeds.items():
        task: Any = bind(representatives[group], plugins, folder).task
        parameters = initial(partial(_problem, task, ready.setting), list(wanted), ready.setting.device)
        drawn |= {(group, seed): each for seed, each in zip(wanted, parameters, strict=True)}
    return [drawn[alike[index], seed] for index, seed in chunk.members]


def _problem(task: DescentTask, setting: Setting, seed: int) -> Problem:
    return task.problem(replace(setting, seed=seed))


def _result(chunk: Chunk, ready: Prepared, stepper: Replicas, traces: Traces) -> ChunkResult:
    """Measure, judge and write down every run that was not interrupted."""
    import numpy as np
    import torch

    with torch.no_grad():
        metrics = _measured(ready, stepper)
    statuses = [str(status) for status in traces.statuses()]
    measured = {
        **{name: tensor.numpy(force=True) for name, tensor in stepper.final.items()},
        **metrics,
        "loss": traces.last.numpy(),
        "steps": traces.steps.numpy(),
        "evaluations": traces.evaluations().numpy(),
        "status": np.asarray(statuses),
    }
    verdicts = _verdicts(ready, measured)
    flat = (
        torch.cat([tensor.reshape(len(tensor), -1) for tensor in stepper.final.values()], dim=1).double().cpu().numpy()
    )
    kept = traces.kept.numpy()
    small = {name: values.tolist() for name, values in metrics.items() if values.ndim == 1}
    layout = Layout(
        tuple((name, tuple(tensor.shape[1:])) for name, tensor in stepper.final.items()), tuple(traces.steps_kept)
    )
    columns = (traces.first, traces.last, traces.best, traces.steps, traces.evaluations())
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    rows = [
        Row(
            f"{chunk.keys[point]}-{seed}",
            *(point, seed, statuses[i], verdicts[i], first, last, best, steps, evaluations),
            traces.seconds / len(chunk.members),
            "batched",
            reason=traces.reason(i),
            metrics={name: values[i] for name, values in small.items()},
            parameters=flat[i].tobytes(),
            trace=kept[i].tobytes(),
            layout=layout,
        )
        for i, ((point, seed), (first, last, best, steps, evaluations)) in enumerate(
            zip(chunk.members, numbers, strict=True)
        )
        if statuses[i] != Status.INTERRUPTED
    ]
    return ChunkResult(tuple(rows), interrupted=traces.interrupted)


def _measured(ready: Prepared, stepper: Replicas) -> dict[str, Any]:
    """Let the task measure all runs at once, or one after the other where it cannot."""
    import torch
    from torch.func import vmap

    task: Any = ready.bound.task

    def measure(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(task.measure(stepper.problem, parameters))

    try:
        measured = vmap(measure)(stepper.final)
    except Exception:  # vmap refuses in many ways; a mistake of the task shows again below
        count = len(next(iter(stepper.final.values())))
        each = [measure({name: tensor[i] for name, tensor in stepper.final.items()}) for i in range(count)]
        measured = {name: torch.stack([one[name] for one in each]) for name in each[0]}
    return {name: tensor.numpy(force=True) for name, tensor in measured.items()}


def _verdicts(ready: Prepared, measured: Mapping[str, Any]) -> list[str]:
    """Judge all runs at once, by the scenario's expectations and by how they ended."""
    import numpy as np
    import torch

    expect, eps = ready.loaded.scenario.expect, torch.finfo(ready.setting.dtype).eps
    bad = np.isin(measured["status"], [str(status) for status in UNWELCOME])
    failed = np.zeros_like(bad) if "status" in expect else bad
    for name, check in expect.items():
        failed = failed | ~holding(check, measured[name], eps) if name in measured else np.ones_like(bad)
    otherwise = Verdict.PASSED if expect else Verdict.NONE
    return [str(Verdict.FAILED if each else otherwise) for each in failed]


def _one_by_one(chunk: Chunk, plugins: Plugins, note: str) -> Iterator[ChunkResult]:
    """Run every member alone, and hand over what is finished in small pieces."""
    from playground.engine.traces import thinned_steps

    kept = thinned_steps(chunk.points[chunk.members[0][0]].scenario.steps)
    rows: list[Row] = []
    since = time.perf_counter()
    for point, seed in chunk.members:
        run = _alone(chunk.points[point], seed, plugins)
        if run.status is Status.INTERRUPTED:
            yield ChunkResult(tuple(rows), note, interrupted=True)
            return
        rows.append(_row(run, f"{chunk.keys[point]}-{seed}", point, kept))
        if time.perf_counter() - since > PIECE_SECONDS:
            yield ChunkResult(tuple(rows), note)
            rows, since = [], time.perf_counter()
    yield ChunkResult(tuple(rows), note)


def _alone(loaded: Loaded, seed: int, plugins: Plugins) -> Run:
    """Run one member; what is not valid for this seed only is an error of this run."""
    scenario = loaded.scenario.model_copy(update={"seed": seed})
    try:
        return run_one(replace(loaded, scenario=scenario), plugins)
    except PlaygroundError as error:
        reason = "; ".join(fault.message for fault in error.faults)
        return Run(scenario.name, "", seed, Status.ERROR, Verdict.FAILED, reason=reason)


def _row(run: Run, key: str, point: int, kept: Sequence[int]) -> Row:
    """Return a run alone as a row."""
    import numpy as np

    losses = [run.trace.loss[step] if step < len(run.trace.loss) else math.nan for step in kept]
    flat = [np.ravel(np.asarray(value, dtype="<f8")) for value in run.parameters.values()]
    loss = run.loss or Loss(math.nan, math.nan, math.nan)
    return Row(
        key,
        *(point, run.seed, str(run.status), str(run.verdict), loss.first, loss.last, loss.best),
        *(run.steps, run.evaluations, run.seconds, "plain"),
        reason=run.reason,
        metrics={name: float(value) for name, value in run.metrics.items() if isinstance(value, int | float)},
        parameters=np.concatenate(flat).tobytes() if flat else None,
        trace=np.asarray(losses, dtype="<f4").tobytes() if run.trace.loss else None,
        layout=Layout(
            tuple((name, np.shape(value)) for name, value in run.parameters.items()),
            tuple(kept) if run.trace.loss else (),
        ),
    )


def lost(chunk: Chunk | Parcel, reason: str) -> ChunkResult:
    """Return rows with status `error` for the runs of a chunk that took its process down."""
    nan = math.nan
    rows = [
        Row(
            f"{chunk.keys[point]}-{seed}",
            *(point, seed, str(Status.ERROR), str(Verdict.FAILED), nan, nan, nan, 0, 0, nan, "plain"),
            reason=reason,
        )
        for point, seed in chunk.members
    ]
    return ChunkResult(tuple(rows), reason)
