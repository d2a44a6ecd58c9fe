"""The conditions that end a run before its budget, and their names.

The conditions are written once, for a number as well as for a tensor of many runs' numbers: `|` and comparisons work
for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from playground.result import Status

Value = TypeVar("Value", float, Tensor)


@dataclass(frozen=True)
class StopRules:
    """Conditions that end a run. A loss that is not finite always ends it.

    :param loss: `converged` when the loss is at most this.
    :param gradient: `converged` when the Euclidean norm of the whole gradient is at most this.
    :param patience: `stalled` when the best loss has not improved for this many steps.
    :param improvement: a smaller gain than this does not count as an improvement.
    :param divergence: `diverged` when the loss exceeds this times max(1, |first loss|).
    """

    loss: float | None = None
    gradient: float | None = None
    patience: int | None = None
    improvement: float = 0.0
    divergence: float = 1e6

    def conditions(
        self, step: int, loss: Value, limit: Value, best_step: Value, gradient_norm: Callable[[], Value] | None
    ) -> Iterator[tuple[Status, bool | Tensor]]:
        """Yield each condition on a run before update `step`; the first that holds names the end.

        :param loss: of one run, or of many, shape `(runs,)`.
        :param limit: the loss above which the run has diverged.
        :param best_step: the step of the best loss.
        :param gradient_norm: computes the gradient's norm; None if there is no gradient.
        """
        yield Status.NONFINITE, (abs(loss) == math.inf) | (loss != loss)
        yield Status.DIVERGED, loss > limit
        if self.loss is not None:
            yield Status.CONVERGED, loss <= self.loss
        if self.gradient is not None and gradient_norm is not None:
            yield Status.CONVERGED, gradient_norm() <= self.gradient
        if self.patience is not None:
            yield Status.STALLED, step - best_step >= self.patience


@dataclass(frozen=True)
class RunEnd:
    """How a run ended, with the numbers that describe it.

    :param step: updates made.
    :param loss: before the update that was not made.
    :param before: the last finite loss before that one.
    :param limit: the loss above which the run has diverged.
    :param best: the best loss.
    :param best_step: the step of the best loss.
    """

    status: Status
    step: int
    loss: float
    before: float
    limit: float
    best: float
    best_step: int

    def reason(self, rules: StopRules) -> str:
        """Describe why the run ended; empty if it used its budget."""
        match self.status:
            case Status.NONFINITE if self.step == 0:
                return f"the loss is {self.loss} before the first step"
            case Status.NONFINITE:
                return f"the loss became {self.loss} at step {self.step} (last finite loss {self.before:.6g})"
            case Status.DIVERGED:
                return (
                    f"the loss {self.loss:.6g} passed the divergence limit {self.limit:.6g} at step {self.step} "
                    f"(the loss before: {self.before:.6g})"
                )
            case Status.CONVERGED if rules.loss is not None and self.loss <= rules.loss:
                return f"the loss {self.loss:.6g} is at most {rules.loss:g} at step {self.step}"
            case Status.CONVERGED:
                return f"the gradient's norm is at most {rules.gradient:g} at step {self.step}"
            case Status.STALLED:
                return (
                    f"no improvement for {rules.patience} steps "
                    f"on the loss {self.best:.6g} of step {self.best_step}, at step {self.step}"
                )
        return ""


class StopMonitor:
    """Applies the rules to one run, step by step.

    :param rules: when to stop.
    """

    def __init__(self, rules: StopRules) -> None:
        self.rules = rules
        self.status = Status.BUDGET
        self.end: RunEnd | None = None
        self._best, self._best_step = math.inf, 0.0
        self._limit = math.inf
        self._before = math.nan

    def ends(self, step: int, loss: float, gradient_norm: Callable[[], float] | None = None) -> bool:
        """Check the loss before update `step`; return whether the run has ended, with `status` and `end` set.

        :param gradient_norm: computes the gradient's norm at the same parameters; None if there is no gradient.
        """
        if step == 0:
            self._limit = self.rules.divergence * max(1.0, abs(loss))
        if loss < self._best - self.rules.improvement:
            self._best, self._best_step = loss, float(step)
        for status, holds in self.rules.conditions(step, loss, self._limit, self._best_step, gradient_norm):
            if holds:
                self.status = status
                self.end = RunEnd(status, step, loss, self._before, self._limit, self._best, int(self._best_step))
                return True
        self._before = loss
        return False
