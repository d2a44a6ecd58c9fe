"""The views of a run or a sweep: plain frozen data on grids, which any report can draw.

Every view of a run has `steps`, the number of updates at each recorded point of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple, overload

if TYPE_CHECKING:
    from numpy.typing import NDArray

NumberGrid = tuple[tuple[float, ...], ...]
"""Values over two axes: a row for each value of y, with a number for each value of x."""


@dataclass(frozen=True)
class ViewAxis:
    """A named axis with evenly spaced values."""

    name: str
    values: tuple[float, ...]


class TangentPoint(NamedTuple):
    """A point of a curve, and the slope of its tangent there."""

    x: float
    y: float
    slope: float


@dataclass(frozen=True)
class CurveView:
    """The loss as a function of one parameter.

    :param y: the loss at each value of x.
    :param slope: its derivative at each value of x.
    :param path: the points of the run.
    :param minima: `(x, y)` of every known global minimum; if none is known, of the lowest interior point.
    """

    x: ViewAxis
    y: tuple[float, ...]
    slope: tuple[float, ...]
    steps: tuple[int, ...]
    path: tuple[TangentPoint, ...]
    minima: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class SurfaceView:
    """The loss as a function of two parameters.

    :param path: `(x, y)` of the points of the run.
    :param minima: `(x, y)` of every known global minimum.
    """

    x: ViewAxis
    y: ViewAxis
    values: NumberGrid
    steps: tuple[int, ...]
    path: tuple[tuple[float, float], ...]
    minima: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class PathView:
    """The path of a run with many parameters, in the two directions in which it moved most.

    :param x: the axis along the first principal direction of the recorded parameters; 0 is the end of the run.
    :param y: the axis along the second principal direction.
    :param path: `(x, y)` of the points of the run.
    :param explained: shares of the recorded parameters' variance along x and along y.
    :param values: the loss in the plane of both directions through the end; None for a large model.
    :param end: the entries of the final parameters.
    :param directions: two unit vectors with as many entries.
    """

    x: ViewAxis
    y: ViewAxis
    steps: tuple[int, ...]
    path: tuple[tuple[float, float], ...]
    explained: tuple[float, float]
    values: NumberGrid | None = None
    end: tuple[float, ...] = ()
    directions: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class BoundaryView:
    """The classes that a model with two inputs predicts, step by step.

    :param values: a grid for each step: the score of class 1 if there are two classes, otherwise the class itself.
    :param level: the score above which a sample is predicted as class 1; None if the values are classes.
    :param inputs: `(x, y)` of the samples.
    :param targets: the class of each sample.
    """

    x: ViewAxis
    y: ViewAxis
    steps: tuple[int, ...]
    values: tuple[NumberGrid, ...]
    level: float | None
    inputs: tuple[tuple[float, float], ...]
    targets: tuple[int, ...]
    classes: int


@dataclass(frozen=True)
class FitView:
    """The predictions of a model with one input, step by step.

    :param values: for each step the prediction at each value of x.
    :param inputs: x of the samples.
    :param targets: the target of each sample.
    """

    x: ViewAxis
    steps: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]
    inputs: tuple[float, ...]
    targets: tuple[float, ...]


@dataclass(frozen=True)
class PredictionsView:
    """The predictions of a model for its data, step by step.

    :param columns: names of the inputs, targets and predictions.
    :param rows: for each step a row for each sample.
    """

    columns: tuple[str, ...]
    steps: tuple[int, ...]
    rows: tuple[tuple[tuple[float, ...], ...], ...]


View = CurveView | SurfaceView | PathView | BoundaryView | FitView | PredictionsView


class EndView(NamedTuple):
    """The end of one run of a sweep.

    :param point: the index of its point.
    :param loss: its last loss; infinite if it ended badly.
    :param end: its final parameters, if they are one number or two.
    """

    point: int
    loss: float
    seed: int = 0
    status: str = ""
    verdict: str = ""
    steps: int = 0
    end: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class RunEnds(Sequence[EndView]):
    """The ends of many runs, as columns: arrays with one entry for each run, as `EndView` names them.

    :param end: final parameters, a row for each run; None if they are more than two numbers, or not the same for all.
    """

    point: NDArray[Any]
    loss: NDArray[Any]
    seed: NDArray[Any]
    status: NDArray[Any]
    verdict: NDArray[Any]
    steps: NDArray[Any]
    end: NDArray[Any] | None = None

    @classmethod
    def of(cls, views: Iterable[EndView]) -> RunEnds:
        """Return single views as columns."""
        import numpy as np

        views = list(views)
        names = ("point", "loss", "seed", "status", "verdict", "steps")
        columns = {name: np.array([getattr(view, name) for view in views]) for name in names}
        return cls(**columns, end=np.array([view.end for view in views]) if all(view.end for view in views) else None)

    def __len__(self) -> int:
        return len(self.point)

    def __iter__(self) -> Iterator[EndView]:
        ends = [()] * len(self) if self.end is None else list(map(tuple, self.end.tolist()))
        columns = (self.point, self.loss, self.seed, self.status, self.verdict, self.steps)
        return (EndView(*row) for row in zip(*(column.tolist() for column in columns), ends, strict=True))

    @overload
    def __getitem__(self, index: int) -> EndView: ...

    @overload
    def __getitem__(self, index: slice) -> RunEnds: ...

    def __getitem__(self, index: int | slice) -> EndView | RunEnds:
        if isinstance(index, slice):
            return self.take(index)
        return next(iter(self.take([index])))

    def take(self, index: Any) -> RunEnds:
        """Return some of the runs: a slice, positions or a mask."""
        arrays = {each.name: getattr(self, each.name) for each in fields(self)}
        some: dict[str, Any] = {name: None if array is None else array[index] for name, array in arrays.items()}
        return RunEnds(**some)

    def bad(self) -> RunEnds:
        """Return the runs that ended badly."""
        import numpy as np

        return self.take(np.isinf(self.loss))

    def positions_by_point(self) -> dict[int, NDArray[Any]]:
        """Return for each point that has runs their positions."""
        import numpy as np

        order = np.argsort(self.point, kind="stable")
        points, starts = np.unique(self.point[order], return_index=True)
        # Without runs there is no point, and `split` returns one empty part.
        return dict(zip(points.tolist(), np.split(order, starts[1:]), strict=False))


@dataclass(frozen=True)
class Bands:
    """The quartiles of the loss over the steps, at one point of a sweep.

    :param quartiles: low, median and high of the runs' losses before the update of each step; infinite if that many
        runs ended badly.
    :param runs: the number of these runs, if they are not all of the point.
    """

    point: int
    steps: tuple[int, ...]
    quartiles: tuple[tuple[float, float, float], ...]
    runs: int | None = None


@dataclass(frozen=True)
class Ensemble:
    """The runs of a sweep.

    :param points: the value of each axis at each point.
    :param seeds: the number of runs of each point.
    :param runs: the finished runs, grouped by point.
    :param bands: for the points whose losses were stored.
    :param conditions: the conditions as for a run, without those that the sweep varies.
    :param command: the command line of the sweep.
    :param written: the scenario as YAML.
    """

    scenario: str
    axes: tuple[str, ...]
    points: tuple[Mapping[str, Any], ...]
    seeds: int
    runs: RunEnds
    bands: tuple[Bands, ...]
    conditions: Mapping[str, str]
    command: str = ""
    written: str = ""
