"""The contract of a function to go down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import vmap

from playground.engine.derivatives import coordinates
from playground.engine.function import Function
from playground.testing.differentiable import (
    WHY_DTYPE,
    WHY_VMAP,
    require_close,
    require_no_draw,
    require_right_backward,
)
from playground.testing.verdict import require

WHY_MINIMA = "a scenario is judged by how near a run came to what is stated, and right answers would fail"


class FunctionContract(ABC):
    """What a function must do: `class TestMine(FunctionContract)` with one method, `function`."""

    within: ClassVar[float] = 1e-4
    """How far the value at a stated minimum may lie from the stated value, relative plus absolute."""

    @abstractmethod
    def function(self) -> Function:
        """Return the function."""

    def points(self) -> Tensor:
        """Return points of the domain at which the function has no kink, shape `(6, n)`, float64."""
        low, high = torch.tensor(self.function().domain, dtype=torch.float64).unbind(dim=1)
        share = torch.rand(6, len(low), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        return low + (high - low) * (0.1 + 0.8 * share)

    def test_batches_of_points(self) -> None:
        """Points of shape `(..., n)` give values of shape `(...)`, each as alone."""
        function, points = self.function(), self.points()
        why = "pictures and sweeps ask for many points at once"
        alone = torch.stack([function(point) for point in points])
        require(
            alone.dim() == 1,
            f"the value at one point has shape {tuple(alone.shape[1:])}, not ()",
            "a loss is one number",
        )
        require_close(function(points), alone, "points together have other values than alone", why)
        grid = points.reshape(2, 3, -1)
        require_close(function(grid), alone.reshape(2, 3), "points of shape (2, 3, n) have other values", why)

    def test_backward_is_right(self) -> None:
        """Autograd agrees with every independent route to the derivative."""
        function = self.function()
        for point in self.points():
            require_right_backward(function, point, coordinates(function.variables), f"f at {point.tolist()}")

    def test_maps_over_runs(self) -> None:
        """Under vmap each run has the value that it has alone."""
        function, points = self.function(), self.points()
        try:
            together = vmap(function)(points)
        except Exception as error:
            raise AssertionError(f"vmap refuses the function: {error}\n  why it matters: {WHY_VMAP}") from error
        alone = torch.stack([function(point) for point in points])
        require_close(together, alone, "under vmap a value differs from the value alone", WHY_VMAP)

    def test_keeps_the_dtype(self) -> None:
        """The value has the dtype of the point."""
        for dtype in (torch.float32, torch.float64):
            found = self.function()(self.points().to(dtype)).dtype
            require(found == dtype, f"the value at a {dtype} point is {found}", WHY_DTYPE)

    def test_draws_nothing(self) -> None:
        """The same point has the same value."""
        function, points = self.function(), self.points()
        require_no_draw(lambda: function(points), "the function")

    def test_stated_minima_are_minima(self) -> None:
        """Each stated minimum has the stated value; nothing beside it or elsewhere in the domain is lower."""
        function = self.function()
        for minimum in function.minima:
            point = torch.tensor(minimum.point, dtype=torch.float64)
            value = function(point).item()
            allowed = self.within * (1 + abs(minimum.value))
            off = abs(value - minimum.value) <= allowed
            require(off, f"f{minimum.point} = {value:.8g}, not {minimum.value:.8g} as is stated", WHY_MINIMA)
            around = torch.cat([point + 1e-2 * step for step in (torch.eye(len(point)), -torch.eye(len(point)))])
            near = torch.cat([around, self.points()])
            values = function(near)
            lowest = int(values.argmin())
            found = f"f{tuple(near[lowest].tolist())} = {values[lowest].item():.8g}"
            lower = values[lowest].item() < minimum.value - allowed
            require(not lower, f"{found} is lower than the stated minimum {minimum.value:.8g}", WHY_MINIMA)
