"""Classification."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
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


class Classification(Training):
    """Fit a model to classes; measures `accuracy`, the share of samples classified correctly.

    A loss that takes class indices (`cross_entropy`) gets them, and the model has one output per class. For any other
    loss, two classes are one column of 0 and 1, and more are one column each.

    :param dataset: inputs and classes.
    :param model: builds the module.
    :param loss: compares predictions with targets, and determines the prediction above which a single output means
        class 1.
    :param start: initial values of parameters by name; the others are drawn by the seed.
    :param validation: share of the samples held out of training; their loss and accuracy are measured as
        `validation_loss` and `validation_accuracy`.
    :param validation_seed: determines which samples are held out, independently of the run's own seed.
    """

    metrics = ("accuracy", "predictions")
    score = "accuracy"
    _takes_floats = False
    """Whether the loss has been checked: a sweep builds the problem once per seed."""

    def read(self, data: Data) -> Data:
        """Read one column of whole numbers 0, 1, ... as class indices, if the data do not declare classes."""
        return _read_classes(data)

    def encode(self, data: Data, setting: Setting) -> tuple[Tensor, int]:
        """Return the targets in the form that the loss takes, and the number of outputs that the model needs."""
        import torch

        from playground.core.losses import loss_traits
        from playground.core.thresholds import require_floats

        targets = data.targets.to(setting.device)
        if loss_traits(self.loss).class_indices:
            if data.classes is None:
                raise ScenarioError(Fault("this loss needs one class index per sample as target", ("loss",)))
            return targets.long().squeeze(1), data.classes
        if data.classes is not None and not self._takes_floats:
            require_floats(self.loss, data.classes)
            self._takes_floats = True
        if data.classes is not None and data.classes > 2:
            one_hot = torch.nn.functional.one_hot(targets.long().squeeze(1), data.classes)
            return one_hot.to(setting.dtype), data.classes
        return targets.to(setting.dtype), targets.shape[1]

    def assess(self, predictions: Tensor, data: Data) -> Tensor:
        """Return the share of samples classified correctly; NaN unless predictions have one row per sample."""
        wanted = data.targets.to(predictions.device).long()
        if predictions.dim() != 2 or len(predictions) != len(wanted):
            return predictions.new_full((), math.nan).double()
        return (self._decide(predictions) == wanted).all(dim=1).double().mean()

    def score_quantity(self, data: Data) -> Quantity:
        """Return the possible values of accuracy, a share of the samples."""
        from playground.scenario.quantity import Quantity

        samples = len(data.inputs)
        limits = f"a share of {samples} samples, a multiple of 1/{samples} from 0 to 1"
        return Quantity(shape=(), low=0, high=1, parts=samples, limits=limits)

    def prediction_views(self, problem: Problem, recording: Recording, ranges: Ranges) -> tuple[View, ...]:
        """Show the decision boundary, if there are two inputs."""
        from playground.core.predictions import compute_boundary

        if self.dataset.inputs.shape[1] != 2 or self.dataset.classes is None:
            return ()
        return (compute_boundary(problem, recording, ranges, self.dataset, self._score, self._level()),)

    def _level(self) -> float | None:
        """Return the score above which a sample is class 1; None if the score is the class."""
        from playground.core.losses import loss_traits

        if self.dataset.classes != 2:
            return None
        return 0.0 if loss_traits(self.loss).class_indices else self._threshold(1)

    def _score(self, predictions: Tensor) -> Tensor:
        """Return the score of class 1 (for two outputs, their difference); for more classes, the class."""
        if self.dataset.classes != 2:
            return self._decide(predictions).squeeze(1)
        return predictions[:, 0] if predictions.shape[1] == 1 else predictions[:, 1] - predictions[:, 0]

    def _decide(self, predictions: Tensor) -> Tensor:
        """Return the class of each sample as a column; for several labels, a 0 or 1 each."""
        if self.dataset.classes is not None and predictions.shape[1] > 1:
            return predictions.argmax(dim=1, keepdim=True)
        return (predictions > self._threshold(predictions.shape[1])).long()

    @cached_property
    def _thresholds(self) -> dict[int, float]:
        """The thresholds found so far by the number of outputs: `vmap` must not see how one is found."""
        return {}

    def _threshold(self, outputs: int) -> float:
        """Return the prediction above which a sample is class 1."""
        from playground.core.thresholds import find_threshold

        if outputs not in self._thresholds:
            self._thresholds[outputs] = find_threshold(self.loss, outputs)
        return self._thresholds[outputs]


def _read_classes(data: Data) -> Data:
    """Read one column of whole numbers 0, 1, ... as class indices, if the data do not declare classes."""
    column = data.targets
    if data.classes is not None or column.shape[1] != 1:
        return data
    if not bool(((column >= 0) & (column == column.round())).all()):
        raise ScenarioError(Fault("classification needs targets 0, 1, ... (or one column per class)", ("dataset",)))
    return replace(data, classes=max(2, int(column.max()) + 1))
