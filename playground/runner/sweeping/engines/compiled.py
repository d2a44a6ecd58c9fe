"""The engine that compiles many runs into one program; nothing else in the runner uses `core/compiled`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from playground.plugins.causes import ISOLATED_EXCEPTIONS, describe_exception
from playground.runner.single.measuring import stop_rules
from playground.runner.single.prepared import PreparedDescent
from playground.runner.single.preparing import scenario_clip
from playground.runner.sweeping.engines.interface import CannotComputeError, Computation, Trial, Watch
from playground.runner.sweeping.engines.refusals import require_descent
from playground.runner.sweeping.engines.vectorized import ChunkStart, begin_replicas, run_vectorized
from playground.runner.sweeping.plan import Chunk
from playground.runner.sweeping.prepared_cache import PreparedCache

if TYPE_CHECKING:
    from playground.core.compiled import CompiledReplicas
    from playground.core.traces import ReplicaTraces


class CompiledEngine:
    """Runs as lanes of one program for this CPU."""

    name = "compiled"

    def examine(self, trial: Trial) -> str:
        """Compile the program, if that is possible and pays."""
        from playground.core.compiled import CannotCompileError, NotWorthCompilingError

        with trial.prepare() as prepared:
            ready = require_descent(prepared)
            start = begin_replicas(trial.chunk, trial.cache, ready)
            try:
                return _account(start, ready, trial.cache, trial.runs)
            except NotWorthCompilingError as error:  # the batch is done sooner, which needs no note
                raise CannotComputeError("") from error
            except CannotCompileError as error:
                raise CannotComputeError(str(error)) from error
            except ISOLATED_EXCEPTIONS as error:  # a compiler has many parts, and a component may surprise any of them
                raise CannotComputeError(f"compiling raises {describe_exception(error)}") from error

    def chunk_size(self, trial: Trial, memory: int) -> int:
        """Return how many runs the memory holds, to a limit."""
        from playground.core.compiled import chunk_size

        with trial.prepare() as ready:
            problem, steps = require_descent(ready).problem, ready.loaded.scenario.steps
            return chunk_size(problem, problem.parameters, memory, steps)

    def compute(self, chunk: Chunk, cache: PreparedCache, watch: Watch | None) -> Computation:
        """Compute all runs by one program; it judges them and records their losses itself.

        :raises CannotComputeError: they need several programs, or none is possible.
        """
        from playground.core.compiled import CannotCompileError, RunsDifferError

        left_out: list[int] = []

        def descend(runs: CompiledReplicas, traces: ReplicaTraces) -> None:
            runs.descend(traces)
            left_out.extend(runs.left_out.nonzero().flatten().tolist())

        try:
            yield run_vectorized(chunk, cache, watch, partial(_compile_replicas, cache=cache), descend)
        except RunsDifferError as error:
            raise CannotComputeError(str(error), parts=error.groups()) from error
        except CannotCompileError as error:
            raise CannotComputeError(str(error)) from error
        return left_out


def _account(start: ChunkStart, ready: PreparedDescent, cache: PreparedCache, runs: int | None) -> str:
    """Compile the program of the first and the last member, or of the first if they have different ones."""
    from playground.core.compiled import RunsDifferError

    try:
        return _compile_replicas(start, ready, cache, runs).account
    except RunsDifferError as error:
        return f"{_compile_replicas(start.select([0]), ready, cache, runs).account}; several programs, since {error}"


def _compile_replicas(
    start: ChunkStart, ready: PreparedDescent, cache: PreparedCache, runs: int | None = None
) -> CompiledReplicas:
    """Return the members as one compiled program: the last one of their family, if it is theirs too.

    :param cache: keeps that program.
    :param runs: how many runs will use it, if it is to be compiled only where that saves time.
    :raises CannotCompileError: they are no fixed scalar program.
    """
    from playground.core.compiled import CompiledReplicas, KeptProgram
    from playground.core.movers import make_mover

    return CompiledReplicas(
        ready.problem,
        dict(start.parameters),
        start.seeds,
        make_mover(start.optimizers),
        ready.loaded.scenario.steps,
        stop_rules(ready),
        ready.bound.schedule,
        scenario_clip(ready.loaded.scenario),
        runs=runs,
        over_all_data=ready.loaded.scenario.trace_loss == "all_data",
        kept=cache.kept.setdefault(CompiledEngine.name, KeptProgram()),
    )
