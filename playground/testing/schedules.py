"""The contract of a schedule."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from playground.testing.verdict import require


class ScheduleContract(ABC):
    """The rules for a schedule: `class TestMine(ScheduleContract)` with one method, `schedule`."""

    budgets: ClassVar[tuple[int, ...]] = (1, 2, 10, 100)
    """The budgets of steps to test."""

    @abstractmethod
    def schedule(self, steps: int) -> Callable[[int], float]:
        """Return the schedule for a budget of `steps` steps."""

    def test_a_factor_for_every_step(self) -> None:
        """Each step of the budget has a finite factor of at least 0."""
        for steps in self.budgets:
            factor = self.schedule(steps)
            for step in range(steps):
                found = factor(step)
                where = f"step {step} of {steps}"
                number = isinstance(found, int | float) and not isinstance(found, bool)
                require(
                    number, f"{where}: a {type(found).__name__}, not a number", "the learning rate is multiplied by it"
                )
                require(math.isfinite(found), f"{where}: the factor is {found}", "every parameter would become NaN")
                require(found >= 0, f"{where}: the factor is {found}", "a negative learning rate climbs")

    def test_depends_on_the_step_alone(self) -> None:
        """Each step has the same factor in any order of calls, and if called again."""
        for steps in self.budgets:
            forwards, backwards = self.schedule(steps), self.schedule(steps)
            one = [forwards(step) for step in range(steps)]
            other = [backwards(step) for step in reversed(range(steps))][::-1]
            again = [forwards(step) for step in range(steps)]
            same = one == other == again
            wrong = f"with {steps} steps, a factor depends on earlier calls"
            require(same, wrong, "vectorized runs, resumed runs and `explain --step` call it in another order")
