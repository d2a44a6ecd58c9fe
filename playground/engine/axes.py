"""The ranges of pictures: as asked for, otherwise around what is to be seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch

from playground.views import Axis

Ranges = Mapping[str, tuple[float, float]]
"""The low and the high end by the name of an axis; `x` also stands for `x[0]`, `x[1]`, ..."""

MARGIN = 0.15
"""Of the span of what is to be seen, on both sides."""


def axis(name: str, points: int, seen: Iterable[float], ranges: Ranges) -> Axis:
    """Return an axis that has what is to be seen, or the range asked for.

    :param points: how many values, evenly spaced, both ends in.
    :param seen: numbers that should be on it; those that are not finite are left out.
    """
    low, high = asked(name, ranges) or around(list(seen))
    return Axis(name, tuple(torch.linspace(low, high, points, dtype=torch.float64).tolist()))


def asked(name: str, ranges: Ranges) -> tuple[float, float] | None:
    """Return the range that was asked for this axis, or for the vector it is an entry of."""
    return ranges.get(name, ranges.get(name.partition("[")[0]))


def unknown(names: Sequence[str], ranges: Ranges) -> list[str]:
    """Return the keys of ranges that stand for none of these axes."""
    known = {*names, *(name.partition("[")[0] for name in names)}
    return [key for key in ranges if key not in known]


def around(seen: Sequence[float]) -> tuple[float, float]:
    """Return a range with some room around these numbers."""
    finite = [number for number in seen if math.isfinite(number)] or [0.0]
    low, high = min(finite), max(finite)
    room = MARGIN * (high - low) or max(1.0, abs(low) * MARGIN)
    return low - room, high + room
