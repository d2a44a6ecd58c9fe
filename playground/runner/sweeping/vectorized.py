"""Runs of a chunk as replicas: they start, descend, are measured, judged and written down all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.figures.text import module_label
from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.plugins.manager import Plugins
from playground.plugins.signature import blame_component, build
from playground.result import Status
from playground.runner.loading.binding import bind
from playground.runner.single.measuring import stop_rules
from playground.runner.single.preparing import Prepared, prepare
from playground.runner.sweeping.plan import Chunk, ChunkResult, digest
from playground.runner.sweeping.rows import FinishedRuns, make_rows
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.compiled import CompiledReplicas
    from playground.core.gradients import Clip
    from playground.core.problem import Problem
    from playground.core.replicas import Replicas
    from playground.core.setting import Setting
    from playground.core.steppers import OneRun, Schedule
    from playground.core.task import DescentTask
    from playground.core.traces import ReplicaTraces

Watch = Callable[["ReplicaTraces"], None]
"""Gets the traces of a batch before it descends, to read while they grow."""


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


def run_vectorized(chunk: Chunk, plugins: Plugins, watch: Watch | None = None) -> ChunkResult:
    """Let all members descend as replicas.

    Ctrl-C ends the descent of those that are under way; the runs that are over are measured and returned.

    :param watch: gets the traces, to show their progress.
    :raises CannotCompileError: they cannot as a program, if that is the chunk's engine.
    :raises CannotBatchError: they cannot; a component may raise anything else.
    """
    from playground.core.compiled import CompiledReplicas
    from playground.core.descent import descend
    from playground.core.interrupts import defer_interrupts, is_stop_requested

    with prepare(chunk.points[chunk.members[0][0]], plugins) as ready:
        beginning = begin_replicas(chunk, plugins, ready)
        stepper, traces = _build_descent(chunk, plugins, ready, beginning)
        if watch is not None:
            watch(traces)
        with defer_interrupts():
            if isinstance(stepper, CompiledReplicas):
                stepper.descend(traces)
            else:
                descend(stepper, traces)
            ended = _collect_finished(chunk.engine, beginning, stepper, traces, ready.bound.schedule)
            return ChunkResult(make_rows(chunk, ready, ended), chunk.note, traces.interrupted or is_stop_requested())


def try_first_steps(chunk: Chunk, plugins: Plugins, ready: Prepared) -> None:
    """Let all members make their first steps, and compare some with plain PyTorch.

    :raises CannotBatchError: they cannot, or come out otherwise; a component may raise anything else.
    """
    beginning = begin_replicas(chunk, plugins, ready)
    stepper = _build_replicas(beginning, chunk, plugins, ready)
    stepper.evaluate(0)
    stepper.update(0)
    _require_agreement(beginning, chunk, plugins, ready)


def _require_agreement(beginning: ChunkStart, chunk: Chunk, plugins: Plugins, ready: Prepared) -> None:
    """Compare the first steps of the first, a middle and the last member with the same runs alone.

    :raises DisagreementError: they differ by more than rounding.
    """
    from playground.core.replicas.batch_agreement import require_agreement
    from playground.core.steppers import RuleStepper, TorchStepper
    from playground.core.update import UpdateRule

    count = len(beginning.seeds)
    which = sorted({0, count // 2, count - 1})
    few = ChunkStart(
        {name: tensor[which] for name, tensor in beginning.parameters.items()},
        [beginning.seeds[run] for run in which],
        [beginning.optimizers[run] for run in which],
    )
    schedule, clip, steps = ready.bound.schedule, _scenario_clip(ready), ready.loaded.scenario.steps

    def alone(problem: Problem, run: int) -> OneRun:
        kind: Any = RuleStepper if isinstance(few.optimizers[run], UpdateRule) else TorchStepper
        stepper: OneRun = kind(problem, few.optimizers[run], schedule, clip)
        return stepper

    require_agreement(_build_replicas(few, chunk, plugins, ready), few.seeds, alone, steps, stop_rules(ready))


def begin_replicas(chunk: Chunk, plugins: Plugins, ready: Prepared) -> ChunkStart:
    """Draw every member's initial parameters, and build its optimizer; points that start alike share those of a seed.

    :raises CannotBatchError: the runs differ in more than that.
    """
    from playground.core.replicas import initial_parameters, stack_parameters

    folder = Path(chunk.file).parent
    alike = {index: digest(loaded.scenario.section.get("start")) for index, loaded in chunk.points.items()}
    wanted: dict[str, dict[int, None]] = {}
    for index, seed in chunk.members:
        wanted.setdefault(alike[index], {})[seed] = None
    representatives = {group: chunk.points[index].scenario for index, group in alike.items()}
    drawn: list[Mapping[str, Tensor]] = []
    for group, seeds in wanted.items():
        task: Any = bind(representatives[group], plugins, folder).task
        drawn += initial_parameters(partial(_build_problem, task, ready.setting), list(seeds), ready.setting.device)
    places = {(group, seed): place for place, (group, seed) in enumerate((g, s) for g in wanted for s in wanted[g])}
    which = [places[alike[index], seed] for index, seed in chunk.members]
    optimizers = {index: _build_optimizer(loaded, plugins) for index, loaded in chunk.points.items()}
    return ChunkStart(
        {name: tensor[which] for name, tensor in stack_parameters(drawn).items()},
        [seed for _, seed in chunk.members],
        [optimizers[index] for index, _ in chunk.members],
    )


def _build_problem(task: DescentTask, setting: Setting, seed: int) -> Problem:
    return task.problem(replace(setting, seed=seed))


def _build_optimizer(loaded: Loaded, plugins: Plugins) -> Any:
    ref = loaded.scenario.components["optimizer"]
    return build(plugins.registry.get("optimizer", ref.name), ref.parameters)


def compile_replicas(beginning: ChunkStart, ready: Prepared, runs: int | None = None) -> CompiledReplicas:
    """Return the members as one compiled program.

    :param runs: how many runs will use it, if it is to be compiled only where that saves time.
    :raises CannotCompileError: they are no fixed scalar program.
    """
    from playground.core.compiled import CannotCompileError, CompiledReplicas
    from playground.core.update import UpdateRule
    from playground.core.update import stack_rules as one_rule

    first = beginning.optimizers[0]
    if not isinstance(first, UpdateRule):
        kind = first.func
        room = "torch.optim" if kind.__module__.startswith("torch.optim.") else module_label(kind.__module__)
        raise CannotCompileError(f"{room}.{kind.__qualname__} is not a compiled rule")
    return CompiledReplicas(
        ready.stepper.problem,  # type: ignore[union-attr]
        dict(beginning.parameters),
        beginning.seeds,
        one_rule(beginning.optimizers),
        ready.loaded.scenario.steps,
        stop_rules(ready),
        ready.bound.schedule,
        _scenario_clip(ready),
        runs=runs,
    )


def _build_descent(
    chunk: Chunk, plugins: Plugins, ready: Prepared, beginning: ChunkStart
) -> tuple[Replicas | CompiledReplicas, ReplicaTraces]:
    """Return what moves the members and what records them; beside their twins, if anybody asks who is sensitive."""
    from playground.core.sensitivity import TwinTraces, append_twins
    from playground.core.traces import ReplicaTraces

    steps, stop = ready.loaded.scenario.steps, stop_rules(ready)
    if chunk.sensitivity:
        parameters = append_twins(dict(beginning.parameters))
        beginning = ChunkStart(parameters, [*beginning.seeds] * 3, [*beginning.optimizers] * 3)
    if chunk.engine == "compiled":
        program = compile_replicas(beginning, ready)
        return program, ReplicaTraces(program, steps, stop, len(beginning.seeds))  # type: ignore[arg-type]  # settles by itself
    _require_agreement(beginning, chunk, plugins, ready)
    stepper = _build_replicas(beginning, chunk, plugins, ready)
    return stepper, (TwinTraces if chunk.sensitivity else ReplicaTraces)(stepper, steps, stop, len(beginning.seeds))


def _build_replicas(beginning: ChunkStart, chunk: Chunk, plugins: Plugins, ready: Prepared) -> Replicas:
    """Return the stepper that fits the optimizers."""
    from playground.core.replicas import ELEMENTWISE_OPTIMIZERS, RuleReplicas, TorchReplicas
    from playground.core.update import UpdateRule
    from playground.core.update import stack_rules as one_rule

    scenario, schedule, optimizers = ready.loaded.scenario, ready.bound.schedule, beginning.optimizers
    clip = _scenario_clip(ready)
    problem = ready.stepper.problem  # type: ignore[union-attr]
    common = (problem, dict(beginning.parameters), beginning.seeds)
    if isinstance(optimizers[0], UpdateRule):
        return RuleReplicas(*common, one_rule(optimizers), schedule, clip)
    kind = optimizers[0].func
    elementwise = getattr(kind, "elementwise", kind in ELEMENTWISE_OPTIMIZERS)
    with blame_component(plugins.registry.get("optimizer", scenario.components["optimizer"].name)):
        return TorchReplicas(*common, optimizers, elementwise, schedule, clip)


def _scenario_clip(ready: Prepared) -> Clip | None:
    from playground.core.gradients import Clip

    clip = ready.loaded.scenario.clip
    return Clip(clip.value, clip.norm) if clip else None


def _find_sensitive(count: int, stepper: Replicas | CompiledReplicas, traces: ReplicaTraces) -> Sequence[bool | None]:
    """Tell which members came apart from their twins, if they have any."""
    from playground.core.compiled.twins import find_parted
    from playground.core.sensitivity import TwinTraces

    if isinstance(traces, TwinTraces):
        return traces.sensitive.tolist()
    return find_parted(traces, stepper.final).tolist() if len(traces.steps) > count else [None] * count


def _collect_finished(
    engine: str,
    beginning: ChunkStart,
    stepper: Replicas | CompiledReplicas,
    traces: ReplicaTraces,
    schedule: Schedule | None,
) -> FinishedRuns:
    """Return what the members came to, without their twins."""
    count = len(beginning.seeds)
    return FinishedRuns(
        engine=engine,
        problem=stepper.problem,
        final={name: tensor[:count] for name, tensor in stepper.final.items()},
        first=traces.first[:count],
        last=traces.last[:count],
        best=traces.best[:count],
        steps=traces.steps[:count],
        evaluations=traces.evaluations()[:count],
        kept=traces.kept[:count],
        steps_kept=traces.steps_kept,
        statuses=traces.statuses()[:count],
        reasons=_describe_reasons(beginning, stepper, traces, schedule),
        sensitive=_find_sensitive(count, stepper, traces),
        seconds=traces.seconds,
    )


def _describe_reasons(
    beginning: ChunkStart, stepper: Replicas | CompiledReplicas, traces: ReplicaTraces, schedule: Schedule | None
) -> list[str]:
    """Say of each run why it ended, and of those that ended badly, where and by which rate, as of a run alone."""
    from playground.core.diagnosis import describe_culprits, describe_exceeded_bounds, last_factor
    from playground.core.update import UpdateRule

    count = len(beginning.seeds)
    reasons = traces.reasons()[:count]
    bad = [run for run, status in enumerate(traces.statuses()[:count]) if status in (Status.DIVERGED, Status.NONFINITE)]
    if not bad:
        return reasons
    chosen: tuple[Mapping[str, Tensor], ...] = tuple(
        {name: tensor[bad] for name, tensor in each.items()}
        for each in (stepper.final, stepper.steepest, beginning.parameters)
    )
    where, rates = describe_culprits(chosen[0], chosen[1]), [""] * len(bad)
    rules = [beginning.optimizers[run] for run in bad]
    if isinstance(rules[0], UpdateRule):
        with suppress(
            *ISOLATED_EXCEPTIONS
        ):  # a component that cannot be evaluated in float64 costs the bounds, not the runs
            steps = traces.steps[:count][bad].tolist()
            factors = [last_factor(schedule, each) for each in steps]
            rates = describe_exceeded_bounds(stepper.problem, chosen[2], rules, factors)
    for run, *parts in zip(bad, where, rates, strict=True):
        reasons[run] = "; ".join(filter(None, (reasons[run], *parts)))
    return reasons
