"""Keeps where a run has been: a stepper around a stepper, used only where somebody asks for it."""

from __future__ import annotations

from torch import Tensor

from playground.core.steppers import OneRun
from playground.core.traces import thin_steps
from playground.figures.numbers import round_numbers
from playground.result import Recording


class RecordingStepper:
    """Moves as the stepper inside does, and copies the parameters at some of the steps.

    :param stepper: evaluates and moves.
    :param budget: updates to make at most.
    :param count: steps to keep at most, spaced evenly by ratio from the first, those next to round numbers moved there;
        the end is kept besides.
    """

    def __init__(self, stepper: OneRun, budget: int, count: int) -> None:
        self._stepper = stepper
        self._wanted = frozenset(_move_to_round_numbers(thin_steps(budget, count)))
        self._updates = 0
        self._kept: dict[int, tuple[dict[str, Tensor], float | None]] = {}

    def evaluate(self, step: int) -> float:
        """As the stepper inside; the parameters are copied before their update."""
        loss = self._stepper.evaluate(step)
        if step in self._wanted:
            self._kept[step] = self._copied(), self.gradient_norm()
        return loss

    def gradient_norm(self) -> float:
        """As the stepper inside."""
        return self._stepper.gradient_norm()

    def update(self, step: int) -> None:
        """As the stepper inside."""
        self._stepper.update(step)
        self._updates = step + 1

    def finish(self) -> float:
        """As the stepper inside; an optimizer may put averaged parameters in place here, so the end is kept after."""
        loss = self._stepper.finish()
        _, norm = self._kept.get(self._updates, ({}, None))
        self._kept[self._updates] = self._copied(), norm
        return loss

    def recording(self) -> Recording:
        """Return what was kept, as plain data."""
        rows = self._kept.values()
        return Recording(
            tuple(self._kept),
            {name: tuple(row[name].tolist() for row, _ in rows) for name in self._stepper.problem.parameters},
            tuple(norm for _, norm in rows),
        )

    def _copied(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self._stepper.problem.parameters.items()}


def _move_to_round_numbers(steps: list[int]) -> set[int]:
    """Return as many steps, with 20, 50, 100 and so on among them: those are what people ask for."""
    found = set(steps)
    for wanted in round_numbers(steps[-1] if steps else 0):
        near = min(found, key=lambda step: abs(step - wanted))
        if near not in (steps[0], steps[-1]):
            found = found - {near} | {wanted}
    return found
