"""The numbers of an axis written as a range; they are the same on every machine.

All arithmetic is decimal and starts from the ends as written: `{log: [1e-4, 1], points: 5}` contains 0.001, not
0.0010000000000000002, and the result does not depend on a mathematical library.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from random import Random

from playground.scenario.sweep import SweepAxis

PRECISION_DIGITS = 30
"""Precision of intermediate results, in decimal digits; a float has 17."""

_MAX_EXACT_INTEGER = 2.0**53
"""Above this, not every whole number is a float."""


def length(axis: SweepAxis) -> int:
    """Return how many values an axis has, without making them."""
    return len(axis.values) if axis.values is not None else axis.points or axis.count or 0


def numbers(axis: SweepAxis, key: str) -> Sequence[int | float]:
    """Return the numbers of a range.

    `linear` and `log` include both ends exactly; if all values are whole they are integers, so that
    `steps: {linear: [100, 1000], points: 10}` is valid. `random` draws uniformly, or log-uniformly if both ends are
    positive; a larger count begins with the same numbers. `count` alone gives 0, 1, ...

    :param axis: an axis that is not a list.
    :param key: the key that takes the numbers; two keys with the same seed draw independently.
    """
    with localcontext(prec=PRECISION_DIGITS):
        if axis.log is not None:
            return _spaced_numbers(axis.log, axis.points or 2, by_ratio=True)
        if axis.linear is not None:
            return _spaced_numbers(axis.linear, axis.points or 2, by_ratio=False)
        if axis.random is not None:
            return _draw_numbers(axis.random, axis.count or 0, f"{key} {axis.seed or 0}")
    return range(axis.count or 0)


def _spaced_numbers(ends: tuple[float, float], points: int, by_ratio: bool) -> list[int] | list[float]:
    shares = (Decimal(step) / (points - 1) for step in range(1, points - 1))
    between = [_interpolate(ends, share, by_ratio) for share in shares]
    values = [ends[0], *between, ends[1]]
    if all(value.is_integer() and abs(value) <= _MAX_EXACT_INTEGER for value in values):
        return [int(value) for value in values]
    return values


def _draw_numbers(ends: tuple[float, float], count: int, seed: str) -> list[float]:
    random = Random(seed)  # seeding with text uses a hash that is the same on every machine
    return [_interpolate(ends, Decimal(random.random()), by_ratio=ends[0] > 0) for _ in range(count)]


def _interpolate(ends: tuple[float, float], share: Decimal, by_ratio: bool) -> float:
    """Return the number at a share of the distance from the low end to the high end."""
    low, high = (Decimal(repr(end)) for end in ends)
    if by_ratio:
        return float((low.ln() + (high.ln() - low.ln()) * share).exp())
    return float(low + (high - low) * share)
