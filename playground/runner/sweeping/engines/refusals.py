"""Why an engine does not compute some runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.errors import PlaygroundError
from playground.plugins.causes import describe_exception
from playground.runner.single.preparing import Prepared
from playground.runner.sweeping.engines.interface import CannotComputeError

if TYPE_CHECKING:
    from playground.core.problem import Problem


def describe_refusal(error: BaseException) -> str:
    """Say in one line why an engine that raised this does not compute the runs."""
    from playground.core.replicas import CannotBatchError

    explained = isinstance(error, CannotComputeError | CannotBatchError | PlaygroundError)
    return str(error) if explained else describe_exception(error)


def require_problem(ready: Prepared) -> Problem:
    """Return the problem that descends.

    :raises CannotComputeError: the task has none.
    """
    if ready.stepper is None:
        raise CannotComputeError("a task without a descent")
    return ready.stepper.problem
