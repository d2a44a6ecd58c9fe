"""The ranges of plotted axes: as requested, or else fitted to the data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch

from playground.views import ViewAxis

Ranges = Mapping[str, tuple[float, float]]
"""The lower and the upper end by the name of an axis; `x` also stands for `x[0]`, `x[1]`, ..."""

MARGIN_SHARE = 0.15
"""The margin on both sides, as a share of the data's span."""


def make_axis(name: str, points: int, seen: Iterable[float], ranges: Ranges) -> ViewAxis:
    """Return an axis over the requested range, or around the data.

    :param points: the number of evenly spaced values, both ends included.
    :param seen: numbers that the axis should include; numbers that are not finite are ignored.
    """
    low, high = find_range(name, ranges) or fit_range(list(seen))
    return ViewAxis(name, tuple(torch.linspace(low, high, points, dtype=torch.float64).tolist()))


def find_range(name: str, ranges: Ranges) -> tuple[float, float] | None:
    """Return the range requested for this axis, or for the vector that it is an entry of."""
    return ranges.get(name, ranges.get(name.partition("[")[0]))


def find_unknown_axes(names: Sequence[str], ranges: Ranges) -> list[str]:
    """Return the keys of ranges that match none of these axes."""
    known = {*names, *(name.partition("[")[0] for name in names)}
    return [key for key in ranges if key not in known]


def fit_range(seen: Sequence[float]) -> tuple[float, float]:
    """Return a range with a margin around these numbers."""
    finite = [number for number in seen if math.isfinite(number)] or [0.0]
    low, high = min(finite), max(finite)
    room = MARGIN_SHARE * (high - low) or max(1.0, abs(low) * MARGIN_SHARE)
    return low - room, high + room
