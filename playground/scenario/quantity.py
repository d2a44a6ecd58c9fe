"""What is known about a measured quantity before a run, and which expectations of it can never hold.

The values of a quantity form an interval, the multiples of a fraction inside an interval (whole numbers, shares of
samples), or a set of words. Every condition of a check is an interval for each entry. A condition that has no value in
common with the quantity, or with another condition, fails for every possible run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from types import EllipsisType
from typing import Any

from playground.errors import Fault, suggest_correction
from playground.scenario.expect import Check, describe_shape, shape_of
from playground.scenario.messages import format_value
from playground.scenario.texts import rewrite

Shape = tuple[int | EllipsisType, ...]
"""Lengths of nested lists, () for a number; a final `...` stands for any further lengths."""

ROUNDING_TOLERANCE = 1e-9
"""Relative difference that rounding can cause; a larger difference makes an expectation impossible."""


@dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`; an open end is excluded."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __and__(self, other: Interval) -> Interval:
        """Return the intersection."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, high_closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low, high, low_open, not high_closed)

    def has_multiple(self, parts: int) -> bool:
        """Return whether the interval contains a fraction k/parts; with 0 parts, whether it contains any number."""
        if not parts or math.isinf(self.low) or math.isinf(self.high):
            return self.low < self.high or (self.low == self.high and not (self.low_open or self.high_open))
        # the smallest multiple may be at an open end, so also try the next one
        first = math.ceil(self.low * parts - ROUNDING_TOLERANCE)
        return any(self._holds(k / parts) for k in (first, first + 1))

    def _holds(self, value: float) -> bool:
        slack = ROUNDING_TOLERANCE * abs(value)
        above = value > self.low if self.low_open else value >= self.low - slack
        return above and (value < self.high if self.high_open else value <= self.high + slack)


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What is known about a measured quantity before a run.

    :param shape: the shape of its nested lists, () for a number; None if it is not known.
    :param low: no value is less.
    :param high: no value is more.
    :param parts: every value is a multiple of 1/parts: 1 for counts, the number of samples for a share of them; 0 for
        values without such steps.
    :param words: for a text, each possible text, with the reason why it cannot occur here; empty if it can.
    :param free_text: whether the quantity may be any text.
    :param limits: the limits in words, for a message: `at most 100, the budget`.
    """

    shape: Shape | None = None
    low: float = -math.inf
    high: float = math.inf
    parts: int = 0
    words: Mapping[str, str] = field(default_factory=dict)
    free_text: bool = False
    limits: str = ""


def find_impossible(name: str, check: Check, quantity: Quantity, resolution: float = 1e-6) -> list[Fault]:
    """Explain why a check can hold for no value of a quantity.

    :param resolution: relative precision of the measurement; `equals` allows four times as much.
    :returns: the first fault, or an empty list if the check can hold; its path begins with `name`.
    """
    if quantity.words:
        found = _find_unfit_words(name, check, quantity)
    elif isinstance(check.equals, str):
        found = [] if quantity.free_text else _find_text_for_number(name, check.equals)
    else:
        found = (
            _find_unfit_shape(name, check, quantity) or list(_find_unfit_numbers(name, check, quantity, resolution))[:1]
        )
    return [Fault(message, (name, key)) for key, message in found]


ConditionFaults = list[tuple[str, str]]
"""The faulty conditions, each with what is wrong."""


def _find_unfit_words(name: str, check: Check, quantity: Quantity) -> ConditionFaults:
    accepted = ", ".join(word for word, obstacle in quantity.words.items() if not obstacle)
    others = [key for key in given_conditions(check) if key != "equals"]
    if others:
        return [(others[0], f"{format_value(name)} is a text: expected one of {accepted}")]
    word = str(check.equals)
    if word not in quantity.words:
        hint = suggest_correction(word, quantity.words)
        return [("equals", f"unknown {name} {format_value(check.equals)}{hint} (accepted: {accepted})")]
    obstacle = quantity.words[word]
    return [("equals", f"{name} {format_value(word)} can never occur here: {obstacle}")] if obstacle else []


def _find_text_for_number(name: str, text: str) -> ConditionFaults:
    meant = rewrite(text)
    way = f"write {meant}" if meant else "expected a number, or conditions such as {below: 0.1}"
    return [("equals", f"{format_value(name)} is never the text {format_value(text)}; {way}")]


def _find_unfit_shape(name: str, check: Check, quantity: Quantity) -> ConditionFaults:
    """Find a list whose shape differs from the measured shape, or from another list of the check."""
    lists = {
        key: shape_of(value) for key, value in given_conditions(check).items() if key in ("near", "equals", "rounded")
    }
    for key, shape in lists.items():
        if quantity.shape is not None and not _is_fitting_shape(shape, quantity.shape):
            message = f"{format_value(name)} is {describe_shape(quantity.shape)}, and {key} is {describe_shape(shape)}"
            return [(key, f"{message}; they can never be equal")]
        if shape != next(iter(lists.values())):
            first, *_ = lists
            message = f"{first} is {describe_shape(lists[first])}, and {key} is {describe_shape(shape)}"
            return [(key, f"{message}; {format_value(name)} can never be both")]
    return []


def _is_fitting_shape(shape: tuple[int, ...], measured: Shape) -> bool:
    if measured and measured[-1] is ...:
        return shape[: len(measured) - 1] == measured[:-1]
    return shape == measured


def _find_unfit_numbers(name: str, check: Check, quantity: Quantity, resolution: float) -> Iterator[tuple[str, str]]:
    """Yield conditions that no possible value meets, then pairs of conditions that exclude each other."""
    conditions = {key: _intervals(key, check, resolution) for key in given_conditions(check) if key != "within"}
    possible = Interval(quantity.low, quantity.high)
    for key, intervals in conditions.items():
        if not all((each & possible).has_multiple(quantity.parts) for each in intervals):
            words = _format_words(name, key, check)
            yield key, f"{words} can never hold: {_limits(quantity)}{_percent(key, check, quantity)}"
    for one, other in combinations(conditions, 2):
        pairs = _pair_intervals(conditions[one], conditions[other])
        if not all((a & b & possible).has_multiple(quantity.parts) for a, b in pairs):
            yield (
                other,
                f"{_format_words(name, one, check)} and {_format_words('', other, check)} can never hold together",
            )


def _pair_intervals(one: list[Interval], other: list[Interval]) -> list[tuple[Interval, Interval]]:
    """Pair the intervals of two conditions entry by entry; a single interval applies to every entry."""
    length = max(len(one), len(other))
    return list(zip(one * (length if len(one) == 1 else 1), other * (length if len(other) == 1 else 1), strict=True))


def _intervals(key: str, check: Check, resolution: float) -> list[Interval]:
    """Return the values that a condition allows, as an interval for each entry of its list."""
    value = getattr(check, key)
    match key:
        case "below":
            return [Interval(high=value, high_open=True)]
        case "above":
            return [Interval(low=value, low_open=True)]
        case "at_least":
            return [Interval(low=value)]
        case "at_most":
            return [Interval(high=value)]
        case "near":
            return [
                _interval_around(entry, (check.within or 0.0) + ROUNDING_TOLERANCE * abs(entry))
                for entry in _flatten(value)
            ]
        case "equals":
            return [_interval_around(entry, 4 * resolution * abs(entry)) for entry in _flatten(value)]
        case _:  # rounded
            return [_interval_around(entry, 0.5) for entry in _flatten(value)]


def _interval_around(value: float, distance: float) -> Interval:
    return Interval(value - distance, value + distance)


def _flatten(value: Any) -> list[float]:
    return [number for entry in value for number in _flatten(entry)] if isinstance(value, list) else [float(value)]


def given_conditions(check: Check) -> dict[str, Any]:
    """Return the conditions that a check sets."""
    return check.model_dump(exclude_none=True)


def _format_words(name: str, key: str, check: Check) -> str:
    value = getattr(check, key)
    number = f"{value:g}" if isinstance(value, int | float) else "these numbers"
    within = f" within {check.within:g}" if key == "near" else ""
    return f"{name} {key.replace('_', ' ')} {number}{within}".strip()


def _limits(quantity: Quantity) -> str:
    """Describe the values that a quantity can have."""
    if quantity.limits:
        return f"it is {quantity.limits}"
    ends = [
        f"at least {quantity.low:g}" if math.isfinite(quantity.low) else "",
        f"at most {quantity.high:g}" if math.isfinite(quantity.high) else "",
    ]
    return f"it is {' and '.join(filter(None, ends))}"


def _percent(key: str, check: Check, quantity: Quantity) -> str:
    """Return how to write a share, if the check has a percentage."""
    value = getattr(check, key)
    if isinstance(value, int | float) and (quantity.low, quantity.high) == (0, 1) and 1 < value <= 100:
        return f"; for {value:g} % write {value / 100:g}"
    return ""
