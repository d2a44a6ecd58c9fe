"""Which engine computes some runs, and why: compiled if that can be and pays, else batched, else one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from playground.errors import PlaygroundError
from playground.plugins.causes import ISOLATED, cause
from playground.plugins.manager import Plugins
from playground.runner.preparing import Prepared, prepared
from playground.runner.sweeping.plan import Chunk
from playground.runner.sweeping.together import Beginning, attempt, begun, compiled

ENGINES = ("auto", "compiled", "batched", "plain")
"""What can be asked for; of what cannot be had, the next one is taken."""


@dataclass(frozen=True)
class Choice:
    """An engine for a family of runs.

    :param note: what there is to say about it, which begins with its name: what was compiled, or why it is not another.
    """

    engine: str
    note: str = ""


def chosen(trial: Chunk, plugins: Plugins, asked: str, runs: int) -> Choice:
    """Try the first and the last member of a chunk.

    :param asked: one of `ENGINES`.
    :param runs: how many there are of their kind.
    """
    if asked == "plain":
        return Choice("plain")
    few = replace(trial, members=(trial.members[0], trial.members[-1]))
    with prepared(few.points[few.members[0][0]], plugins) as ready:
        if ready.stepper is None:
            return Choice("plain", "plain: a task without a descent")
        try:
            beginning = begun(few, plugins, ready)
            found = _compiled(beginning, ready, asked, runs) if asked != "batched" else Choice("batched")
            if found.engine == "batched":
                attempt(few, plugins, ready)
        except ISOLATED as error:
            return Choice("plain", f"plain: {why_not(error)}")
    return found


def _compiled(beginning: Beginning, ready: Prepared, asked: str, runs: int) -> Choice:
    from playground.engine.compiled import CannotCompileError, NotWorthCompilingError

    try:
        program = compiled(beginning, ready, runs if asked == "auto" else None)
    except NotWorthCompilingError:  # nothing that anybody misses
        return Choice("batched")
    except CannotCompileError as error:
        return Choice("batched", f"batched: {error}")
    except ISOLATED as error:  # a compiler has many parts, and each may meet what its author did not think of
        return Choice("batched", f"batched: compiling raises {cause(error)}")
    return Choice("compiled", f"compiled: {program.account}")


def why_not(error: BaseException) -> str:
    """Say why runs cannot descend together."""
    from playground.engine.replicas import CannotBatchError

    return str(error) if isinstance(error, CannotBatchError | PlaygroundError) else cause(error)
