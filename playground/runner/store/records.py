"""The records of the store as frozen dataclasses, and plain data as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from playground.runner.store.seeds import SeedSet


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """One sweep: its points and seeds, and the software that computed its runs.

    :param id: hash of everything that determines the sweep.
    :param created: time of its first start, ISO 8601 in UTC.
    :param command: the command line that started it.
    :param spec: the scenario with its sweep, as plain data.
    :param axes: the varied keys in order, without `seed`.
    :param points: the value of each axis at each point.
    :param seeds: runs at each point.
    :param keys: for each point what the keys of its runs begin with; the seed is the rest.
    :param seed_set: the seeds themselves.
    :param warnings: of likely mistakes, found before the runs; None if nothing has looked for them.
    :param engine: the engine that was asked for.
    :param versions: `{"python": ..., "torch": ..., "playground": ..., "plugins": {name: ...}}`; a plugin without a
        version is identified by a hash of the sources that the sweep uses.
    """

    id: str
    created: str
    scenario: str
    file: str
    command: str
    spec: Mapping[str, Any]
    axes: Sequence[str]
    points: Sequence[Mapping[str, Any]]
    seeds: int
    engine: str
    versions: Mapping[str, Any]
    keys: Sequence[str] = ()
    seed_set: SeedSet = field(default_factory=SeedSet)
    warnings: Sequence[str] | None = None


@dataclass(frozen=True)
class ParameterLayout:
    """How to read the numbers of a run's `parameters` and `trace`.

    :param parameters: name and shape of each parameter, in the order of their numbers.
    :param trace_steps: the steps of the losses in the trace.
    """

    parameters: tuple[tuple[str, tuple[int, ...]], ...] = ()
    trace_steps: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run of a sweep.

    :param key: a hash of everything that determines the run but its seed, a dash and the seed; a new run replaces a
        stored run with the same key.
    :param point: index of its point in the sweep.
    :param first: loss before update 0; `first`, `last` and `best` can be infinite or NaN.
    :param seconds: its share of the wall time of the descent.
    :param lost: whether its process died. That says little about the run, so a sweep computes it again.
    :param reason: one sentence about the status; the message of an error.
    :param metrics: what the task measured; None for NaN.
    :param parameters: final parameters in the order of `layout`, float64, little-endian.
    :param trace: losses at the steps of `layout`, float32, little-endian.
    """

    key: str
    point: int
    seed: int
    status: str
    verdict: str
    first: float
    last: float
    best: float
    steps: int
    evaluations: int
    seconds: float
    engine: str
    reason: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    parameters: bytes | None = None
    trace: bytes | None = None
    layout: ParameterLayout = ParameterLayout()
    lost: bool = False


@dataclass(frozen=True)
class Tally:
    """The number of runs, in total and by status and verdict."""

    runs: int
    statuses: Mapping[str, int]
    verdicts: Mapping[str, int]

    @property
    def passed(self) -> float | None:
        """The share of passed runs among those with a verdict; None if there are none."""
        judged = self.verdicts.get("passed", 0) + self.verdicts.get("failed", 0)
        return self.verdicts.get("passed", 0) / judged if judged else None


@dataclass(frozen=True)
class StaleSweep:
    """An earlier sweep of the same scenario over the same axes whose runs cannot be used again.

    :param reasons: what is different now, such as `plugin 'bold' changed since`.
    :param runs: number of its runs that are not used.
    """

    sweep: SweepRecord
    reasons: tuple[str, ...]
    runs: int = 1

    def __str__(self) -> str:
        """`plugin 'bold' changed since: 500 stored runs were not used again`."""
        runs = "1 stored run was" if self.runs == 1 else f"{self.runs:,} stored runs were"
        return f"{'; '.join(self.reasons)}: {runs} not used again"


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def compact_json(value: Any) -> str:
    """Return plain data as JSON that SQLite can read too: infinity as 9e999, NaN as null."""
    try:
        return _ENCODER.encode(value)
    except ValueError:
        return _encode_nonfinite(value)


def _encode_nonfinite(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{" + ",".join(f"{compact_json(str(key))}:{_encode_nonfinite(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_encode_nonfinite, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "null" if math.isnan(value) else "9e999" if value > 0 else "-9e999"
    return compact_json(value)
