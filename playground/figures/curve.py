"""Scales a row of values to a curve, independent of the output format."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

MAX_LINEAR_DECADES = 1.5
"""Positive values that span more powers of ten than this are drawn on a logarithmic axis."""

MIN_CURVE_VALUES = 3
"""Fewer distinct values than this are not drawn."""


@dataclass(frozen=True)
class ScaledCurve:
    """A curve between a lower edge, 0, and an upper edge, 1.

    :param heights: the height of each value; None, a gap, if the value is not finite.
    :param top: the value at the upper edge.
    :param bottom: the value at the lower edge.
    :param logarithmic: whether the vertical axis is logarithmic; a value of 0 is then on the lower edge.
    :param unchanged: whether further values followed, all equal to the last one drawn.
    """

    heights: tuple[float | None, ...]
    top: float
    bottom: float
    logarithmic: bool
    unchanged: bool

    def buckets(self, count: int) -> list[list[float]]:
        """Return the heights in each of `count` equal parts of the horizontal axis."""
        total = len(self.heights)
        if total < count:
            return [self._between(index * (total - 1) / (count - 1)) for index in range(count)]
        parts = [self.heights[index * total // count : (index + 1) * total // count] for index in range(count)]
        return [[height for height in part if height is not None] for part in parts]

    def _between(self, position: float) -> list[float]:
        """Return the height at a position between two values; empty unless both exist."""
        left, right = self.heights[math.floor(position)], self.heights[math.ceil(position)]
        if left is None or right is None:
            return []
        return [left + (right - left) * (position % 1)]


def scale_curve(values: Sequence[float]) -> ScaledCurve | None:
    """Return the curve of values against their index.

    Leaves out a tail of equal values that is longer than everything before it.

    :returns: None if there are too few distinct values to draw.
    """
    drawn = values[: _count_drawn(values)]
    finite = [value for value in drawn if math.isfinite(value)]
    if len(finite) < MIN_CURVE_VALUES or min(finite) == max(finite):
        return None
    positive = [value for value in finite if value > 0]
    high = max(finite)
    logarithmic = min(finite) >= 0 and math.log10(high) - math.log10(min(positive)) > MAX_LINEAR_DECADES
    low = min(positive) if logarithmic else min(finite)
    floor = _scale(low, logarithmic)
    span = (_scale(high, logarithmic) - floor) or 1.0
    heights = tuple(
        (_scale(max(value, low), logarithmic) - floor) / span if math.isfinite(value) else None for value in drawn
    )
    return ScaledCurve(heights, high, low, logarithmic, unchanged=len(drawn) < len(values))


def _count_drawn(values: Sequence[float]) -> int:
    """Return how many values to draw, without a long tail of equal ones."""
    tail = sum(1 for _ in takewhile(lambda value: value == values[-1], reversed(values)))
    return len(values) - tail + 1 if 2 * tail > len(values) else len(values)


def _scale(value: float, logarithmic: bool) -> float:
    """Return the position of a value on the axis; halved, so that a difference of two positions never overflows."""
    return math.log10(value) if logarithmic else value / 2
