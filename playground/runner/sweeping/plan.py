"""Which runs of a grid can descend together, and in which chunks they are computed."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import yaml

from playground.errors import PlaygroundError, ScenarioError
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.runner.store import RunColumns, SeedSet
from playground.scenario.grid import GridPoint
from playground.scenario.model import Loaded, Scenario, parse_scenario
from playground.scenario.source import parse_source

if TYPE_CHECKING:
    from numpy.typing import NDArray

Member = tuple[int, int]
"""A run of a grid: the index of its point, and its seed."""


@dataclass(frozen=True, eq=False)
class Members:
    """Runs of a grid as two columns, by point and then by seed.

    :param point: for each run the index of its point.
    :param seed: its seed.
    """

    point: NDArray[Any]
    seed: NDArray[Any]

    @classmethod
    def of(cls, members: Sequence[Member]) -> Members:
        """Return a few members in order."""
        import numpy as np

        return cls(*np.array(sorted(members), dtype=np.int64).reshape(-1, 2).T)

    def __len__(self) -> int:
        return len(self.point)

    def __getitem__(self, place: int) -> Member:
        return int(self.point[place]), int(self.seed[place])

    def __iter__(self) -> Iterator[Member]:
        return zip(self.point.tolist(), self.seed.tolist(), strict=True)

    def take(self, index: Any) -> Members:
        """Return some of the members: a slice, positions or a mask."""
        return Members(self.point[index], self.seed[index])

    def points(self) -> list[int]:
        """Return each point that occurs, once."""
        import numpy as np

        return [int(point) for point in np.unique(self.point)]


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
    members: Members
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
    members: Members
    engine: str
    note: str


@dataclass(frozen=True, kw_only=True)
class ChunkResult:
    """What a chunk gave.

    :param tables: the runs in the order of the chunk's members, those of one form together; a run that was interrupted
        is in none.
    :param note: what there is to say about the engine that computed it; empty for nothing.
    :param interrupted: Ctrl-C came.
    """

    tables: tuple[RunColumns, ...]
    note: str = ""
    interrupted: bool = False

    @property
    def runs(self) -> int:
        """Number of finished runs."""
        return sum(map(len, self.tables))


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


def order_by_seed(missing: Mapping[int, SeedSet], size: int) -> Iterator[Members]:
    """Yield the missing runs of a family, at most `size` at once: all points of one seed, and then of the next.

    So a chunk has few seeds, and the initial parameters of each are drawn once for all points instead of once for each.

    :param missing: for each point the seeds that are missing.
    """
    import numpy as np

    waiting: list[Members] = []
    room = size
    for points, first, last in _find_blocks(missing):
        columns = np.array(points, dtype=np.int64)
        while first <= last:
            seeds = min(last - first + 1, room // len(points))
            if seeds:
                block = first + np.arange(seeds)
                waiting.append(Members(np.repeat(columns, seeds), np.tile(block, len(points))))
                first, room = first + seeds, room - seeds * len(points)
            elif room < size:
                yield _join(waiting)
                waiting, room = [], size
            else:  # more points than a chunk has runs
                for start in range(0, len(points), size):
                    some = columns[start : start + size]
                    yield Members(some, np.full(len(some), first))
                first += 1
    if waiting:
        yield _join(waiting)


def _find_blocks(missing: Mapping[int, SeedSet]) -> Iterator[tuple[list[int], int, int]]:
    """Yield ranges of seeds in ascending order, each with the points that miss all of its seeds."""
    begins: dict[int, list[int]] = {}
    ends: dict[int, list[int]] = {}
    for point, seeds in missing.items():
        for first, last in seeds.ranges:
            begins.setdefault(first, []).append(point)
            ends.setdefault(last + 1, []).append(point)
    edges = sorted({*begins, *ends})
    active: list[int] = []
    for edge, following in pairwise(edges):
        for point in ends.get(edge, ()):
            del active[bisect_left(active, point)]
        for point in begins.get(edge, ()):
            insort(active, point)
        if active:
            yield list(active), edge, following - 1


def _join(parts: Sequence[Members]) -> Members:
    """Return members as one, by point and then by seed."""
    import numpy as np

    point, seed = (np.concatenate([getattr(part, name) for part in parts]) for name in ("point", "seed"))
    order = np.lexsort((seed, point)) if len(parts) > 1 else slice(None)
    return Members(point[order], seed[order])


def make_chunk(
    family: Sequence[GridPoint],
    keys: Mapping[int, str],
    members: Members,
    engine: str,
    note: str = "",
) -> Chunk:
    """Return some runs of a family as a chunk."""
    indices = members.points()
    by_index = {point.index: point for point in family}
    return Chunk(
        file=family[0].source.file,
        family=family[0].index,
        points={index: by_index[index].loaded for index in indices},
        keys={index: keys[index] for index in indices},
        members=members,
        engine=engine,
        note=note,
    )
