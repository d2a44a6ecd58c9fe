"""What the definitions of test functions share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le
from torch import Tensor

from playground.core.function import Function, Minimum

Dimension = Annotated[int, Ge(1), Le(100_000)]
"""Number of coordinates."""

Several = Annotated[int, Ge(2), Le(100_000)]
"""Number of coordinates of a function that needs at least two."""


def function_of_two(
    formula: Callable[[Tensor, Tensor], Tensor],
    domain: tuple[tuple[float, float], ...],
    minima: tuple[Minimum, ...],
    source: str,
    start: tuple[float, ...] | None = None,
) -> Function:
    """Return the function of two coordinates a, b that `formula` computes."""
    return Function(lambda x: formula(x[..., 0], x[..., 1]), 2, domain, minima, source, start)


def constant(values: Sequence[Any], like: Tensor) -> Tensor:
    """Return numbers, or rows of numbers, in the dtype and on the device of the points."""
    return torch.tensor(values, dtype=like.dtype, device=like.device)


def spread(dim: int, condition: float) -> list[float]:
    """Return `dim` numbers from 1 to `condition`, evenly spaced on a logarithmic scale."""
    return [condition ** (i / max(dim - 1, 1)) for i in range(dim)]


def goldstein_price_value(a: Tensor, b: Tensor) -> Tensor:
    """Return the value of `goldstein_price`."""
    first = 1 + (a + b + 1) ** 2 * (19 - 14 * a + 3 * a**2 - 14 * b + 6 * a * b + 3 * b**2)
    second = 30 + (2 * a - 3 * b) ** 2 * (18 - 32 * a + 12 * a**2 + 48 * b - 36 * a * b + 27 * b**2)
    return first * second
