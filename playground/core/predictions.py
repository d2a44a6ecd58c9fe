"""A model's predictions over its inputs at each recorded step, for models with one or two inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from playground.core.axes import Ranges, make_axis
from playground.core.data import Data
from playground.core.problem import Problem
from playground.result import Recording
from playground.views import BoundaryView, FitView, ViewAxis

BOUNDARY_SIDE_POINTS = 48
"""The number of points along each side of a decision boundary."""

FIT_POINTS = 200
"""The number of points of a fitted curve."""

MAX_SHOWN_SAMPLES = 1000
"""The most samples that are shown; of more, evenly spaced ones."""


def compute_boundary(
    problem: Problem,
    recording: Recording,
    ranges: Ranges,
    data: Data,
    score: Callable[[Tensor], Tensor],
    level: float | None,
) -> BoundaryView:
    """Return how a model separates classes; the module is left unchanged.

    :param data: two inputs, classes as targets.
    :param score: maps predictions, shape `(points, outputs)`, to the shown numbers, shape `(points,)`.
    :param level: the score above which a sample is class 1; None if the score is the class.
    """
    x, y = (
        make_axis(name, BOUNDARY_SIDE_POINTS, data.inputs[:, i].tolist(), ranges) for i, name in enumerate(data.names)
    )
    rows, columns = torch.meshgrid(_axis_values(y), _axis_values(x), indexing="ij")
    points = torch.stack([columns.flatten(), rows.flatten()], dim=1)
    grids = (score(found).reshape(rows.shape).tolist() for found in predict_each_step(problem, recording, points))
    shown = _choose_samples(len(data.inputs))
    return BoundaryView(
        x,
        y,
        recording.steps,
        tuple(tuple(map(tuple, grid)) for grid in grids),
        level,
        tuple((a, b) for a, b in data.inputs[shown].tolist()),
        tuple(int(target) for (target,) in data.targets[shown].tolist()),
        data.classes or 2,
    )


def compute_fit(problem: Problem, recording: Recording, ranges: Ranges, data: Data) -> FitView:
    """Return the curve that a model fits to its data; the module is left unchanged.

    :param data: one input, one target.
    """
    x = make_axis(data.names[0], FIT_POINTS, data.inputs[:, 0].tolist(), ranges)
    curves = predict_each_step(problem, recording, _axis_values(x).unsqueeze(1))
    shown = _choose_samples(len(data.inputs))
    return FitView(
        x,
        recording.steps,
        tuple(tuple(curve[:, 0].tolist()) for curve in curves),
        tuple(data.inputs[shown, 0].tolist()),
        tuple(data.targets[shown, 0].tolist()),
    )


def predict_each_step(problem: Problem, recording: Recording, points: Tensor) -> Iterator[Tensor]:
    """Yield the model's predictions for these points at each recorded step, all points in one forward pass."""
    points = points.to(problem.batches.data[0])
    for then in recorded_parameters(problem, recording):
        with torch.no_grad():
            yield problem.forward(then)(points).cpu()


def recorded_parameters(problem: Problem, recording: Recording) -> Iterator[dict[str, Tensor]]:
    """Yield the parameters at each recorded step."""
    own = problem.parameters
    for step in range(len(recording.steps)):
        yield {
            name: torch.tensor(rows[step], dtype=own[name].dtype, device=own[name].device)
            for name, rows in recording.parameters.items()
        }


def _axis_values(side: ViewAxis) -> Tensor:
    return torch.tensor(side.values, dtype=torch.float64)


def _choose_samples(samples: int) -> Tensor:
    """Return the indices of the samples to show."""
    return torch.linspace(0, samples - 1, min(samples, MAX_SHOWN_SAMPLES)).round().long()
