"""The ranges of pictures: as asked for, otherwise around what is to be seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch

from playground.views import ViewAxis

Ranges = Mapping[str, tuple[float, float]]
"""The low and the high end by the name of an axis; `x` also stands for `x[0]`, `x[1]`, ..."""

MARGIN_SHARE = 0.15
"""Of the span of what is to be seen, on both sides."""


def make_axis(name: str, points: int, seen: Iterable[float], ranges: Ranges) -> ViewAxis:
    """Return an axis that has what is to be seen, or the range asked for.

    :param points: how many values, evenly spaced, both ends in.
    :param seen: numbers that should be on it; those that are not finite are left out.
    """
    low, high = find_range(name, ranges) or fit_range(list(seen))
    return ViewAxis(name, tuple(torch.linspace(low, high, points, dtype=torch.float64).tolist()))


def find_range(name: str, ranges: Ranges) -> tuple[float, float] | None:
    """Return the range that was asked for this axis, or for the vector it is an entry of."""
    return ranges.get(name, ranges.get(name.partition("[")[0]))


def find_unknown_axes(names: Sequence[str], ranges: Ranges) -> list[str]:
    """Return the keys of ranges that stand for none of these axes."""
    known = {*names, *(name.partition("[")[0] for name in names)}
    return [key for key in ranges if key not in known]


def fit_range(seen: Sequence[float]) -> tuple[float, float]:
    """Return a range with some room around these numbers."""
    finite = [number for number in seen if math.isfinite(number)] or [0.0]
    low, high = min(finite), max(finite)
    room = MARGIN_SHARE * (high - low) or max(1.0, abs(low) * MARGIN_SHARE)
    return low - room, high + room
