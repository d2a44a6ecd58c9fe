"""Ranges of hyperparameters that `playground compare` tunes, as annotations of an optimizer's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class SearchRange(Protocol):
    """The values that a hyperparameter may have: `Annotated[float, LogRange(1e-4, 1)]`."""

    def at(self, share: float) -> Any:
        """Return the value at a share of the range, from 0 to 1."""


@dataclass(frozen=True)
class LogRange:
    """Values spaced by ratio: `low · (high / low)^share`.

    :param low: positive.
    """

    low: float
    high: float

    def at(self, share: float) -> float:
        """Return the value at a share of the range; a share outside 0 to 1 goes beyond its ends."""
        return float(self.low * (self.high / self.low) ** share)

    def __str__(self) -> str:
        """`log:1e-05:10`."""
        return f"log:{self.low:g}:{self.high:g}"


@dataclass(frozen=True)
class LinearRange:
    """Values spaced by difference: `low + (high − low) · share`."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """Return the value at a share of the range."""
        return float(self.low + (self.high - self.low) * share)

    def __str__(self) -> str:
        """`0.5:0.99`."""
        return f"{self.low:g}:{self.high:g}"


@dataclass(frozen=True)
class Choices:
    """A few values."""

    values: Sequence[Any]

    def at(self, share: float) -> Any:
        """Return the value at a share of the list."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]

    def __str__(self) -> str:
        """`[0, 0.9]`."""
        return str(list(self.values))
