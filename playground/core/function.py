"""Test functions to minimize: a formula with its domain, minima and source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from playground.errors import ComponentError


@dataclass(frozen=True)
class Minimum:
    """A global minimum: the point, one coordinate per dimension, and the value there."""

    point: tuple[float, ...]
    value: float


@runtime_checkable
class Objective(Protocol):
    """A differentiable function of named variables."""

    @property
    def variables(self) -> Mapping[str, int | None]:
        """Each variable with its length; None for a scalar."""

    @property
    def __call__(self) -> Callable[..., Tensor]:
        """Compute the value, shape `(...)`, from scalars of shape `(...)` and vectors of shape `(..., n)` by name."""


@dataclass(frozen=True)
class Function:
    """A function of one vector `x`, with its domain, its known global minima and its source.

    :param formula: computes the value, shape `(...)`, from points of shape `(..., n)`.
    :param dim: n, the number of coordinates.
    :param domain: the usual search box, `(low, high)` for each coordinate.
    :param minima: every known global minimum.
    :param source: where the definition comes from.
    :param start: the customary starting point, if there is one.
    :param terms: if the value is a sum: computes its m terms, shape `(..., m)`, which data can weight one by one.
    """

    formula: Callable[[Tensor], Tensor]
    dim: int
    domain: tuple[tuple[float, float], ...]
    minima: tuple[Minimum, ...] = ()
    source: str = ""
    start: tuple[float, ...] | None = None
    terms: Callable[[Tensor], Tensor] | None = None
    variables: Mapping[str, int | None] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", {"x": self.dim})

    def __call__(self, x: Tensor) -> Tensor:
        """Return the value, shape `(...)`, at points `x` of shape `(..., n)`.

        :raises ComponentError: the points have another number of coordinates.
        """
        if x.shape[-1] != self.dim:
            raise ComponentError(f"expected a point of {self.dim} coordinates, got {x.shape[-1]}")
        return self.formula(x)


@dataclass(frozen=True)
class NamedFunction:
    """A function of named variables, from one of Python with as many parameters.

    :param formula: computes the value from the variables, in their order.
    :param variables: each variable with its length; None for a scalar.
    """

    formula: Callable[..., Tensor]
    variables: Mapping[str, int | None]

    def __call__(self, **variables: Tensor) -> Tensor:
        """Return the value, shape `(...)`, from scalars of shape `(...)` and vectors of shape `(..., n)` by name."""
        return self.formula(*(variables[name] for name in self.variables))
