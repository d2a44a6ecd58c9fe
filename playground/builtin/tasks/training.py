"""What classification and regression share: a model, a loss and data make a problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from playground.engine.task import DescentTask
from playground.result import Table

if TYPE_CHECKING:
    from torch import Tensor, nn

    from playground.engine.axes import Ranges
    from playground.engine.data import Data
    from playground.engine.problem import Problem
    from playground.engine.setting import Setting
    from playground.result import Recording
    from playground.views import View

ROWS = 20
"""Rows of the table for people; the predictions themselves are kept whole."""


class Training(DescentTask):
    """Fit a model to data.

    :param dataset: inputs and targets.
    :param model: builds the module, given how many numbers go in and how many come out.
    :param loss: compares predictions with targets.
    :param start: initial values of parameters by name; the others are drawn by the seed.
    """

    def __init__(
        self,
        dataset: Data,
        model: Callable[[int, int], nn.Module],
        loss: Callable[[Tensor, Tensor], Tensor],
        start: dict[str, Any] | None = None,
    ) -> None:
        self.dataset = dataset
        self.model = model
        self.loss = loss
        self.start = start or {}

    def problem(self, setting: Setting) -> Problem:
        """Build the module in float32, as a script would, and convert it, so that each precision starts alike."""
        from playground.engine.problem import Batches, Problem, assign
        from playground.errors import ScenarioError

        targets, outputs = self.encode(setting)
        inputs = self.dataset.inputs.to(setting.device, setting.dtype)
        module = self.model(inputs.shape[1], outputs).to(setting.device, setting.dtype)
        try:
            assign(module, self.start)
        except ScenarioError as error:
            raise error.under("start") from None
        loss = self.loss
        batches = Batches((inputs, targets), setting.batch_size, setting.seed)
        return Problem(module, lambda forward, batch: loss(forward(batch[0]), batch[1]), batches)

    def encode(self, setting: Setting) -> tuple[Tensor, int]:
        """Return the targets as the loss wants them, and how many numbers the model must give for each sample."""
        targets = self.dataset.targets.to(setting.device, setting.dtype)
        return targets, targets.shape[1]

    def table(self, measured: Mapping[str, Tensor]) -> Table:
        """Put inputs, targets and predictions side by side."""
        targets = self.dataset.targets.tolist()
        outputs = measured["predictions"].tolist()
        columns = (*self.dataset.names, *_numbered("target", targets), *_numbered("prediction", outputs))
        rows = zip(self.dataset.inputs.tolist(), targets, outputs, strict=True)
        return Table(columns, tuple((*inputs, *target, *output) for inputs, target, output in list(rows)[:ROWS]))

    def axes(self, problem: Problem) -> tuple[str, ...]:
        """Name the inputs as well, where there are few enough for a picture."""
        inputs = self.dataset.names if len(self.dataset.names) <= 2 else ()
        return (*inputs, *super().axes(problem))

    def views(self, problem: Problem, recording: Recording, ranges: Ranges) -> tuple[View, ...]:
        """Show what the model predicts, and the loss over its parameters."""
        told = self._told(problem, recording)
        return (*self.seen(problem, recording, ranges), *super().views(problem, recording, ranges), told)

    def _told(self, problem: Problem, recording: Recording) -> View:
        """Return the table at each recorded step."""
        from playground.engine.predictions import recorded
        from playground.views import Predictions

        tables = [self.table(self.measure(problem, then)) for then in recorded(problem, recording)]
        return Predictions(tables[0].columns, recording.steps, tuple(table.rows for table in tables))

    def seen(self, problem: Problem, recording: Recording, ranges: Ranges) -> tuple[View, ...]:
        """Return what can be seen of the predictions over the inputs."""
        return ()


def _numbered(name: str, rows: list[list[float]]) -> list[str]:
    """Name the columns of a table: `target`, or `target 0`, `target 1`, ... when there are several."""
    width = len(rows[0])
    return [name] if width == 1 else [f"{name} {index}" for index in range(width)]
