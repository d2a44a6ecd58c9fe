"""The values that a page offers for the hyperparameters of an optimizer, by its annotations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from playground.live import DialRange
from playground.plugins.parameters import scenario_parameters
from playground.plugins.registry import Component
from playground.plugins.search_ranges import LinearRange, LogRange

RATE = "lr"
RATE_RANGE = (1e-5, 10.0)
"""What is offered for a learning rate whose annotation names no range."""

AROUND = 1_000.0
"""A positive number without an upper bound may be so many times as large, and as small."""

OPEN_SHARE = 1e-3
"""The share of a range by which a slider stops short of an end that is no value."""

SHARES = (0.5, 1.0)
"""A number between these, without an annotation, is taken for a share, as in `betas=(0.9, 0.999)`."""


def find_dial_ranges(component: Component, values: Mapping[str, float]) -> dict[str, DialRange]:
    """Return what to offer for each hyperparameter: its declared range, its bounds, or values around its own.

    :param component: the optimizer.
    :param values: of its hyperparameters, by name; those of a torch optimizer may be named `betas[0]`.
    """
    annotations = {each.name: each.annotation for each in scenario_parameters(component)}
    return {name: _range_of(name, value, annotations.get(name)) for name, value in values.items()}


def _range_of(name: str, value: float, annotation: object) -> DialRange:
    marks = get_args(annotation)[1:] if hasattr(annotation, "__metadata__") else ()
    for mark in marks:
        if isinstance(mark, LogRange | LinearRange):
            return DialRange(min(mark.low, value), max(mark.high, value), isinstance(mark, LogRange))
    if name == RATE and value > 0:
        return DialRange(min(RATE_RANGE[0], value), max(RATE_RANGE[1], value), is_logarithmic=True)
    low, high = _bound(marks, "ge", "gt"), _bound(marks, "le", "lt")
    if not marks and SHARES[0] <= value < SHARES[1]:
        low, high = (0.0, False), (1.0, True)
    if low is not None and high is not None:
        gap = OPEN_SHARE * (high[0] - low[0])
        lowest, highest = low[0] + gap * low[1], high[0] - gap * high[1]
        return DialRange(min(lowest, value), max(highest, value))
    if value > 0:
        return DialRange(value / AROUND, value * AROUND, is_logarithmic=True)
    lowest = min(-1.0 if low is None else low[0], value)
    return DialRange(lowest, max(1.0, lowest + 1.0))


def _bound(marks: tuple[object, ...], closed: str, opened: str) -> tuple[float, bool] | None:
    """Return a bound among annotations, and whether it is no value itself."""
    for mark in marks:
        for name in (closed, opened):
            if isinstance(limit := getattr(mark, name, None), int | float):
                return float(limit), name == opened
    return None
