"""Expands a sweep into its runs: points in a fixed order, each run with every seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

from playground.errors import Fault, ScenarioError
from playground.scenario.choices import AxisChoice, choices, size, swept_columns
from playground.scenario.contradictions import (
    find_duplicate_axes,
    find_overlapping_axes,
    find_repeated_values,
    find_unfit_keys,
)
from playground.scenario.messages import FaultyKey
from playground.scenario.model import Loaded, Scenario, parse_scenario
from playground.scenario.node import YamlEntry, YamlNode
from playground.scenario.replacement import ParameterLookup, keep_no_parameter
from playground.scenario.seeds import seeds_of
from playground.scenario.source import SourceText, argument

MAX_POINTS = 100_000
"""Maximum number of points in a sweep; each is a validated scenario held in memory."""

MAX_RUNS = 100_000_000
"""Maximum number of runs in a sweep: points times seeds."""

MAX_FAULTS = 20
"""Maximum number of distinct faults to collect; the remaining points are then not validated."""


@dataclass(frozen=True)
class GridPoint:
    """One combination of all swept values except the seed.

    :param index: the point's number in the grid, from 0.
    :param values: axis to value, in the order of the axes, as plain data for tables and filters. A component given as
        a mapping is shown as its name under its kind, and its parameters below: `optimizer`, `optimizer.beta1`.
    :param scenario: the scenario to run, without the sweep; its seed is the file's.
    :param source: the places of the values; a swept value has the place of its axis. Points share common parts.
    """

    index: int
    values: Mapping[str, Any]
    scenario: Scenario
    source: SourceText

    @property
    def loaded(self) -> Loaded:
        """The scenario with its source."""
        return Loaded(self.scenario, self.source)


@dataclass(frozen=True)
class Grid:
    """The runs of a sweep: every point with every seed.

    :param points: the points; the last axis written varies fastest, and zipped groups vary faster than axes.
    :param seeds: the values of the `seed` axis, or the scenario's seed. Seeds are separate because the points do not
        depend on them.
    """

    points: tuple[GridPoint, ...]
    seeds: Sequence[int]

    @property
    def size(self) -> int:
        """The number of runs."""
        return len(self.points) * len(self.seeds)

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """All keys of the points' values; a point without one of these keys does not sweep it."""
        return tuple(dict.fromkeys(key for point in self.points for key in point.values))


def expand(loaded: Loaded, known: ParameterLookup = keep_no_parameter) -> Grid:
    """Return the runs of a scenario's sweep; without a sweep, its single run.

    Validates each point as a scenario; does not look up names and parameters of components.

    :param known: returns the parameters of a component; decides which old parameters a replacement component keeps.
    :raises ScenarioError: the sweep is too large (checked before any point is made), contradicts itself, or some of its
        points are not valid scenarios. The places of the faults are those of the axes.
    """
    columns, groups = swept_columns(loaded)
    faults = [*find_unfit_keys(columns, groups), *find_duplicate_axes(columns)]
    seeds: Sequence[int] = (loaded.scenario.seed,)
    try:
        seeds = next((seeds_of(column) for column in columns if column.key == "seed"), seeds)
    except ScenarioError as error:
        faults += error.faults
    if faults:
        raise loaded.source.locate(ScenarioError(*faults))
    _check_size(loaded, [size(group) for group in groups], len(seeds))
    dimensions = [list(choices(group)) for group in groups]
    faults = [*find_repeated_values(dimensions), *find_overlapping_axes(dimensions)]
    if faults:
        raise loaded.source.locate(ScenarioError(*faults))
    return Grid(_make_points(_remove_sweep(loaded), dimensions, known), seeds)


def _check_size(loaded: Loaded, sizes: Sequence[int], seeds: int) -> None:
    """Refuse a sweep that is empty or too large, before any point is made."""
    points = prod(sizes)
    if points == 0:
        message = "this sweep has no runs: a list in it is empty"
    elif points * seeds > MAX_RUNS:
        message = (
            f"this sweep has {points * seeds:,} runs; at most {MAX_RUNS:,} are accepted: take fewer values or seeds"
        )
    elif points > MAX_POINTS:
        message = f"this sweep has {points:,} points; at most {MAX_POINTS:,} are accepted, not counting seeds"
    else:
        return
    raise loaded.source.locate(ScenarioError(Fault(message, (FaultyKey("sweep"),))))


def _make_points(
    base: Loaded, dimensions: Sequence[Sequence[AxisChoice]], known: ParameterLookup
) -> tuple[GridPoint, ...]:
    """Make every point; a fault that several points share is reported once."""
    points: list[GridPoint] = []
    faults: dict[Fault, None] = {}
    for index, picked in enumerate(product(*dimensions)):
        try:
            points.append(_make_point(index, base, picked, known))
        except ScenarioError as error:
            faults |= dict.fromkeys(error.faults)
            if len(faults) >= MAX_FAULTS:
                break
    if faults:
        raise base.source.locate(ScenarioError(*faults))
    return tuple(points)


def _make_point(index: int, base: Loaded, picked: Sequence[AxisChoice], known: ParameterLookup) -> GridPoint:
    source = base.source
    settings = [setting for choice in picked for setting in choice.settings]
    for key, entry in sorted(settings, key=lambda setting: len(setting[0])):  # `optimizer` before `optimizer.lr`
        source = source.assign(key, entry, known)
    values = {key: value for choice in picked for key, value in choice.values.items()}
    return GridPoint(index, values, parse_scenario(source, base), source)


def _remove_sweep(loaded: Loaded) -> Loaded:
    source = SourceText(loaded.source.file, loaded.source.root.without("sweep"), loaded.source)
    return Loaded(parse_scenario(source, loaded), source)


def with_axes(loaded: Loaded, over: Mapping[str, Any], seeds: int | None = None, prefix: str = "--") -> Loaded:
    """Return a scenario with axes added to its sweep or replaced in it, as `--over` and `--seeds` do.

    :param over: dotted keys with values that `sweep.over` accepts, as plain data.
    :param seeds: run each point with the seeds 0 to `seeds - 1`.
    :param prefix: what stands before `over` and `seeds` in messages.
    :raises ScenarioError: one of the values is not a valid axis.
    """
    given: dict[str, YamlEntry] = {}
    for key, values in over.items():
        place = argument(f"{prefix}over {key}")
        given[key] = YamlEntry(place, YamlNode.of(values, place))
    if seeds is not None:
        place = argument(f"{prefix}seeds {seeds}")
        if "seed" in given:
            raise ScenarioError(Fault(f"'seed' is swept twice: {prefix}over seed sweeps it too", place=place))
        given["seed"] = YamlEntry(place, YamlNode.of({"count": seeds}, place))
    if not given:
        return loaded
    source = _insert_axes(loaded.source, given)
    return Loaded(parse_scenario(source, loaded), source)


def _insert_axes(source: SourceText, axes: Mapping[str, YamlEntry]) -> SourceText:
    """Add axes to a scenario's sweep; a new sweep has the place of the first axis."""
    empty = YamlNode(next(iter(axes.values())).key, None)
    sweep = source.root.entries.get("sweep", YamlEntry(empty.place, empty))
    over = sweep.value.entries.get("over", YamlEntry(empty.place, empty))
    for key, entry in axes.items():
        over = replace(over, value=over.value.with_entry(key, entry))
    root = source.root.with_entry("sweep", replace(sweep, value=sweep.value.with_entry("over", over)))
    return SourceText(source.file, root, source)
