"""Why an engine does not compute some runs."""

from __future__ import annotations

from playground.errors import PlaygroundError
from playground.plugins.causes import describe_exception
from playground.runner.single.prepared import Prepared, PreparedDescent
from playground.runner.sweeping.engines.interface import CannotComputeError


def describe_refusal(error: BaseException) -> str:
    """Say in one line why an engine that raised this does not compute the runs."""
    from playground.core.replicas import CannotBatchError

    explained = isinstance(error, CannotComputeError | CannotBatchError | PlaygroundError)
    return str(error) if explained else describe_exception(error)


def require_descent(ready: Prepared) -> PreparedDescent:
    """Return what was prepared, if it is a descent.

    :raises CannotComputeError: the task has none.
    """
    if not isinstance(ready, PreparedDescent):
        raise CannotComputeError("a task without a descent")
    return ready
