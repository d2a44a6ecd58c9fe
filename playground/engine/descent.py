"""The loop."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Protocol

from playground.engine.stopping import StopRules, Watch
from playground.result import Status


class Stepper(Protocol):
    """Owns the evaluation of a problem and the movement of its parameters."""

    evaluations: int
    """How often the objective was evaluated, an optimizer's own closure calls included."""

    def evaluate(self, step: int) -> float:
        """Run forward and backward on the batch of `step`; return the loss before the update."""

    def gradient_norm(self) -> float:
        """Return the norm of the gradient that `evaluate` found."""

    def update(self, step: int) -> None:
        """Move the parameters along the gradient that `evaluate` found."""

    def finish(self) -> float:
        """Return the loss of the parameters as they are, over all data."""


@dataclass
class Descent:
    """What one descent leaves behind; observers may read it while it grows.

    :param budget: updates to make at most.
    :param loss: `loss[k]` is the loss before update k.
    :param last: the loss of the final parameters over all data.
    :param best: the least loss seen.
    :param steps: updates made.
    :param evaluations: evaluations of the objective.
    :param seconds: wall time.
    """

    budget: int
    loss: list[float] = field(default_factory=list)
    last: float = math.nan
    best: float = math.nan
    steps: int = 0
    evaluations: int = 0
    status: Status = Status.BUDGET
    reason: str = ""
    seconds: float = 0.0


def descend(stepper: Stepper, rules: StopRules, descent: Descent) -> None:
    """Go downhill until the budget is used or a stop rule is met; `descent` holds the outcome.

    :param stepper: evaluates and moves; whether it holds one run or many is its own affair.
    :param rules: when to stop early. A run that stops at step k has made k updates: its final parameters are those
        that `loss[k]` belongs to.
    :param descent: filled in as the steps go by, so that what was reached survives Ctrl-C.
    """
    watch = Watch(rules)
    start = time.perf_counter()
    try:
        for step in range(descent.budget):
            loss = stepper.evaluate(step)  # forward and backward: the loss before the update
            descent.loss.append(loss)
            if watch.ends(step, loss, stepper.gradient_norm):
                break
            stepper.update(step)
            descent.steps = step + 1
    except KeyboardInterrupt:
        watch.status, watch.reason = Status.INTERRUPTED, f"interrupted after {descent.steps} steps"
    descent.last = stepper.finish()  # once more, for the final parameters
    if watch.status is Status.BUDGET:
        watch.ends(descent.steps, descent.last)
    descent.status, descent.reason = watch.status, watch.reason
    descent.best = min((value for value in (*descent.loss, descent.last) if math.isfinite(value)), default=math.nan)
    descent.evaluations = stepper.evaluations
    descent.seconds = time.perf_counter() - start
