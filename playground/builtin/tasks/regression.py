"""Regression."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from playground.builtin.tasks.training import Training
from playground.errors import Fault, ScenarioError

if TYPE_CHECKING:
    from torch import Tensor

    from playground.core.axes import Ranges
    from playground.core.data import Data
    from playground.core.problem import Problem
    from playground.core.setting import Setting
    from playground.result import Recording
    from playground.scenario.quantity import Quantity
    from playground.views import View


class Regression(Training):
    """Fit a model to quantities; measures `r2` = 1 - Σ(target - prediction)² / Σ(target - mean target)².

    :param dataset: inputs and quantities.
    :param model: builds the module.
    :param loss: compares predictions with targets.
    :param start: initial values of parameters by name; the others are drawn by the seed.
    :param validation: share of the samples held out of training; their loss and r2 are measured as `validation_loss`
        and `validation_r2`.
    :param validation_seed: determines which samples are held out, independently of the run's own seed.
    """

    metrics = ("r2", "predictions")
    score = "r2"

    def encode(self, data: Data, setting: Setting) -> tuple[Tensor, int]:
        """Return the targets unchanged.

        :raises ScenarioError: the loss takes classes instead of quantities.
        """
        from playground.core.losses import loss_traits

        if loss_traits(self.loss).class_indices:
            raise ScenarioError(Fault("this loss takes classes; use task: classification", ("loss",)))
        return super().encode(data, setting)

    def assess(self, predictions: Tensor, data: Data) -> Tensor:
        """Return r2 = 1 - Σ(target - prediction)² / Σ(target - mean target)²."""
        targets = data.targets.to(predictions)
        if predictions.shape != targets.shape:  # the loss may declare this; entries cannot be compared
            return predictions.new_full((), math.nan).double()
        left = (targets - predictions).double().square().sum()
        spread = (targets - targets.mean(dim=0)).double().square().sum()
        return 1 - left / spread

    def score_quantity(self, data: Data) -> Quantity:
        """Return that r2 is at most 1."""
        from playground.scenario.quantity import Quantity

        return Quantity(shape=(), high=1.0)

    def prediction_views(self, problem: Problem, recording: Recording, ranges: Ranges) -> tuple[View, ...]:
        """Show the fitted curve, if there are one input and one output."""
        from playground.core.predictions import compute_fit

        data = self.dataset
        if data.inputs.shape[1] != 1 or data.targets.shape[1] != 1:
            return ()
        return (compute_fit(problem, recording, ranges, data),)
