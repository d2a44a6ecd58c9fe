"""The descent loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from playground.core.interrupts import is_stop_requested
from playground.core.setting import flush_denormals
from playground.core.stopping import StopMonitor, StopRules
from playground.result import Status


class Stepper(Protocol):
    """Owns the evaluation of a problem and the update of its parameters, for one run or many."""

    def evaluate(self, step: int) -> Any:
        """Run forward and backward on the batch of `step`; return the loss before the update, or all runs' losses."""

    def gradient_norm(self) -> Any:
        """Return the norm of the gradient computed by `evaluate`."""

    def update(self, step: int) -> None:
        """Update the parameters with the gradient computed by `evaluate`."""

    def finish(self) -> Any:
        """Return the loss of the current parameters over all data."""


class DescentMonitor(Protocol):
    """Records a descent and decides when it ends."""

    budget: int

    def record(self, step: int, loss: Any, gradient_norm: Callable[[], Any]) -> bool:
        """Record the loss before update `step`; return whether every run has ended."""

    def finish(self, loss: Any, interrupted: bool) -> None:
        """Record the loss of the final parameters."""


@flush_denormals()
def descend(stepper: Stepper, trace: DescentMonitor) -> None:
    """Make steps until the budget is used or every run has ended; `trace` holds the outcome.

    :param stepper: evaluates and updates one run or many.
    :param trace: filled during the descent, so that results survive Ctrl-C. A run that ends at step k has made k
        updates: its final parameters are those of the loss at step k.
    """
    interrupted = False
    try:
        for step in range(trace.budget):
            if is_stop_requested():
                interrupted = True
                break
            loss = stepper.evaluate(step)  # forward and backward: the loss before the update
            if trace.record(step, loss, stepper.gradient_norm):
                break
            stepper.update(step)
    except KeyboardInterrupt:
        interrupted = True
    trace.finish(stepper.finish(), interrupted)  # once more, for the final parameters


@dataclass
class DescentTrace:
    """The record of one run; observers may read it during the descent.

    :param budget: the most updates to make.
    :param rules: when to stop early.
    :param loss: `loss[k]` is the loss before update k.
    :param last: the loss of the final parameters over all data.
    :param best: the least finite loss so far.
    :param steps: updates made.
    :param seconds: wall time.
    """

    budget: int
    rules: StopRules = field(default_factory=StopRules)
    loss: list[float] = field(default_factory=list)
    last: float = math.nan
    best: float = math.nan
    status: Status = Status.BUDGET
    reason: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._watch = StopMonitor(self.rules)
        self._start = time.perf_counter()

    @property
    def steps(self) -> int:
        """Updates made: the number of losses, minus one if the last loss ended the run."""
        return len(self.loss) - (self._watch.end is not None and self._watch.end.step < len(self.loss))

    def record(self, step: int, loss: float, gradient_norm: Callable[[], float]) -> bool:
        """Record the loss before update `step`; return whether the run has ended."""
        self.loss.append(loss)
        return self._watch.ends(step, loss, gradient_norm)

    def finish(self, loss: float, interrupted: bool) -> None:
        """Record the loss of the final parameters, which may also meet a stop rule."""
        self.last = loss
        self.best = min((value for value in (*self.loss, loss) if math.isfinite(value)), default=math.nan)
        if interrupted:
            self.status, self.reason = Status.INTERRUPTED, f"interrupted after {self.steps} steps"
        elif self._watch.end is not None or self._watch.ends(len(self.loss), loss):
            self.status = self._watch.status
            self.reason = self._watch.end.reason(self.rules) if self._watch.end else ""
        self.seconds = time.perf_counter() - self._start
