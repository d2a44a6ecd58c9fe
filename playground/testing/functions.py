"""The contract of a function to minimize."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import vmap

from playground.core.derivatives import hessian, list_coordinates
from playground.core.function import Function
from playground.testing.differentiable import (
    WHY_DTYPE,
    WHY_VMAP,
    require_close,
    require_no_draw,
    require_right_backward,
)
from playground.testing.verdict import require

WHY_MINIMA = "scenarios compare the end of a run with the stated minimum, and correct runs would fail"


class FunctionContract(ABC):
    """The rules for a function: `class TestMine(FunctionContract)` with one method, `function`."""

    within: ClassVar[float] = 1e-4
    """Tolerance of the value at a stated minimum, relative plus absolute."""

    flat: ClassVar[float] = 1e-3
    """Tolerance of the position of a stated minimum, as a share of the domain's width."""

    @abstractmethod
    def function(self) -> Function:
        """Return the function."""

    def points(self) -> Tensor:
        """Return points of the domain at which the function has no kink, shape `(6, n)`, float64."""
        low, high = torch.tensor(self.function().domain, dtype=torch.float64).unbind(dim=1)
        share = torch.rand(6, len(low), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        return low + (high - low) * (0.1 + 0.8 * share)

    def test_batches_of_points(self) -> None:
        """Points of shape `(..., n)` give values of shape `(...)`, each equal to that of a single point."""
        function, points = self.function(), self.points()
        why = "pictures and sweeps evaluate many points at once"
        alone = torch.stack([function(point) for point in points])
        require(
            alone.dim() == 1,
            f"the value at one point has shape {tuple(alone.shape[1:])}, not ()",
            "a loss is one number",
        )
        require_close(function(points), alone, "a batch of points has other values than single points", why)
        grid = points.reshape(2, 3, -1)
        require_close(function(grid), alone.reshape(2, 3), "points of shape (2, 3, n) have other values", why)

    def test_backward_is_right(self) -> None:
        """Autograd agrees with every independent route to the derivative."""
        function = self.function()
        for point in self.points():
            require_right_backward(function, point, list_coordinates(function.variables), f"f at {point.tolist()}")

    def test_maps_over_runs(self) -> None:
        """Under vmap each run has the same value as without it."""
        function, points = self.function(), self.points()
        try:
            batched = vmap(function)(points)
        except Exception as error:
            raise AssertionError(f"vmap refuses the function: {error}\n  why it matters: {WHY_VMAP}") from error
        alone = torch.stack([function(point) for point in points])
        require_close(batched, alone, "a value under vmap differs from the value without it", WHY_VMAP)

    def test_keeps_the_dtype(self) -> None:
        """The value has the dtype of the point."""
        for dtype in (torch.float32, torch.float64):
            found = self.function()(self.points().to(dtype)).dtype
            require(found == dtype, f"the value at a {dtype} point is {found}", WHY_DTYPE)

    def test_draws_nothing(self) -> None:
        """The same point always has the same value."""
        function, points = self.function(), self.points()
        require_no_draw(lambda: function(points), "the function")

    def test_stated_minima_are_minima(self) -> None:
        """Each stated minimum has the stated value and zero slope; no other point in the domain is lower."""
        function = self.function()
        for minimum in function.minima:
            given, dim = len(minimum.point), function.dim
            require(given == dim, f"a stated minimum has {given} coordinates, not {dim}", WHY_MINIMA)
            finite = all(map(math.isfinite, (*minimum.point, minimum.value)))
            require(finite, f"the stated minimum {minimum.point} = {minimum.value} is not finite", WHY_MINIMA)
            point = torch.tensor(minimum.point, dtype=torch.float64)
            require_inside(function, point)
            value = function(point).item()
            allowed = self.within * (1 + abs(minimum.value))
            off = abs(value - minimum.value) <= allowed
            require(off, f"f{minimum.point} = {value:.8g}, but the stated value is {minimum.value:.8g}", WHY_MINIMA)
            steps = 1e-2 * torch.eye(len(point), dtype=torch.float64)
            low, high = torch.tensor(function.domain, dtype=torch.float64).unbind(dim=1)
            near = torch.cat([(point + steps).clamp(low, high), (point - steps).clamp(low, high), self.points()])
            values = function(near)
            lowest = int(values.argmin())
            found = f"f{tuple(near[lowest].tolist())} = {values[lowest].item():.8g}"
            lower = values[lowest].item() < minimum.value - allowed
            require(not lower, f"{found} is lower than the stated minimum {minimum.value:.8g}", WHY_MINIMA)
            require_no_descent(function, point, self.flat)


def require_inside(function: Function, point: Tensor) -> None:
    """Require that a stated minimum is in the domain.

    :raises AssertionError: it is outside the domain.
    """
    __tracebackhide__ = True
    low, high = torch.tensor(function.domain, dtype=torch.float64).unbind(dim=1)
    inside = bool(((point >= low) & (point <= high)).all())
    require(inside, f"the stated minimum {tuple(point.tolist())} is outside the domain", WHY_MINIMA)


def require_no_descent(function: Function, point: Tensor, share: float) -> None:
    """Require that no straight line through a stated minimum leads to a lower point near it.

    Along each coordinate, the lowest point within `share` of the domain's width, on both sides but inside the domain,
    must be the stated one, up to half a unit of its last given digit and a hundredth of that width. A kink may be a
    minimum, and so may a slope at the domain's boundary that leads out of the domain. Along every other line (see
    `_other_directions`), the lowest point must not be at an end of the line, as it is at a saddle.

    :raises AssertionError: another point is lower.
    """
    __tracebackhide__ = True
    here = function(point).item()
    low, high = torch.tensor(function.domain, dtype=torch.float64).unbind(dim=1)
    reach, axes = share * (high - low), torch.eye(len(point), dtype=torch.float64)
    stated = f"the stated minimum {tuple(point.tolist())}"
    for direction in (*axes, *_other_directions(function, point, high - low)):
        line = torch.linspace(-1, 1, 2001, dtype=torch.float64)[:, None] * reach * direction
        near = point + line
        near = torch.cat([point[None], near[((near >= low) & (near <= high)).all(1)]])
        values = function(near)
        lowest = int(values.argmin())
        gain, off = here - values[lowest].item(), (near[lowest] - point).abs()
        if gain <= 1e-13 * (1 + abs(here)):
            continue
        lower = f"f is lower by {gain:.3g} at {tuple(round(each, 8) for each in near[lowest].tolist())}"
        if direction.count_nonzero() == 1:
            i = int(direction.abs().argmax())
            near_enough = off[i].item() <= _digits(point[i].item()) + reach[i].item() / 100
            require(near_enough, f"the slope at {stated} is not zero: by x[{i}], {lower}", WHY_MINIMA)
        else:
            require(bool((off <= 0.9 * reach * direction.abs()).all()), f"{stated} is a saddle: {lower}", WHY_MINIMA)


def _other_directions(function: Function, point: Tensor, widths: Tensor) -> list[Tensor]:
    """Return further lines to examine, in addition to the coordinates, as shares of the domain's widths, at most 1.

    These are the diagonals of each pair of coordinates, which also reveal saddles with kinks, and the eigenvectors of
    the Hessian for negative eigenvalues, if there is a Hessian.
    """
    axes = torch.eye(len(point), dtype=torch.float64)
    diagonals = [one + sign * other for one, other in combinations(axes, 2) for sign in (1, -1)]
    try:
        scaled = hessian(function, point) * widths[:, None] * widths
    except Exception:  # a custom backward may raise anything when it is differentiated again
        return diagonals
    if not bool(scaled.isfinite().all()):
        return diagonals
    curvatures, vectors = torch.linalg.eigh(scaled)
    falling = vectors.T[curvatures < -1e-9 * curvatures.abs().max()]
    return [*diagonals, *(each / each.abs().max() for each in falling)]


def _digits(number: float) -> float:
    """Return half a unit of the last written digit of a number; 0 if it has fewer than four decimals."""
    decimals = len(repr(number).partition(".")[2])
    return 0.5 * 10.0**-decimals if "e" not in repr(number) and decimals >= 4 else 0.0
