"""Records the path of a run: a stepper around a stepper, used only on request."""

from __future__ import annotations

from torch import Tensor

from playground.core.steppers import OneRun
from playground.core.traces import thin_steps
from playground.figures.numbers import round_numbers
from playground.result import Recording


class RecordingStepper:
    """Steps like the inner stepper, and copies the parameters at some of the steps.

    :param stepper: evaluates and updates.
    :param budget: the most updates to make.
    :param count: the most steps to keep, spaced evenly by ratio from the first; steps near round numbers are moved to
        them. The end is kept in addition.
    """

    def __init__(self, stepper: OneRun, budget: int, count: int) -> None:
        self._stepper = stepper
        self._wanted = frozenset(_move_to_round_numbers(thin_steps(budget, count)))
        self._updates = 0
        self._kept: dict[int, tuple[dict[str, Tensor], float | None]] = {}

    def evaluate(self, step: int) -> float:
        """Evaluate by the inner stepper, after copying the parameters."""
        loss = self._stepper.evaluate(step)
        if step in self._wanted:
            self._kept[step] = self._copied(), self.gradient_norm()
        return loss

    def gradient_norm(self) -> float:
        """Return the inner stepper's gradient norm."""
        return self._stepper.gradient_norm()

    def update(self, step: int) -> None:
        """Update by the inner stepper."""
        self._stepper.update(step)
        self._updates = step + 1

    def finish(self) -> float:
        """Finish by the inner stepper, then copy the end: an optimizer may switch to averaged parameters here."""
        loss = self._stepper.finish()
        _, norm = self._kept.get(self._updates, ({}, None))
        self._kept[self._updates] = self._copied(), norm
        return loss

    def recording(self) -> Recording:
        """Return the recording as plain data."""
        rows = self._kept.values()
        return Recording(
            tuple(self._kept),
            {name: tuple(row[name].tolist() for row, _ in rows) for name in self._stepper.problem.parameters},
            tuple(norm for _, norm in rows),
        )

    def _copied(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self._stepper.problem.parameters.items()}


def _move_to_round_numbers(steps: list[int]) -> set[int]:
    """Return as many steps, moved to include 20, 50, 100 and so on, which readers look for."""
    found = set(steps)
    for wanted in round_numbers(steps[-1] if steps else 0):
        near = min(found, key=lambda step: abs(step - wanted))
        if near not in (steps[0], steps[-1]):
            found = found - {near} | {wanted}
    return found
