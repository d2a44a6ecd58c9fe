"""The loop."""

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
    """Owns the evaluation of a problem and the movement of its parameters, for one run or for many together."""

    def evaluate(self, step: int) -> Any:
        """Run forward and backward on the batch of `step`; return the loss before the update, or all runs' losses."""

    def gradient_norm(self) -> Any:
        """Return the norm of the gradient that `evaluate` found."""

    def update(self, step: int) -> None:
        """Move the parameters along the gradient that `evaluate` found."""

    def finish(self) -> Any:
        """Return the loss of the parameters as they are, over all data."""


class DescentMonitor(Protocol):
    """Keeps what a descent shows of itself, and decides when it is over."""

    budget: int

    def record(self, step: int, loss: Any, gradient_norm: Callable[[], Any]) -> bool:
        """Take the loss before update `step`; return whether every run is over."""

    def finish(self, loss: Any, interrupted: bool) -> None:
        """Take the loss of the final parameters."""


@flush_denormals()
def descend(stepper: Stepper, trace: DescentMonitor) -> None:
    """Go downhill until the budget is used or every run is over; `trace` holds the outcome.

    :param stepper: evaluates and moves; whether it holds one run or ten thousand is its own affair.
    :param trace: filled as the steps go by, so that what was reached survives Ctrl-C. A run that ends at step k has
        made k updates: its final parameters are those that the loss of step k belongs to.
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
    """What one run leaves behind; observers may read it while it grows.

    :param budget: updates to make at most.
    :param rules: when to stop early.
    :param loss: `loss[k]` is the loss before update k.
    :param last: the loss of the final parameters over all data.
    :param best: the least finite loss seen.
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
        """Updates made: as many as losses, except that the last one seen may have ended the run."""
        return len(self.loss) - (self._watch.end is not None and self._watch.end.step < len(self.loss))

    def record(self, step: int, loss: float, gradient_norm: Callable[[], float]) -> bool:
        """Take the loss before update `step`; return whether the run is over."""
        self.loss.append(loss)
        return self._watch.ends(step, loss, gradient_norm)

    def finish(self, loss: float, interrupted: bool) -> None:
        """Take the loss of the final parameters, which may meet a rule as well."""
        self.last = loss
        self.best = min((value for value in (*self.loss, loss) if math.isfinite(value)), default=math.nan)
        if interrupted:
            self.status, self.reason = Status.INTERRUPTED, f"interrupted after {self.steps} steps"
        elif self._watch.end is not None or self._watch.ends(len(self.loss), loss):
            self.status = self._watch.status
            self.reason = self._watch.end.reason(self.rules) if self._watch.end else ""
        self.seconds = time.perf_counter() - self._start
