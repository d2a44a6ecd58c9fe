"""A scenario whose components are built and fit each other: a descent, or a task that answers directly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from playground.core.task import DescentTask, DirectTask
from playground.runner.loading.binding import BoundComponents
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from playground.core.problem import Problem
    from playground.core.setting import Setting
    from playground.core.steppers import OneRun


@dataclass(frozen=True)
class PreparedDescent:
    """A descent before its first step.

    :param stepper: evaluates and moves the problem.
    """

    loaded: Loaded
    setting: Setting
    bound: BoundComponents
    task: DescentTask
    stepper: OneRun

    @property
    def problem(self) -> Problem:
        """What goes downhill."""
        return self.stepper.problem


@dataclass(frozen=True)
class PreparedAnswer:
    """A task that answers without a descent, before it does."""

    loaded: Loaded
    setting: Setting
    bound: BoundComponents
    task: DirectTask


Prepared = PreparedDescent | PreparedAnswer
