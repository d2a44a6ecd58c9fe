"""Which engine computes some runs, and why: compiled if that can be and pays, else batched, else one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from playground.errors import PlaygroundError
from playground.plugins.causes import ISOLATED_EXCEPTIONS, cause
from playground.plugins.manager import Plugins
from playground.runner.single.preparing import Prepared, prepare
from playground.runner.sweeping.plan import Chunk
from playground.runner.sweeping.vectorized import ChunkStart, begin_replicas, compile_replicas, try_first_steps

ENGINES = ("auto", "compiled", "batched", "plain")
"""What can be asked for; of what cannot be had, the next one is taken."""


@dataclass(frozen=True)
class EngineChoice:
    """An engine for a family of runs.

    :param note: what there is to say about it, which begins with its name: what was compiled, or why it is not another.
    """

    engine: str
    note: str = ""


def choose_engine(trial: Chunk, plugins: Plugins, asked: str, runs: int) -> EngineChoice:
    """Try the first and the last member of a chunk.

    :param asked: one of `ENGINES`.
    :param runs: how many there are of their kind.
    """
    if asked == "plain":
        return EngineChoice("plain")
    few = replace(trial, members=(trial.members[0], trial.members[-1]))
    with prepare(few.points[few.members[0][0]], plugins) as ready:
        if ready.stepper is None:
            return EngineChoice("plain", "plain: a task without a descent")
        try:
            beginning = begin_replicas(few, plugins, ready)
            found = _try_compiling(beginning, ready, asked, runs) if asked != "batched" else EngineChoice("batched")
            if found.engine == "batched":
                try_first_steps(few, plugins, ready)
        except ISOLATED_EXCEPTIONS as error:
            return EngineChoice("plain", f"plain: {describe_refusal(error)}")
    return found


def _try_compiling(beginning: ChunkStart, ready: Prepared, asked: str, runs: int) -> EngineChoice:
    from playground.core.compiled import CannotCompileError, NotWorthCompilingError

    try:
        program = compile_replicas(beginning, ready, runs if asked == "auto" else None)
    except NotWorthCompilingError:  # nothing that anybody misses
        return EngineChoice("batched")
    except CannotCompileError as error:
        return EngineChoice("batched", f"batched: {error}")
    except (
        ISOLATED_EXCEPTIONS
    ) as error:  # a compiler has many parts, and each may meet what its author did not think of
        return EngineChoice("batched", f"batched: compiling raises {cause(error)}")
    return EngineChoice("compiled", f"compiled: {program.account}")


def describe_refusal(error: BaseException) -> str:
    """Say why runs cannot descend together."""
    from playground.core.replicas import CannotBatchError

    return str(error) if isinstance(error, CannotBatchError | PlaygroundError) else cause(error)
