"""Which runs of a grid can descend together, and in which chunks they are computed."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Any

import yaml

from playground.errors import PlaygroundError, ScenarioError
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.runner.store import Row
from playground.scenario.grid import GridPoint
from playground.scenario.model import Loaded, Scenario, parse_scenario
from playground.scenario.source import parse_source

Member = tuple[int, int]
"""A run of a grid: the index of its point, and its seed."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Runs that are computed with one another.

    :param file: the scenario's file, for messages and relative paths.
    :param family: the first point of the family that these runs belong to, by index.
    :param points: the scenario of each point that occurs, by index.
    :param keys: for each point what the keys of its runs begin with.
    :param members: the runs.
    :param engine: name of the engine that computes them.
    :param note: what there is to say about that; empty for nothing.
    """

    file: str
    family: int
    points: Mapping[int, Loaded]
    keys: Mapping[int, str]
    members: Sequence[Member]
    engine: str
    note: str = ""

    @property
    def first(self) -> Loaded:
        """The scenario of the first member."""
        return self.points[self.members[0][0]]


@dataclass(frozen=True, kw_only=True)
class PackedChunk:
    """A chunk as plain data, which can travel to another process: its points as the text of a scenario."""

    file: str
    family: int
    points: Mapping[int, str]
    keys: Mapping[int, str]
    members: Sequence[Member]
    engine: str
    note: str


@dataclass(frozen=True, kw_only=True)
class ChunkResult:
    """What a chunk gave.

    :param rows: in the order of the chunk's members; a run that was interrupted has none.
    :param note: what there is to say about the engine that computed it; empty for nothing.
    :param interrupted: Ctrl-C came.
    """

    rows: tuple[Row, ...]
    note: str = ""
    interrupted: bool = False


def pack_chunk(chunk: Chunk) -> PackedChunk:
    """Return a chunk as plain data."""
    points = {index: _scenario_text(loaded) for index, loaded in chunk.points.items()}
    return PackedChunk(**{**vars(chunk), "points": points})


def unpack_chunk(parcel: PackedChunk) -> Chunk:
    """Return the chunk that `pack_chunk` was given."""
    points = {index: _load_text(parcel.file, text) for index, text in parcel.points.items()}
    return Chunk(**{**vars(parcel), "points": points})


def _scenario_text(loaded: Loaded) -> str:
    """Write a scenario as YAML; as JSON, which is YAML, unless it has numbers that JSON cannot say."""
    try:
        return json.dumps(loaded.source.data, allow_nan=False)
    except ValueError:
        return str(yaml.safe_dump(loaded.source.data))


def _load_text(file: str, text: str) -> Loaded:
    source = parse_source(text, file)
    return Loaded(parse_scenario(source), source)


def digest(*parts: Any) -> str:
    """Return a hash of plain data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def seedless_spec(scenario: Scenario) -> dict[str, Any]:
    """Return everything in a scenario that determines a run but its seed, as plain data."""
    unused = {"name", "summary", "requires", "plot", "sweep", "seed"}
    return scenario.model_dump(mode="json", exclude=unused, exclude_none=True)


def group_families(points: Sequence[GridPoint], plugins: Plugins) -> list[list[GridPoint]]:
    """Group the points whose runs can descend together: they differ at most in start and in the optimizer's numbers.

    :raises ScenarioError: an optimizer cannot be built, with the place of what is wrong.
    """
    groups: dict[str, list[GridPoint]] = {}
    for point in points:
        content = seedless_spec(point.scenario)
        content["components"] = {**content["components"], "optimizer": _optimizer_form(point, plugins)}
        content["section"] = {key: value for key, value in content["section"].items() if key != "start"}
        groups.setdefault(digest(content), []).append(point)
    return list(groups.values())


def group_by_start(family: Sequence[GridPoint]) -> dict[str, list[GridPoint]]:
    """Group the points of a family that start alike."""
    groups: dict[str, list[GridPoint]] = {}
    for point in family:
        groups.setdefault(digest(point.scenario.section.get("start")), []).append(point)
    return groups


def _optimizer_form(point: GridPoint, plugins: Plugins) -> str:
    """Say what optimizers must share to move runs together.

    :raises ScenarioError: this one cannot be built.
    """
    from playground.core.movers import factory_signature
    from playground.core.update import UpdateRule, rule_signature

    ref = point.scenario.components.get("optimizer")
    if ref is None:
        return ""
    try:
        optimizer = build(plugins.registry.get("optimizer", ref.name), ref.parameters)
    except PlaygroundError as error:
        raise point.source.locate(ScenarioError(*error.under("optimizer").faults)) from error
    return repr(rule_signature(optimizer) if isinstance(optimizer, UpdateRule) else factory_signature(optimizer))


def order_by_seed(
    family: Sequence[GridPoint], missing: Mapping[int, Sequence[int]], seeds: Sequence[int]
) -> Iterator[Member]:
    """Yield the missing runs of a family, all points of one seed and then of the next.

    So a chunk has few seeds, and the initial parameters of each are drawn once for all points instead of once for each.

    :param missing: for each point the positions of the seeds that are missing, in their order.
    """
    columns = (zip(missing.get(point.index, ()), repeat(point.index)) for point in family)
    return ((index, seeds[position]) for position, index in heapq.merge(*columns))


def make_chunk(
    family: Sequence[GridPoint],
    keys: Mapping[int, str],
    members: Sequence[Member],
    engine: str,
    note: str = "",
) -> Chunk:
    """Return some runs of a family as a chunk.

    Members of one point stand together, so that an optimizer with parameter groups needs one group per point.
    """
    members = sorted(members, key=itemgetter(0))
    by_index = {point.index: point for point in family}
    indices = dict.fromkeys(index for index, _ in members)
    return Chunk(
        file=family[0].source.file,
        family=family[0].index,
        points={index: by_index[index].loaded for index in indices},
        keys={index: keys[index] for index in indices},
        members=members,
        engine=engine,
        note=note,
    )
