"""The loss as a landscape: over one parameter, over two, or over the plane of largest movement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.func import vmap

from playground.core.axes import Ranges, make_axis
from playground.core.derivatives.points import VectorFunction, flat_loss, list_parameter_coordinates
from playground.core.problem import Problem
from playground.result import Recording
from playground.views import CurveView, NumberGrid, PathView, SurfaceView, TangentPoint, ViewAxis

CURVE_POINTS = 400
"""The number of points of a curve."""

SURFACE_SIDE_POINTS = 120
"""The number of points along each side of a surface."""

PLANE_SIDE_POINTS = 48
"""The number of points along each side of a path's plane, where each point evaluates a model on its data."""

MAX_PLANE_PARAMETERS = 100_000
"""Above this number of parameters, the plane of a path shows no loss."""

MINOR_VARIANCE_SHARE = 0.005
"""A direction with less than this share of the variance shows as 0 % and gets no axis scale of its own."""

MAX_NUMBERS_PER_CHUNK = 16_000_000
"""The number of values, of parameters and data, in one evaluation."""

Points = Sequence[Sequence[float]]


def landscape_axes(problem: Problem) -> tuple[str, ...]:
    """Return the names of the landscape's axes; none if there are more than two parameters."""
    count = sum(tensor.numel() for tensor in problem.parameters.values())
    return tuple(map(str, list_parameter_coordinates(problem.parameters))) if count <= 2 else ()


