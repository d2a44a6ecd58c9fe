"""What the store keeps, as plain frozen data, and how it is written in a row of a table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import Any

NO_POINT = -1
"""The point of a run that was asked for by its key: a run may belong to several sweeps, at a point of each."""


@dataclass(frozen=True)
class SweepRecord:
    """One sweep: which runs it consists of, and what computed them.

    :param id: hash of what determines the sweep.
    :param created: when it was begun first, ISO 8601 in UTC.
    :param command: the command line that asked for it.
    :param spec: the scenario, its sweep included, as plain data.
    :param axes: the keys that vary, in their order; `seed` is not among them.
    :param points: the value of each axis at each point.
    :param seeds: how many runs each point has.
    :param engine: what computed the runs.
    :param versions: `{"python": ..., "torch": ..., "playground": ..., "plugins": {name: ...}}`, a plugin without a
        version by the hash of what is used of it.
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


@dataclass(frozen=True)
class ParameterLayout:
    """How a run's `parameters` and `trace` are to be read.

    :param parameters: name and shape of each parameter, in the order in which their numbers follow each other.
    :param trace_steps: the steps at which the losses of the trace were taken.
    """

    parameters: tuple[tuple[str, tuple[int, ...]], ...] = ()
    trace_steps: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run of a sweep.

    :param key: hash of everything that determines the run; a run with a key that is known takes its place.
    :param point: index of its point in the sweep; `UNPLACED` when the run was asked for by its key.
    :param first: loss before update 0; it, `last` and `best` may be infinite or not a number.
    :param seconds: its share of the wall time of the descent.
    :param lost: the process that ran it died with it, which says little about the run: a sweep tries it again.
    :param reason: one sentence for the status; for an error its message.
    :param metrics: what the task measured; a number that is not one is kept as None.
    :param parameters: final ones as `layout` says, float64, little-endian.
    :param trace: losses at the steps that `layout` says, float32, little-endian.
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
    """How many runs there are, and of each status and verdict how many."""

    runs: int
    statuses: Mapping[str, int]
    verdicts: Mapping[str, int]

    @property
    def passed(self) -> float | None:
        """Share of the runs that passed, of all that have a verdict; None when none has."""
        judged = self.verdicts.get("passed", 0) + self.verdicts.get("failed", 0)
        return self.verdicts.get("passed", 0) / judged if judged else None


@dataclass(frozen=True)
class StaleSweep:
    """An earlier sweep of the same scenario over the same axes whose runs could not be used again.

    :param reasons: in words what is different now: `plugin 'bold' changed since`.
    :param runs: how many of its runs are not used.
    """

    sweep: SweepRecord
    reasons: tuple[str, ...]
    runs: int = 1

    def __str__(self) -> str:
        """`plugin 'bold' changed since: 500 stored runs were not used again`."""
        runs = "1 stored run was" if self.runs == 1 else f"{self.runs:,} stored runs were"
        return f"{'; '.join(self.reasons)}: {runs} not used again"


RUN_COLUMNS = (
    *("key", "seed", "status", "verdict", "first", "last", "best", "steps", "evaluations", "seconds", "engine"),
    *("reason", "metrics", "layout", "lost"),
)
"""Columns of a run, in the order of `encoded` and of what `decoded` takes."""


def encode_row(row: Row, layout: int) -> tuple[Any, ...]:
    """Return a run as the values of `RUN_COLUMNS`. SQLite keeps infinities, and writes a NaN as NULL by itself.

    :param layout: number of its layout.
    """
    return (
        *(row.key, row.seed, row.status, row.verdict, row.first, row.last, row.best, row.steps, row.evaluations),
        *(row.seconds, row.engine, row.reason),
        *(compact_json(row.metrics) if row.metrics else None, layout, row.lost),
    )


def decode_row(
    point: int,
    values: Sequence[Any],
    parameters: bytes | None,
    trace: bytes | None,
    layouts: Mapping[int, ParameterLayout],
) -> Row:
    """Return the run that `encoded` wrote."""
    key, seed, status, verdict, first, last, best, steps, evaluations, seconds, engine, reason = values[:12]
    metrics, layout, lost = values[12:]
    return Row(
        key=key,
        point=point,
        seed=seed,
        status=intern(status),  # a million runs have few different ones
        verdict=intern(verdict),
        first=math.nan if first is None else first,
        last=math.nan if last is None else last,
        best=math.nan if best is None else best,
        steps=steps,
        evaluations=evaluations,
        seconds=math.nan if seconds is None else seconds,
        engine=intern(engine),
        reason=reason,
        metrics=json.loads(metrics) if metrics else {},
        parameters=parameters,
        trace=trace,
        layout=layouts[layout],
        lost=bool(lost),
    )


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def compact_json(value: Any) -> str:
    """Return plain data as JSON that SQLite understands too: 9e999 is infinite to both, and a NaN is null."""
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
