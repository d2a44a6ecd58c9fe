"""Runs of a chunk as replicas: they start, descend, are measured, judged and written down all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.result import Status
from playground.runner.loading.binding import bind
from playground.runner.single.measuring import stop_rules
from playground.runner.single.prepared import PreparedDescent
from playground.runner.sweeping.columns import FinishedRuns, make_columns
from playground.runner.sweeping.engines.interface import Watch
from playground.runner.sweeping.engines.refusals import require_descent
from playground.runner.sweeping.plan import Chunk, ChunkResult, digest
from playground.runner.sweeping.prepared_cache import PreparedCache
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.problem import Problem
    from playground.core.setting import Setting
    from playground.core.steppers import Schedule
    from playground.core.task import DescentTask
    from playground.core.traces import DescendingRuns, ReplicaTraces

DescendingRunsType = TypeVar("DescendingRunsType", bound="DescendingRuns")


@dataclass(frozen=True)
class ChunkStart:
    """What the members of a chunk begin with, each in its place.

    :param parameters: initial ones by name, `(runs, *shape)`.
    :param seeds: for the order of mini-batches.
    :param optimizers: update rules, or what makes a `torch.optim.Optimizer`; those of one point are one object.
    """

    parameters: Mapping[str, Tensor]
    seeds: Sequence[int]
    optimizers: Sequence[Any]

    def select(self, which: Sequence[int]) -> ChunkStart:
        """Return the start of some of the members."""
        return ChunkStart(
            {name: tensor[list(which)] for name, tensor in self.parameters.items()},
            [self.seeds[run] for run in which],
            [self.optimizers[run] for run in which],
        )


def run_vectorized(
    chunk: Chunk,
    cache: PreparedCache,
    watch: Watch | None,
    build_runs: Callable[[ChunkStart, PreparedDescent], DescendingRunsType],
    descend: Callable[[DescendingRunsType, ReplicaTraces], None],
) -> ChunkResult:
    """Let all members descend as replicas.

    Ctrl-C ends the descent of those that are under way; the runs that are over are measured and returned.

    :param watch: gets the traces, to show their progress.
    :param build_runs: makes what moves the members; a component may raise anything.
    :param descend: lets them descend until all are over.
    """
    from playground.core.interrupts import defer_interrupts, is_stop_requested
    from playground.core.traces import ReplicaTraces

    with cache.prepare(chunk.first, chunk.family) as prepared:
        ready = require_descent(prepared)
        start = begin_replicas(chunk, cache, ready)
        runs = build_runs(start, ready)
        traces = ReplicaTraces(runs, ready.loaded.scenario.steps, stop_rules(ready), len(start.seeds))
        if watch is not None:
            watch(traces)
        with defer_interrupts():
            descend(runs, traces)
            finished = _collect_finished(chunk.engine, start, runs, traces, ready.bound.schedule)
            return ChunkResult(
                tables=(make_columns(chunk, ready, finished),),
                note=chunk.note,
                interrupted=traces.interrupted or is_stop_requested(),
            )


def begin_replicas(chunk: Chunk, cache: PreparedCache, ready: PreparedDescent) -> ChunkStart:
    """Draw every member's initial parameters, and build its optimizer; points that start alike share those of a seed.

    :raises CannotBatchError: the runs differ in more than that.
    """
    import numpy as np
    import torch

    from playground.core.replicas import draw_parameters

    members, folder = chunk.members, Path(chunk.file).parent
    alike: dict[str, list[int]] = {}
    for index, loaded in chunk.points.items():
        alike.setdefault(digest(loaded.scenario.section.get("start")), []).append(index)
    number = {index: place for place, points in enumerate(alike.values()) for index in points}
    groups = np.array([number[index] for index in members.point.tolist()])
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.searchsorted(groups[order], np.arange(1, len(alike))))
    which = torch.empty(len(members), dtype=torch.long)
    drawn: list[Mapping[str, Tensor]] = []
    count = 0
    for (group, points), mine in zip(alike.items(), parts, strict=True):
        seeds, places = np.unique(members.seed[mine], return_inverse=True)
        loaded = chunk.points[points[0]]

        def draw(seeds: Sequence[int], loaded: Loaded = loaded, group: str = group) -> Mapping[str, Tensor]:
            prepared = group == digest(ready.loaded.scenario.section.get("start"))
            task: Any = ready.task if prepared else bind(loaded.scenario, cache.plugins, folder).task
            return draw_parameters(partial(_build_problem, task, ready.setting), seeds, ready.setting.device)

        drawn.append(cache.draw_starts(loaded, seeds.tolist(), draw))
        which[torch.from_numpy(mine)] = torch.from_numpy(places) + count
        count += len(seeds)
    optimizers = {index: _build_optimizer(loaded, cache.plugins) for index, loaded in chunk.points.items()}
    return ChunkStart(
        {name: torch.cat([each[name] for each in drawn])[which] for name in drawn[0]},
        members.seed.tolist(),
        [optimizers[index] for index in members.point.tolist()],
    )


def _build_problem(task: DescentTask, setting: Setting, seed: int) -> Problem:
    return task.problem(replace(setting, seed=seed))


def _build_optimizer(loaded: Loaded, plugins: Plugins) -> Any:
    ref = loaded.scenario.components["optimizer"]
    return build(plugins.registry.get("optimizer", ref.name), ref.parameters)


def _collect_finished(
    engine: str,
    start: ChunkStart,
    runs: DescendingRuns,
    traces: ReplicaTraces,
    schedule: Schedule | None,
) -> FinishedRuns:
    """Return what the members came to."""
    return FinishedRuns(
        engine=engine,
        problem=runs.problem,
        final=runs.final,
        first=traces.first,
        last=traces.last,
        best=traces.best,
        steps=traces.steps,
        evaluations=traces.evaluations(),
        kept=traces.kept,
        steps_kept=traces.steps_kept,
        statuses=traces.status,
        reasons=_describe_reasons(start, runs, traces, schedule),
        seconds=traces.seconds,
    )


def _describe_reasons(
    start: ChunkStart, runs: DescendingRuns, traces: ReplicaTraces, schedule: Schedule | None
) -> dict[int, str]:
    """Return why runs ended and, if badly, where and at which rate, in the words of a single run; by run."""
    import torch

    from playground.core.diagnosis import describe_culprits, describe_exceeded_bounds, last_factor
    from playground.core.traces import STATUSES
    from playground.core.update import UpdateRule

    reasons = {run: text for run, text in enumerate(traces.reasons()) if text}
    codes = torch.tensor([STATUSES.index(status) for status in (Status.DIVERGED, Status.NONFINITE)])
    bad = torch.isin(traces.status, codes).nonzero().squeeze(1).tolist()
    if not bad:
        return reasons
    chosen: tuple[Mapping[str, Tensor], ...] = tuple(
        {name: tensor[bad] for name, tensor in each.items()} for each in (runs.final, runs.steepest, start.parameters)
    )
    where, rates = describe_culprits(chosen[0], chosen[1]), [""] * len(bad)
    rules = [start.optimizers[run] for run in bad]
    if isinstance(rules[0], UpdateRule):
        with suppress(
            *ISOLATED_EXCEPTIONS
        ):  # a component that cannot be evaluated in float64 costs the bounds, not the runs
            steps = traces.steps[bad].tolist()
            factors = [last_factor(schedule, each) for each in steps]
            rates = describe_exceeded_bounds(runs.problem, chosen[2], rules, factors)
    for run, *parts in zip(bad, where, rates, strict=True):
        reasons[run] = "; ".join(filter(None, (reasons[run], *parts)))
    return reasons
