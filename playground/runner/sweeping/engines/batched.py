"""The engine that moves many runs as one batch of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.plugins.manager import Plugins
from playground.plugins.signature import blame_component
from playground.runner.single.measuring import stop_rules
from playground.runner.single.prepared import PreparedDescent
from playground.runner.single.preparing import scenario_clip
from playground.runner.sweeping.engines.interface import CannotComputeError, Computation, Trial, Watch
from playground.runner.sweeping.engines.refusals import describe_refusal, require_descent
from playground.runner.sweeping.engines.vectorized import ChunkStart, begin_replicas, run_vectorized
from playground.runner.sweeping.plan import Chunk
from playground.runner.sweeping.prepared_cache import PreparedCache

if TYPE_CHECKING:
    from playground.core.problem import Problem
    from playground.core.replicas import Replicas
    from playground.core.steppers import OneRun
    from playground.core.traces import ReplicaTraces


class BatchedEngine:
    """Runs as replicas: one tensor axis in front of every parameter, and the loop that one run has."""

    name = "batched"

    def examine(self, trial: Trial) -> str:
        """Let the runs make their first steps, and compare those with plain PyTorch."""
        with trial.prepare() as prepared:
            ready = require_descent(prepared)
            start = begin_replicas(trial.chunk, trial.cache, ready)
            replicas = _build_replicas(start, trial.cache.plugins, ready)
            replicas.evaluate(0)
            replicas.update(0)
            _require_agreement(start, trial.cache.plugins, ready)
        return ""

    def chunk_size(self, trial: Trial, memory: int) -> int:
        """Return how many runs are fastest together, as far as they fit the memory and are stored in time."""
        from playground.core.replicas import chunk_size, storage_chunk_size

        with trial.prepare() as ready:
            problem, steps = require_descent(ready).problem, ready.loaded.scenario.steps
            size = chunk_size(problem, problem.parameters, memory)
            return min(size, storage_chunk_size(problem, problem.parameters, steps))

    def compute(self, chunk: Chunk, cache: PreparedCache, watch: Watch | None) -> Computation:
        """Compute all runs together; if they disagree with plain PyTorch, none is computed here, nor are halves.

        :raises CannotComputeError: they cannot descend together, or a component raises for one of them.
        """
        from playground.core.descent import descend
        from playground.core.replicas import DisagreementError

        def build(start: ChunkStart, ready: PreparedDescent) -> Replicas:
            _require_agreement(start, cache.plugins, ready)
            return _build_replicas(start, cache.plugins, ready)

        def descend_traced(runs: Replicas, traces: ReplicaTraces) -> None:
            if chunk.first.scenario.trace_loss == "all_data":
                traces.full_loss = runs.full_loss
            descend(runs, traces)

        try:
            result = run_vectorized(chunk, cache, watch, build, descend_traced)
        except DisagreementError as error:
            raise CannotComputeError(str(error)) from error
        except ISOLATED_EXCEPTIONS as error:
            raise CannotComputeError(describe_refusal(error), divisible=True) from error
        yield result
        return ()


def _require_agreement(start: ChunkStart, plugins: Plugins, ready: PreparedDescent) -> None:
    """Compare the first steps of the first, a middle and the last member with the same runs alone.

    :raises DisagreementError: they differ by more than rounding.
    """
    from playground.core.replicas.batch_agreement import require_agreement
    from playground.core.steppers import make_stepper

    count = len(start.seeds)
    few = start.select(sorted({0, count // 2, count - 1}))
    scenario, schedule = ready.loaded.scenario, ready.bound.schedule

    def alone(problem: Problem, run: int) -> OneRun:
        return make_stepper(problem, few.optimizers[run], schedule, scenario_clip(scenario))

    require_agreement(_build_replicas(few, plugins, ready), few.seeds, alone, scenario.steps, stop_rules(ready))


def _build_replicas(start: ChunkStart, plugins: Plugins, ready: PreparedDescent) -> Replicas:
    """Return the stepper that fits the optimizers."""
    from playground.core.movers import RuleMover, make_mover
    from playground.core.replicas import RuleReplicas, TorchReplicas

    scenario, schedule, optimizers = ready.loaded.scenario, ready.bound.schedule, start.optimizers
    clip = scenario_clip(scenario)
    common = (ready.problem, dict(start.parameters), start.seeds)
    mover = make_mover(optimizers)
    if isinstance(mover, RuleMover):
        return RuleReplicas(*common, mover.rule, schedule, clip)
    with blame_component(plugins.registry.get("optimizer", scenario.components["optimizer"].name)):
        return TorchReplicas(*common, optimizers, mover.is_elementwise, schedule, clip)
