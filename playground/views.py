"""What can be looked at of a run or a sweep: plain frozen data on grids, from which any report can draw.

Every view of a run has `steps`, how many updates had been made at each place it shows: those of the run's recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Grid = tuple[tuple[float, ...], ...]
"""Values over two axes: a row for each value of y, in it a number for each value of x."""


@dataclass(frozen=True)
class ViewAxis:
    """Evenly spaced values, and what they are values of."""

    name: str
    values: tuple[float, ...]


class TangentPoint(NamedTuple):
    """A point of a curve, and the slope of its tangent there."""

    x: float
    y: float
    slope: float


@dataclass(frozen=True)
class CurveView:
    """The loss of one parameter.

    :param y: at each value of x.
    :param slope: its derivative there.
    :param path: where the run was.
    :param minima: `(x, y)` of every known global minimum; where none is known, the lowest seen between the ends.
    """

    x: ViewAxis
    y: tuple[float, ...]
    slope: tuple[float, ...]
    steps: tuple[int, ...]
    path: tuple[TangentPoint, ...]
    minima: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class SurfaceView:
    """The loss of two parameters.

    :param path: `(x, y)` where the run was.
    :param minima: `(x, y)` of every known global minimum.
    """

    x: ViewAxis
    y: ViewAxis
    values: Grid
    steps: tuple[int, ...]
    path: tuple[tuple[float, float], ...]
    minima: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class PathView:
    """Where a run with many parameters was, in the two directions in which it moved most.

    :param x: along the first principal direction of the recorded parameters, counted from where the run ended.
    :param y: along the second.
    :param path: `(x, y)` where the run was.
    :param explained: shares of the recorded parameters' variance that lie along x and along y.
    :param values: the loss in the plane of both directions through the end; None for a large model.
    """

    x: ViewAxis
    y: ViewAxis
    steps: tuple[int, ...]
    path: tuple[tuple[float, float], ...]
    explained: tuple[float, float]
    values: Grid | None = None


@dataclass(frozen=True)
class BoundaryView:
    """How a model with two inputs tells classes apart, step by step.

    :param values: a grid for each step: the score of class 1 where there are two classes, otherwise the class itself.
    :param level: the score above which a sample is told to be class 1; None where the values are classes.
    :param inputs: `(x, y)` of the samples.
    :param targets: the class of each.
    """

    x: ViewAxis
    y: ViewAxis
    steps: tuple[int, ...]
    values: tuple[Grid, ...]
    level: float | None
    inputs: tuple[tuple[float, float], ...]
    targets: tuple[int, ...]
    classes: int


@dataclass(frozen=True)
class FitView:
    """What a model with one input predicts, step by step.

    :param values: for each step the prediction at each value of x.
    :param inputs: x of the samples.
    :param targets: what was wanted of each.
    """

    x: ViewAxis
    steps: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]
    inputs: tuple[float, ...]
    targets: tuple[float, ...]


@dataclass(frozen=True)
class PredictionsView:
    """What a model told of its data, step by step.

    :param columns: inputs, targets and predictions by name.
    :param rows: for each step a row for each sample.
    """

    columns: tuple[str, ...]
    steps: tuple[int, ...]
    rows: tuple[tuple[tuple[float, ...], ...], ...]


View = CurveView | SurfaceView | PathView | BoundaryView | FitView | PredictionsView


class EndView(NamedTuple):
    """How one run of a sweep ended.

    :param point: index of its point.
    :param loss: its last one; infinite where it ended badly.
    :param end: its final parameters, where they are one number or two.
    """

    point: int
    loss: float
    seed: int = 0
    status: str = ""
    verdict: str = ""
    steps: int = 0
    end: tuple[float, ...] = ()


@dataclass(frozen=True)
class Bands:
    """How the loss fell at one point of a sweep.

    :param quartiles: low, median and high of the runs' losses before the update of each step; infinite where as many
        runs ended badly.
    """

    point: int
    steps: tuple[int, ...]
    quartiles: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Ensemble:
    """The runs of a sweep.

    :param points: the value of each axis at each point.
    :param seeds: how many runs each point has.
    :param runs: those that are finished, those of a point together.
    :param bands: of the points whose losses were kept.
    :param conditions: as a run has them, without what is swept.
    :param command: the command line that asked for it.
    :param written: the scenario as YAML.
    """

    scenario: str
    axes: tuple[str, ...]
    points: tuple[Mapping[str, Any], ...]
    seeds: int
    runs: tuple[EndView, ...]
    bands: tuple[Bands, ...]
    conditions: Mapping[str, str]
    command: str = ""
    written: str = ""
