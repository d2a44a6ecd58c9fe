"""When a run ends before its budget, and what its end is called."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from playground.result import Status


@dataclass(frozen=True)
class StopRules:
    """Conditions that end a run. A loss that is not finite always does.

    :param loss: `converged` when the loss is at most this.
    :param gradient: `converged` when the Euclidean norm of the whole gradient is at most this.
    :param patience: `stalled` when the best loss has not improved for this many steps.
    :param improvement: a smaller gain than this does not count as one.
    :param divergence: `diverged` when the loss exceeds this times max(1, |first loss|).
    """

    loss: float | None = None
    gradient: float | None = None
    patience: int | None = None
    improvement: float = 0.0
    divergence: float = 1e6


class Watch:
    """Applies the rules to one run, step by step, and keeps what it saw.

    :param rules: when to stop.
    """

    def __init__(self, rules: StopRules) -> None:
        self.rules = rules
        self.status = Status.BUDGET
        self.reason = ""
        self.best = math.inf
        self._best_step = 0
        self._limit = math.inf
        self._last_finite = math.nan

    def ends(self, step: int, loss: float, gradient_norm: Callable[[], float] | None = None) -> bool:
        """Look at the loss before update `step`; return whether the run is over, with `status` and `reason` set.

        :param gradient_norm: computes the gradient's norm at the same parameters; None where there is no gradient.
        """
        rules = self.rules
        if not math.isfinite(loss):
            return self._end(
                Status.NONFINITE, f"the loss became {loss} at step {step} (last finite loss {self._last_finite:.6g})"
            )
        if step == 0:
            self._limit = rules.divergence * max(1.0, abs(loss))
        if loss > self._limit:
            return self._end(
                Status.DIVERGED,
                f"the loss {loss:.6g} passed the divergence limit {self._limit:.6g} "
                f"at step {step} (the loss before: {self._last_finite:.6g})",
            )
        self._last_finite = loss
        if loss < self.best - rules.improvement:
            self.best, self._best_step = loss, step
        if rules.loss is not None and loss <= rules.loss:
            return self._end(Status.CONVERGED, f"the loss {loss:.6g} is at most {rules.loss:g} at step {step}")
        if rules.gradient is not None and gradient_norm is not None and (size := gradient_norm()) <= rules.gradient:
            return self._end(
                Status.CONVERGED, f"the gradient's norm {size:.6g} is at most {rules.gradient:g} at step {step}"
            )
        if rules.patience is not None and step - self._best_step >= rules.patience:
            return self._end(
                Status.STALLED,
                f"no improvement for {rules.patience} steps (best loss {self.best:.6g} at step {self._best_step})",
            )
        return False

    def _end(self, status: Status, reason: str) -> bool:
        self.status, self.reason = status, reason
        return True
