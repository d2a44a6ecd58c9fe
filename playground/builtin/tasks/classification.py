"""Tell classes apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from playground.builtin.tasks.training import Training
from playground.errors import Fault, ScenarioError

if TYPE_CHECKING:
    from torch import Tensor

    from playground.engine.axes import Ranges
    from playground.engine.data import Data
    from playground.engine.problem import Problem
    from playground.engine.setting import Setting
    from playground.result import Recording
    from playground.scenario.quantity import Quantity
    from playground.views import View


class Classification(Training):
    """Fit a model to classes; measures `accuracy`, the share of samples told right.

    A loss that wants class indices (`cross_entropy`) gets them, and the model one output per class. For any other
    loss two classes are one column of 0 and 1, and more are one column each.

    :param dataset: inputs and classes.
    :param model: builds the module.
    :param loss: compares predictions with targets, and says from which prediction on a single output means class 1.
    :param start: initial values of parameters by name; the others are drawn by the seed.
    """

    metrics = ("accuracy", "predictions")

    def encode(self, setting: Setting) -> tuple[Tensor, int]:
        """Return the targets as the loss wants them, and how many numbers the model must give for each sample."""
        import torch

        from playground.engine.losses import traits

        data = self.dataset = _with_classes(self.dataset)
        targets = data.targets.to(setting.device)
        if traits(self.loss).class_indices:
            if data.classes is None:
                raise ScenarioError(Fault("this loss needs one class index per sample as target", ("loss",)))
            return targets.long().squeeze(1), data.classes
        if data.classes is not None and data.classes > 2:
            one_hot = torch.nn.functional.one_hot(targets.long().squeeze(1), data.classes)
            return one_hot.to(setting.dtype), data.classes
        return targets.to(setting.dtype), targets.shape[1]

    def measure(self, problem: Problem, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Predict every sample and count how many are right."""
        predictions = problem.forward(parameters)(problem.batches.data[0])
        told = self._decide(predictions)
        wanted = self.dataset.targets.to(told.device).long()
        return {"accuracy": (told == wanted).all(dim=1).double().mean(), "predictions": predictions}

    def quantities(self, problem: Problem) -> Mapping[str, Quantity]:
        """Say that `accuracy` is a share of the samples, and which shape predictions have."""
        from playground.scenario.quantity import Quantity

        samples = len(self.dataset.inputs)
        limits = f"a share of {samples} samples, a multiple of 1/{samples} from 0 to 1"
        return {
            "accuracy": Quantity(shape=(), low=0, high=1, parts=samples, limits=limits),
            **super().quantities(problem),
        }

    def seen(self, problem: Problem, recording: Recording, ranges: Ranges) -> tuple[View, ...]:
        """Show where the model divides its classes, where there are two inputs."""
        from playground.engine.predictions import boundary

        if self.dataset.inputs.shape[1] != 2 or self.dataset.classes is None:
            return ()
        return (boundary(problem, recording, ranges, self.dataset, self._score, self._level()),)

    def _level(self) -> float | None:
        """Return the score above which a sample is class 1; None where the score is the class."""
        from playground.engine.losses import traits

        settled = traits(self.loss)
        if self.dataset.classes != 2:
            return None
        return 0.0 if settled.class_indices else settled.threshold

    def _score(self, predictions: Tensor) -> Tensor:
        """Return the score of class 1, by how much its output exceeds the other's if it has one; else the class."""
        if self.dataset.classes != 2:
            return self._decide(predictions).squeeze(1)
        return predictions[:, 0] if predictions.shape[1] == 1 else predictions[:, 1] - predictions[:, 0]

    def _decide(self, predictions: Tensor) -> Tensor:
        """Return the class of each sample as a column, or one 0 or 1 for each of several labels."""
        from playground.engine.losses import traits

        if self.dataset.classes is not None and predictions.shape[1] > 1:
            return predictions.argmax(dim=1, keepdim=True)
        return (predictions > traits(self.loss).threshold).long()


def _with_classes(data: Data) -> Data:
    """Read one column of whole numbers 0, 1, ... as class indices, where the data do not say."""
    column = data.targets
    if data.classes is not None or column.shape[1] != 1:
        return data
    if not bool(((column >= 0) & (column == column.round())).all()):
        raise ScenarioError(Fault("classification needs targets 0, 1, ... (or one column per class)", ("dataset",)))
    return replace(data, classes=max(2, int(column.max()) + 1))
