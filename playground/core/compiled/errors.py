"""The errors that say why runs are not compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


MAX_GROUPS = 32
"""The most programs that runs with different hyperparameters may need because of one decision."""


class CannotCompileError(Exception):
    """These runs are not a fixed scalar program, or cannot be compiled here; the message says why."""


class NotWorthCompilingError(CannotCompileError):
    """The runs could be compiled, but they finish sooner than the compiler does."""


class DrawsRandomNumbersError(CannotCompileError):
    """Random numbers of Python or numpy were drawn while a step was recorded: by the step, or by another thread."""


class TooManyOperationsError(CannotCompileError):
    """A step has too many operations."""


class TooManyWaysError(CannotCompileError):
    """A step takes too many ways by numbers of the run."""


class RunsDifferError(CannotCompileError):
    """Python code needs a number that hyperparameters determine, and it differs between runs.

    Runs for which it is equal have one program.

    :param values: the number of each run, shape `(runs,)`.
    """

    def __init__(self, message: str, values: np.ndarray[Any, Any]) -> None:
        super().__init__(message)
        self.values = values

    def groups(self) -> list[list[int]]:
        """Return the runs of each program, by index; nothing if there would be too many programs."""
        import numpy as np

        distinct, which = np.unique(self.values, return_inverse=True)
        if len(distinct) > MAX_GROUPS:
            return []
        return [np.flatnonzero(which == place).tolist() for place in range(len(distinct))]
