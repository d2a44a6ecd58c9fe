"""The base of classification and regression: a problem from a model, a loss and data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Lt

from playground.core.task import DescentTask
from playground.result import ResultTable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from playground.core.axes import Ranges
    from playground.core.data import Data, Split
    from playground.core.listing import Listing, Writer
    from playground.core.problem import Problem
    from playground.core.setting import Setting
    from playground.result import Recording
    from playground.scenario.quantity import Quantity
    from playground.views import View

MAX_TABLE_ROWS = 20
"""The number of rows of the displayed table; all predictions are stored."""

MAX_WRITTEN_NUMBERS = 100
"""The most numbers of a table that a program contains; larger tables are drawn again by the dataset's code."""


class Training(DescentTask):
    """Fit a model to data.

    :param dataset: inputs and targets.
    :param model: builds the module, given the numbers of inputs and outputs.
    :param loss: compares predictions with targets.
    :param start: initial values of parameters by name; the others are drawn by the seed.
    :param validation: share of the samples held out of training and only measured.
    :param validation_seed: determines which samples are held out, independently of the run's own seed.
    """

    score = ""
    """The measure of predictions: the first of `metrics`."""

    def __init__(
        self,
        dataset: Data,
        model: Callable[[int, int], nn.Module],
        loss: Callable[[Tensor, Tensor], Tensor],
        start: dict[str, Any] | None = None,
        validation: Annotated[float, Ge(0), Lt(1)] = 0.0,
        validation_seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.dataset = self.read(dataset)
        self.model = model
        self.loss = loss
        self.start = start or {}
        self.split: Split | None = None
        if validation > 0:
            from playground.core.data import Split

            self.split = Split.of(len(dataset.inputs), validation, validation_seed)
            self.dataset, self.held_out = self.split.take(self.dataset)
            self.metrics = (self.score, "validation_loss", f"validation_{self.score}", "predictions")

    def read(self, data: Data) -> Data:
        """Return the data as the task interprets them."""
        return data

    def problem(self, setting: Setting) -> Problem:
        """Build the module in float32, as a script would, then convert it: every precision has the same start."""
        from playground.core.losses import ShapeCheckedLoss
        from playground.core.problem import Batches, Problem, assign
        from playground.errors import ScenarioError

        targets, outputs = self.encode(self.dataset, setting)
        inputs = self.dataset.inputs.to(setting.device, setting.dtype)
        module = self.model(inputs.shape[1], outputs).to(setting.device, setting.dtype)
        try:
            assign(module, self.start)
        except ScenarioError as error:
            raise error.under("start") from None
        compare = ShapeCheckedLoss(self.loss, module, outputs)
        if self.split is not None:
            held_out = self.held_out.inputs.to(inputs), self.encode(self.held_out, setting)[0]
            self._held_out, self._compare = held_out, compare
        batches = Batches((inputs, targets), setting.batch_size, setting.seed, self.dataset.ordered)
        return Problem(module, lambda forward, batch: compare(forward(batch[0]), batch[1]), batches, self.loss)

    def advise(self, problem: Problem) -> str:
        """Warn about outputs that are squashed before a loss that squashes them itself."""
        from playground.core.advice import find_double_squashing
        from playground.core.losses import ShapeCheckedLoss

        outputs = self.dataset.classes if problem.batches.data[1].dim() == 1 else problem.batches.data[1].shape[1]
        return find_double_squashing(problem, ShapeCheckedLoss(self.loss, problem.module, outputs or 1))

    def measure(self, problem: Problem, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Predict all samples and score the predictions; also the held-out samples, with their loss."""
        predictions = problem.forward(parameters)(problem.batches.data[0])
        measured = {self.score: self.assess(predictions, self.dataset)}
        return {**measured, **self.validate(problem, parameters), "predictions": predictions}

    def validate(self, problem: Problem, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Measure the loss and the score of the held-out samples."""
        if self.split is None:
            return {}
        inputs, targets = self._held_out
        predictions = problem.forward(parameters)(inputs)
        loss = self._compare(predictions, targets).double()
        return {"validation_loss": loss, f"validation_{self.score}": self.assess(predictions, self.held_out)}

    def assess(self, predictions: Tensor, data: Data) -> Tensor:
        """Return the score of predictions, a float64 scalar; NaN unless predictions have one row per sample."""
        raise NotImplementedError

    def encode(self, data: Data, setting: Setting) -> tuple[Tensor, int]:
        """Return targets in the form that the loss takes, and the number of outputs that the model needs."""
        targets = data.targets.to(setting.device, setting.dtype)
        return targets, targets.shape[1]

    def quantities(self, problem: Problem) -> Mapping[str, Quantity]:
        """Return the possible values of loss and score, and the shape of predictions."""
        from playground.core.losses import loss_traits
        from playground.scenario.quantity import Quantity

        targets, loss = problem.batches.data[1], loss_traits(self.loss)
        least = Quantity(shape=(), low=-math.inf if loss.minimum is None else loss.minimum)
        known = {"loss": least, self.score: self.score_quantity(self.dataset)}
        if self.split is not None:
            known |= {"validation_loss": least, f"validation_{self.score}": self.score_quantity(self.held_out)}
        if loss.class_indices:
            known["predictions"] = Quantity(shape=(len(targets), self.dataset.classes or 1))
        elif loss.same_shape:
            known["predictions"] = Quantity(shape=tuple(targets.shape))
        return known

    def score_quantity(self, data: Data) -> Quantity:
        """Return the possible values of the score on these data."""
        raise NotImplementedError

    def listing(self, problem: Problem, writer: Writer, setting: Setting) -> Listing:
        """Write the data, the model and the loss."""
        from playground.core.listing import Cell, Listing

        definitions, _ = writer.component("loss", "model(inputs)", "targets")

        def loss(inputs: str, targets: str) -> str:
            _, expression = writer.component("loss", f"model({inputs})", targets)
            return expression

        cells = [
            Cell("The data", self._written_data(problem, writer, setting)),
            Cell("The model", self._written_model(problem, writer, setting)),
            *([Cell("The loss", definitions)] if definitions else []),
        ]
        shown = [
            "with torch.no_grad():",
            "    predictions = model(inputs)",
            "rows = list(zip(inputs.tolist(), targets.tolist(), predictions.tolist()))",
            f"for x, target, prediction in rows[:{MAX_TABLE_ROWS}]:",
            '    print(f"{x} -> {prediction}, target {target}")',
        ]
        if self.split is not None:
            held_out = loss("validation_inputs", "validation_targets")
            shown += ["with torch.no_grad():", f'    print("validation loss", {held_out}.item())']
        every = all(parameter.requires_grad for parameter in problem.module.parameters())
        chosen = "list(model.parameters())" if every else "[p for p in model.parameters() if p.requires_grad]"
        return Listing(cells, chosen, loss, ("inputs", "targets"), "model", "\n".join(shown))

    def _written_data(self, problem: Problem, writer: Writer, setting: Setting) -> str:
        """Write data that are few or not drawn as numbers, any other as code that draws them."""
        inputs, targets = problem.batches.data
        where = "" if setting.device.type == "cpu" else f".to({writer.literal(str(setting.device))})"
        if not writer.draws("dataset") or inputs.numel() + targets.numel() <= MAX_WRITTEN_NUMBERS:
            named = {"inputs": inputs, "targets": targets}
            if self.split is not None:
                named |= dict(zip(("validation_inputs", "validation_targets"), self._held_out, strict=True))
            return "\n".join(f"{name} = {writer.tensor(tensor)}{where}" for name, tensor in named.items())
        definitions, drawn = writer.component("dataset", f"generator={writer.generator('dataset')}")
        lines = [f"inputs, targets = {drawn}", f"inputs = inputs.to({setting.dtype}){where}"]
        if targets.dim() == 1:
            lines.append(f"targets = targets.long().squeeze(1){where}  # one class index for each sample")
        elif targets.shape != self.dataset.targets.shape:
            lines.append("# one column for each class")
            lines.append(f"targets = torch.nn.functional.one_hot(targets.long().squeeze(1), {targets.shape[1]})")
            lines.append(f"targets = targets.to({setting.dtype}){where}")
        else:
            lines.append(f"targets = targets.to({targets.dtype}){where}")
        if self.split is not None:
            lines += self._written_split(self.split, writer)
        return "\n\n\n".join([definitions, "\n".join(lines)])

    def _written_split(self, split: Split, writer: Writer) -> list[str]:
        """Write which samples are held out; the others keep the names."""
        return [
            f"held_out = torch.tensor({writer.literal(split.held_out.tolist())})  # held-out samples are only measured",
            f"kept = torch.tensor({writer.literal(split.kept.tolist())})",
            "validation_inputs, validation_targets = inputs[held_out], targets[held_out]",
            "inputs, targets = inputs[kept], targets[kept]",
        ]

    def _written_model(self, problem: Problem, writer: Writer, setting: Setting) -> str:
        """Write the module's class, and the module with its initial parameters."""
        import torch

        _, outputs = self.encode(self.dataset, setting)
        inputs = problem.batches.data[0].shape[1]
        definitions, made = writer.component("model", f"inputs={inputs}", f"outputs={outputs}")
        lines = [f"torch.manual_seed({setting.seed})", f"model = {made}"]
        if setting.dtype != torch.float32 or "float64" in definitions or "double" in definitions:
            lines.append(f"model = model.to({setting.dtype})")
        if setting.device.type != "cpu":
            lines.append(f"model = model.to({writer.literal(str(setting.device))})")
        if self.start:
            lines.append("with torch.no_grad():")
        for name in self.start:
            value = f"torch.tensor({writer.literal(self.start[name])}, dtype={setting.dtype})"
            lines.append(f"    model.get_parameter({writer.literal(name)}).copy_({value})")
        return "\n\n\n".join(part for part in (definitions, "\n".join(lines)) if part)

    def table(self, measured: Mapping[str, Tensor]) -> ResultTable:
        """Return inputs, targets and predictions side by side."""
        targets = self.dataset.targets.tolist()
        predictions = measured["predictions"]
        if predictions.shape[:1] != (len(targets),):
            predictions = predictions.new_empty((len(targets), 0))  # predictions do not correspond to single samples
        outputs = predictions.reshape(len(targets), -1).tolist()
        columns = (*self.dataset.names, *_number_names("target", targets), *_number_names("prediction", outputs))
        rows = zip(self.dataset.inputs.tolist(), targets, outputs, strict=True)
        return ResultTable(
            columns, tuple((*inputs, *target, *output) for inputs, target, output in list(rows)[:MAX_TABLE_ROWS])
        )

    def axes(self, problem: Problem) -> tuple[str, ...]:
        """Also return the inputs, if they are few enough to plot."""
        inputs = self.dataset.names if len(self.dataset.names) <= 2 else ()
        return (*inputs, *super().axes(problem))

    def views(self, problem: Problem, recording: Recording, ranges: Ranges) -> tuple[View, ...]:
        """Show the model's predictions, and the loss over its parameters."""
        table = self._table_view(problem, recording)
        return (*self.prediction_views(problem, recording, ranges), *super().views(problem, recording, ranges), table)

    def _table_view(self, problem: Problem, recording: Recording) -> View:
        """Return the table at each recorded step."""
        from playground.core.predictions import recorded_parameters
        from playground.views import PredictionsView

        tables = [self.table(self.measure(problem, then)) for then in recorded_parameters(problem, recording)]
        return PredictionsView(tables[0].columns, recording.steps, tuple(table.rows for table in tables))

    def prediction_views(self, problem: Problem, recording: Recording, ranges: Ranges) -> tuple[View, ...]:
        """Return the plots of predictions over the inputs."""
        return ()


def _number_names(name: str, rows: list[list[float]]) -> list[str]:
    """Name the columns of a table: `target`, or `target 0`, `target 1`, ... when there are several."""
    width = len(rows[0])
    return [name] if width == 1 else [f"{name} {index}" for index in range(width)]
