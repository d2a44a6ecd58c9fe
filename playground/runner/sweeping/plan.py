"""Which runs of a grid can descend together, and in which chunks they are computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.scenario.grid import Point
from playground.scenario.model import Scenario

Member = tuple[int, int]
"""A run of a grid: the index of its point, and its seed."""


@dataclass(frozen=True)
class Chunk:
    """Runs that are computed together, as plain data that can travel to another process.

    :param file: the scenario's file, for messages and relative paths.
    :param points: the resolved scenario of each point that occurs as YAML, by index.
    :param keys: for each point what the keys of its runs begin with.
    :param members: the runs.
    :param engine: `auto`, `batched` or `plain`.
    """

    file: str
    points: Mapping[int, str]
    keys: Mapping[int, str]
    members: Sequence[Member]
    engine: str


def digest(*parts: Any) -> str:
    """Return a hash of plain data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def determining(scenario: Scenario) -> dict[str, Any]:
    """Return everything in a scenario that determines a run but its seed, as plain data."""
    unused = {"name", "summary", "requires", "plot", "sweep", "seed"}
    return scenario.model_dump(mode="json", exclude=unused, exclude_none=True)


def families(points: Sequence[Point], plugins: Plugins) -> list[list[Point]]:
    """Group the points whose runs can descend together: they differ at most in start and in the optimizer's numbers.

    :raises ComponentError: an optimizer cannot be built.
    """
    groups: dict[str, list[Point]] = {}
    for point in points:
        content = determining(point.scenario)
        content["components"] = {**content["components"], "optimizer": _form(point.scenario, plugins)}
        content["section"] = {key: value for key, value in content["section"].items() if key != "start"}
        groups.setdefault(digest(content), []).append(point)
    return list(groups.values())


def _form(scenario: Scenario, plugins: Plugins) -> str:
    """Say what optimizers must share to move runs together."""
    from playground.engine.update import UpdateRule, form

    ref = scenario.components.get("optimizer")
    if ref is None:
        return ""
    optimizer = build(plugins.registry.get("optimizer", ref.name), ref.parameters)
    return repr(form(optimizer)) if isinstance(optimizer, UpdateRule) else ref.name


def chunks(
    family: Sequence[Point], keys: Mapping[int, str], members: Sequence[Member], size: int, engine: str
) -> Iterator[Chunk]:
    """Cut the runs of one family that are to be computed into chunks of at most `size`.

    Within a chunk the runs of one point stand together, so that an optimizer with parameter groups needs one per point.
    """
    by_index = {point.index: point for point in family}
    for start in range(0, len(members), size):
        part = members[start : start + size]
        indices = list(dict.fromkeys(index for index, _ in part))
        yield Chunk(
            family[0].source.file,
            {index: _text(by_index[index]) for index in indices},
            {index: keys[index] for index in indices},
            part,
            engine,
        )


def _text(point: Point) -> str:
    """Write a point's scenario as YAML; as JSON, which is YAML, unless it has numbers that JSON cannot say."""
    try:
        return json.dumps(point.source.data, allow_nan=False)
    except ValueError:
        return str(yaml.safe_dump(point.source.data))
