"""The axes of a sweep as the file writes them, and the values of each axis.

An entry of a component's axis may contain a grid: in `{name: adam, beta1: [0.8, 0.9]}`, every list and every range
such as `{log: [1e-4, 1], points: 5}` is an axis of that grid. A value that is itself a list is wrapped in another list:
`{name: mlp, hidden: [[8]]}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from pydantic import ValidationError

from playground.errors import Place, ScenarioError
from playground.scenario.messages import faults
from playground.scenario.model import Loaded
from playground.scenario.node import YamlEntry, YamlNode
from playground.scenario.ranges import length, numbers
from playground.scenario.shorthand import COMPONENT_KINDS
from playground.scenario.source import SourceText
from playground.scenario.sweep import SweepAxis


@dataclass(frozen=True)
class Column:
    """The values that one key takes in a sweep, in order.

    :param key: the dotted key.
    :param place: where the key is in the file.
    :param written: the values as the file writes them, with places.
    :param axis: the validated values.
    """

    key: str
    place: Place
    written: YamlNode
    axis: SweepAxis

    @property
    def listed(self) -> tuple[YamlNode, ...]:
        """The entries of a list; empty if the axis is a range."""
        inner = self.written.child("values")
        return inner.items if inner else self.written.items

    def nodes(self) -> Sequence[YamlNode]:
        """Return each value of the axis with its place."""
        if self.axis.values is not None:
            return self.listed
        return [YamlNode(self.written.place, number) for number in numbers(self.axis, self.key)]


Group = tuple[Column, ...]
"""Columns that advance together; a plain axis is a group of one."""


@dataclass(frozen=True)
class AxisChoice:
    """One value of an axis, or one row of a zipped group.

    :param settings: the new values by dotted key.
    :param values: the same as plain data, as tables and filters show them.
    """

    settings: tuple[tuple[str, YamlEntry], ...]
    values: Mapping[str, Any]


def swept_columns(loaded: Loaded) -> tuple[list[Column], list[Group]]:
    """Return the columns that a scenario sweeps.

    :returns: every column in the order written, and the groups whose choices make points: one group for each axis,
        then the zipped groups. The axis `seed` makes no points and is not a group.
    """
    sweep = loaded.scenario.sweep
    if sweep is None:
        return [], []
    tree = loaded.source.root.entries["sweep"].value.entries
    axes = [
        Column(key, entry.key, entry.value, sweep.over[key])
        for key, entry in (tree["over"].value.entries.items() if "over" in tree else ())
    ]
    zipped = [
        tuple(Column(key, entry.key, entry.value, SweepAxis(values=lists[key])) for key, entry in node.entries.items())
        for lists, node in zip(sweep.zip, tree["zip"].value.items if "zip" in tree else (), strict=True)
    ]
    groups = [(column,) for column in axes if column.key != "seed"]
    return [*axes, *(column for group in zipped for column in group)], [*groups, *zipped]


def size(group: Group) -> int:
    """Return how many choices a group has, without making them.

    :raises ScenarioError: a range inside an entry is not valid.
    """
    if len(group) == 1 and group[0].axis.values is None:
        return length(group[0].axis)
    rows = zip(*(column.listed for column in group), strict=True)
    return sum(prod(_count(column.key, node) for column, node in zip(group, row, strict=True)) for row in rows)


def choices(group: Group) -> Iterator[AxisChoice]:
    """Yield the choices of a group in the order written; the last key of an entry's own grid varies fastest."""
    for row in zip(*(column.nodes() for column in group), strict=True):
        offers = [list(_alternatives(column.key, node)) for column, node in zip(group, row, strict=True)]
        for picked in product(*offers):
            settings = (
                (column.key, YamlEntry(column.place, node)) for column, (node, _) in zip(group, picked, strict=True)
            )
            yield AxisChoice(tuple(settings), {key: value for _, values in picked for key, value in values.items()})


def _count(key: str, node: YamlNode) -> int:
    if not _is_component(key, node):
        return 1
    return prod(_parameter_count(entry.value) for entry in node.entries.values())


def _alternatives(key: str, node: YamlNode) -> Iterator[tuple[YamlNode, Mapping[str, Any]]]:
    """Yield each value that one entry stands for, with the values that tables and filters show."""
    if not _is_component(key, node):
        yield node, {key: node.data()}
        return
    names = sorted(node.entries, key=lambda name: name != "name")  # the name first, the rest as written
    known = [key if name == "name" else f"{key}.{name}" for name in names]
    # a grid of the entry's own: the product of the values of all its parameters, where a plain value is a single one
    offers = [_parameter_nodes(dotted, node.entries[name].value) for dotted, name in zip(known, names, strict=True)]
    for picked in product(*offers):
        entries = {name: YamlEntry(node.entries[name].key, value) for name, value in zip(names, picked, strict=True)}
        yield YamlNode(node.place, entries), {dotted: value.data() for dotted, value in zip(known, picked, strict=True)}


def _is_component(key: str, node: YamlNode) -> bool:
    return key in COMPONENT_KINDS and isinstance(node.value, Mapping)


def _parameter_count(node: YamlNode) -> int:
    axis = _range(node)
    if axis is not None:
        return length(axis)
    return len(node.value) if isinstance(node.value, tuple) else 1


def _parameter_nodes(key: str, node: YamlNode) -> Sequence[YamlNode]:
    axis = _range(node)
    if axis is not None:
        return [YamlNode(node.place, number) for number in numbers(axis, key)]
    return node.value if isinstance(node.value, tuple) else (node,)


def _range(node: YamlNode) -> SweepAxis | None:
    """Return a parameter's range; None if it is a value or a list of values."""
    keys = node.entries.keys()
    if not keys & {"log", "linear", "random"} or not keys <= SweepAxis.model_fields.keys():
        return None
    try:
        return SweepAxis.model_validate(node.data())
    except ValidationError as error:
        raise SourceText(node.place.file, node).locate(ScenarioError(*faults(error))) from None
