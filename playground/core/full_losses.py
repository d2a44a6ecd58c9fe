"""Records the loss over all data during a descent in mini-batches: a stepper around a stepper."""

from __future__ import annotations

from collections.abc import Callable

from playground.core.descent import Stepper
from playground.core.traces import thin_steps


class FullLossStepper:
    """Steps like the inner stepper, and records the loss over all data before some of the steps.

    It is computed before the inner stepper evaluates its batch, which may change running statistics of the module. So
    the loss at step k is the final loss of a run with a budget of k steps.

    :param stepper: evaluates and updates.
    :param budget: the most updates to make. The loss is recorded at up to 64 steps, spaced evenly by ratio.
    :param full_loss: returns the loss of the current parameters over all data.
    """

    def __init__(self, stepper: Stepper, budget: int, full_loss: Callable[[], float]) -> None:
        self._stepper = stepper
        self._full_loss = full_loss
        self._wanted = frozenset(thin_steps(budget))
        self.losses: dict[int, float] = {}
        """The recorded losses by step."""

    def evaluate(self, step: int) -> float:
        """Evaluate by the inner stepper, after recording the loss over all data."""
        if step in self._wanted:
            self.losses[step] = self._full_loss()
        loss: float = self._stepper.evaluate(step)
        return loss

    def gradient_norm(self) -> float:
        """Return the inner stepper's gradient norm."""
        norm: float = self._stepper.gradient_norm()
        return norm

    def update(self, step: int) -> None:
        """Update by the inner stepper."""
        self._stepper.update(step)

    def finish(self) -> float:
        """Finish by the inner stepper."""
        loss: float = self._stepper.finish()
        return loss
