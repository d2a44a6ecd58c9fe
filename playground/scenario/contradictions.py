"""Faults of a sweep as a whole: keys that cannot be swept, and values given twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from playground.errors import Fault, Place
from playground.scenario.choices import AxisChoice, Column, Group
from playground.scenario.messages import format_value
from playground.scenario.node import YamlNode
from playground.scenario.source import first_key

SHARED_KEYS = ("name", "summary", "task", "requires", "expect", "plot", "sweep")
"""Top-level keys that have one value for all runs of a sweep."""


def find_unfit_keys(columns: Sequence[Column], groups: Sequence[Group]) -> Iterator[Fault]:
    """Find keys that cannot be an axis, and seeds inside a zipped group."""
    for column in columns:
        if column.key.partition(".")[0] in SHARED_KEYS:
            message = f"{format_value(column.key)} cannot be swept; it is the same for all runs"
            yield Fault(message, place=column.place)
    for column in (column for group in groups for column in group):
        if column.key == "seed":
            message = "seeds do not advance together with other keys; put 'seed' under 'over'"
            yield Fault(message, place=column.place)


def find_duplicate_axes(columns: Sequence[Column]) -> Iterator[Fault]:
    """Find keys with two axes."""
    first: dict[str, Place] = {}
    for column in columns:
        if column.key in first:
            message = f"{format_value(column.key)} is swept twice; the first time at {first[column.key]}"
            yield Fault(message, place=column.place)
        first.setdefault(column.key, column.place)


def find_overlapping_axes(dimensions: Sequence[Sequence[AxisChoice]]) -> Iterator[Fault]:
    """Find keys that a value of another axis sets too: `optimizer.lr` beside an optimizer with its own rate."""
    axes = {key: (entry.key, dimension) for dimension in dimensions for key, entry in dimension[0].settings}
    for key, (place, _) in axes.items():
        for above, (_, dimension) in axes.items():
            below = key.removeprefix(f"{above}.")
            if below != key and any(_has_key(dict(choice.settings)[above].value, below) for choice in dimension):
                message = f"{format_value(key)} is swept twice; a value of {format_value(above)} gives it too"
                yield Fault(message, place=place)


def find_repeated_values(dimensions: Sequence[Sequence[AxisChoice]]) -> Iterator[Fault]:
    """Find values that an axis lists twice: the same run would be counted twice."""
    for dimension in dimensions:
        seen: set[str] = set()
        for choice in dimension:
            text = json.dumps(choice.values, sort_keys=True)
            if text in seen:
                words = ", ".join(f"{key} {format_value(value)}" for key, value in choice.values.items())
                place = choice.settings[0][1].value.place
                yield Fault(f"the same value twice on one axis: {words}", place=place)
            seen.add(text)


def _has_key(node: YamlNode, dotted: str) -> bool:
    """Return whether a value has an entry at a dotted key."""
    if isinstance(node.value, tuple):
        return True
    key, rest = first_key(node.entries, dotted)
    child = node.child(key)
    return child is not None and (rest is None or _has_key(child, rest))
