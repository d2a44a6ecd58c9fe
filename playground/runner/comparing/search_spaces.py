"""What is tuned of an optimizer, and which settings are tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from playground.plugins.search_ranges import LogRange, SearchRange

Setting = tuple[tuple[str, Any], ...]
"""The values of the tuned parameters, by name."""

TRIALS = 20
"""Settings that every optimizer may try on a problem, in each study."""

COARSE = 10
"""Of these, the values of a single parameter that span its whole range."""

SUBDIVISIONS = 4
"""Lattice points from one coarse value to the next."""

AROUND = (-6, -5, -3, -2, -1, 1, 2, 3, 5, 6)
"""Lattice points around the best coarse value that are tried next; the coarse values themselves are left out."""


class SearchSpace(Protocol):
    """Which settings a study tries: the same number for every optimizer."""

    @property
    def first(self) -> Sequence[Setting]:
        """The settings that are tried at first."""

    def around(self, best: Setting) -> Sequence[Setting]:
        """Return the settings to try after the best of the first ones is known."""

    def is_at_edge(self, setting: Setting, tried: Sequence[Setting]) -> bool:
        """Tell whether a better setting may lie beyond the ones that were tried."""


@dataclass(frozen=True)
class Lattice:
    """One parameter on a lattice of equal ratios: coarse values over its range, then those around the best.

    :param name: of the parameter.
    :param range: from the first to the last coarse value; values around an end may lie beyond it.
    """

    name: str
    range: LogRange

    @cached_property
    def first(self) -> list[Setting]:
        """The coarse values."""
        return [self._setting(SUBDIVISIONS * place) for place in range(COARSE)]

    def around(self, best: Setting) -> list[Setting]:
        """Return the lattice points around a coarse value."""
        place = SUBDIVISIONS * self.first.index(best)
        return [self._setting(place + offset) for offset in AROUND]

    def is_at_edge(self, setting: Setting, tried: Sequence[Setting]) -> bool:
        """Tell whether the setting has the smallest or the largest value."""
        values = [value for ((_, value),) in tried]
        return setting[0][1] in (min(values), max(values))

    def _setting(self, place: int) -> Setting:
        return ((self.name, self.range.at(place / (SUBDIVISIONS * (COARSE - 1)))),)


@dataclass(frozen=True)
class QuasiRandom:
    """Several parameters: points of a Halton sequence, which fill their ranges evenly.

    :param ranges: by name of the parameter.
    """

    ranges: Mapping[str, SearchRange]

    @cached_property
    def first(self) -> list[Setting]:
        """All points."""
        from playground.core.comparison import halton_points

        points = halton_points(TRIALS, len(self.ranges))
        found = [
            tuple((name, span.at(float(share))) for (name, span), share in zip(self.ranges.items(), point, strict=True))
            for point in points
        ]
        return list(dict.fromkeys(found))

    def around(self, best: Setting) -> list[Setting]:
        """Return nothing: all trials are made at first."""
        return []

    def is_at_edge(self, setting: Setting, tried: Sequence[Setting]) -> bool:
        """Tell nothing: random points have no edge."""
        return False


@dataclass(frozen=True)
class Fixed:
    """Nothing is tuned."""

    first: tuple[Setting, ...] = ((),)

    def around(self, best: Setting) -> list[Setting]:
        """Return nothing."""
        return []

    def is_at_edge(self, setting: Setting, tried: Sequence[Setting]) -> bool:
        """Return no."""
        return False


def make_space(ranges: Mapping[str, SearchRange]) -> SearchSpace:
    """Return the settings to try for these ranges, by name of the parameter."""
    if not ranges:
        return Fixed()
    if len(ranges) == 1:
        ((name, only),) = ranges.items()
        if isinstance(only, LogRange):
            return Lattice(name, only)
    return QuasiRandom(ranges)
