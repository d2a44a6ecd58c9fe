"""Predict quantities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from playground.builtin.tasks.training import Training
from playground.errors import Fault, ScenarioError

if TYPE_CHECKING:
    from torch import Tensor

    from playground.engine.axes import Ranges
    from playground.engine.problem import Problem
    from playground.engine.setting import Setting
    from playground.result import Recording
    from playground.scenario.quantity import Quantity
    from playground.views import View


class Regression(Training):
    """Fit a model to quantities; measures `r2` = 1 - Σ(target - prediction)² / Σ(target - mean target)².

    :param dataset: inputs and quantities.
    :param model: builds the module.
    :param loss: compares predictions with targets.
    :param start: initial values of parameters by name; the others are drawn by the seed.
    """

    metrics = ("r2", "predictions")

    def encode(self, setting: Setting) -> tuple[Tensor, int]:
        """Return the targets as they are.

        :raises ScenarioError: the loss wants classes, which quantities are not.
        """
        from playground.engine.losses import traits

        if traits(self.loss).class_indices:
            raise ScenarioError(Fault("this loss tells classes apart; use task: classification", ("loss",)))
        return super().encode(setting)

    def measure(self, problem: Problem, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Predict every sample and compare."""
        inputs, targets = problem.batches.data
        predictions = problem.forward(parameters)(inputs)
        left = (targets - predictions).double().square().sum()
        spread = (targets - targets.mean(dim=0)).double().square().sum()
        return {"r2": 1 - left / spread, "predictions": predictions}

    def quantities(self, problem: Problem) -> Mapping[str, Quantity]:
        """Say that `r2` is at most 1, and which shape predictions have."""
        from playground.scenario.quantity import Quantity

        return {"r2": Quantity(shape=(), high=1.0), **super().quantities(problem)}

    def seen(self, problem: Problem, recording: Recording, ranges: Ranges) -> tuple[View, ...]:
        """Show the curve through the data, where there are one input and one output."""
        from playground.engine.predictions import fit

        data = self.dataset
        if data.inputs.shape[1] != 1 or data.targets.shape[1] != 1:
            return ()
        return (fit(problem, recording, ranges, data),)