def compute_landscape(
    problem: Problem, recording: Recording, ranges: Ranges, minima: Points = ()
) -> CurveView | SurfaceView | PathView:
    """Return the loss over all data around the run's path; the module is left unchanged.

    :param recording: of the run; the problem has its final parameters.
    :param ranges: of the axes in `coordinates`.
    :param minima: known global minima, one coordinate for each parameter.
    """
    g, z = flat_loss(problem, problem.parameters)
    path = to_positions(recording.parameters)
    size = len(z) + sum(tensor.numel() for tensor in problem.batches.data)
    loss = _vectorize(g, z, max(1, MAX_NUMBERS_PER_CHUNK // size))
    names = landscape_axes(problem)
    if len(z) == 1:
        return _curve(loss, names[0], recording.steps, path, ranges, minima)
    if len(z) == 2:
        return _surface(loss, names, recording.steps, path, ranges, minima)
    return _path(loss, z, recording.steps, path)


def to_positions(parameters: Mapping[str, Sequence[object]]) -> Tensor:
    """Return recorded parameters as points, shape `(steps, parameters)`, in float64."""
    columns = (torch.tensor(rows, dtype=torch.float64) for rows in parameters.values())
    return torch.cat([column.reshape(len(column), -1) for column in columns], dim=1)


def principal_directions(path: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """Return the two directions in which points vary most, and their shares of the variance.

    The directions are the first two right singular vectors of the centred points. The largest entry of each is
    positive, so that the result is the same on every machine. Points that are not finite are ignored.

    :param path: shape `(points, n)`, n at least 2.
    :returns: orthonormal columns, shape `(n, 2)`, and the shares; 0 for a direction without variance.
    """
    finite = path[path.isfinite().all(dim=1)]
    scale = finite.abs().max().clamp(min=torch.finfo(path.dtype).tiny) if len(finite) else path.new_ones(())
    centred = (finite - finite.mean(dim=0)) / scale
    padded = torch.cat([centred, centred.new_zeros(max(0, 2 - len(centred)), path.shape[1])])
    _, singular, rows = torch.linalg.svd(padded, full_matrices=False)
    largest = rows[:2].gather(1, rows[:2].abs().argmax(dim=1, keepdim=True))
    shares = (singular.square() / singular.square().sum().clamp(min=1e-300)).tolist()
    return (rows[:2] * torch.where(largest < 0, -1.0, 1.0)).T, (shares[0], shares[1])


def _curve(
    loss: VectorFunction, name: str, steps: tuple[int, ...], path: Tensor, ranges: Ranges, minima: Points
) -> CurveView:
    x = make_axis(name, CURVE_POINTS, [*path.flatten().tolist(), *(point[0] for point in minima)], ranges)
    y, slope = _evaluate_with_slope(loss, torch.tensor(x.values, dtype=torch.float64).unsqueeze(1))
    known = [point[0] for point in minima] or _find_lowest(loss, x, y, slope)
    lowest = [(place, loss(torch.tensor([[place]], dtype=torch.float64)).item()) for place in known]
    visited = zip(path.flatten().tolist(), *_evaluate_with_slope(loss, path), strict=True)
    return CurveView(x, tuple(y), tuple(slope), steps, tuple(TangentPoint(*each) for each in visited), tuple(lowest))


def _evaluate_with_slope(loss: VectorFunction, points: Tensor) -> tuple[list[float], list[float]]:
    """Return the loss at points of one coordinate, and its derivative there."""
    points = points.detach().double().requires_grad_()
    with torch.enable_grad():
        values = loss(points)
    (slope,) = torch.autograd.grad(values.sum(), points)  # each value depends on its own point only
    return values.detach().double().tolist(), slope.flatten().tolist()


def _find_lowest(loss: VectorFunction, x: ViewAxis, y: Sequence[float], slope: Sequence[float]) -> list[float]:
    """Return the lowest point where the curve turns from falling to rising; None if there is none."""
    turns = [i for i, (left, right) in enumerate(pairwise(slope)) if left < 0 <= right]
    if not turns:
        return []
    at = min(turns, key=lambda i: min(y[i], y[i + 1]))
    low, high = x.values[at], x.values[at + 1]
    for _ in range(60):  # bisection to the last digit of a float64
        middle = (low + high) / 2
        _, (tangent,) = _evaluate_with_slope(loss, torch.tensor([[middle]], dtype=torch.float64))
        low, high = (middle, high) if tangent < 0 else (low, middle)
    return [high]


def _surface(
    loss: VectorFunction, names: tuple[str, ...], steps: tuple[int, ...], path: Tensor, ranges: Ranges, minima: Points
) -> SurfaceView:
    seen = torch.cat([path, torch.tensor(minima, dtype=torch.float64).reshape(-1, 2)])
    x, y = (
        make_axis(name, SURFACE_SIDE_POINTS, column.tolist(), ranges)
        for name, column in zip(names, seen.T, strict=True)
    )
    known = tuple((point[0], point[1]) for point in minima)
    return SurfaceView(x, y, _evaluate_grid(loss, x, y), steps, _pairs(path), known)


def _path(loss: VectorFunction, end: Tensor, steps: tuple[int, ...], path: Tensor) -> PathView:
    directions, explained = principal_directions(path)
    end = end.double()
    flat = (path - end) @ directions
    first, second = flat.T.tolist()
    x = make_axis("first", PLANE_SIDE_POINTS, first, {})
    # A direction with little movement takes the scale of the first, so that the path looks as straight as it is.
    y = make_axis("second", PLANE_SIDE_POINTS, second if explained[1] >= MINOR_VARIANCE_SHARE else first, {})
    values = (
        None
        if len(end) > MAX_PLANE_PARAMETERS
        else _evaluate_grid(lambda points: loss(end + points @ directions.T), x, y)
    )
    both = tuple(map(tuple, directions.T.tolist()))
    return PathView(x, y, steps, _pairs(flat), explained, values, tuple(end.tolist()), both)


def _evaluate_grid(f: Callable[[Tensor], Tensor], x: ViewAxis, y: ViewAxis) -> NumberGrid:
    """Evaluate f, which takes points of shape `(points, 2)`, at every point of a grid."""
    across, up = torch.tensor(x.values, dtype=torch.float64), torch.tensor(y.values, dtype=torch.float64)
    rows, columns = torch.meshgrid(up, across, indexing="ij")
    with torch.no_grad():
        values = f(torch.stack([columns.flatten(), rows.flatten()], dim=1))
    return tuple(map(tuple, values.reshape(rows.shape).tolist()))


def _pairs(points: Tensor) -> tuple[tuple[float, float], ...]:
    return tuple((x, y) for x, y in points.tolist())


def _vectorize(g: VectorFunction, z: Tensor, chunk: int) -> VectorFunction:
    """Return the loss of many points, shape `(points, n)`, in the precision and on the device of z."""

    def loss(points: Tensor) -> Tensor:
        points = points.to(z)
        try:
            values: Tensor = vmap(g, chunk_size=chunk)(points)
        except RuntimeError:  # a module that cannot be mapped is evaluated point by point
            values = torch.stack([g(point) for point in points])
        return values.cpu()

    return loss
