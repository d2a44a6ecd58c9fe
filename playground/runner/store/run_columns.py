"""Runs as columns: one array for each quantity, with one entry for each run. A chunk of a sweep is stored like that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from playground.result import Status, Verdict
from playground.runner.store.records import ParameterLayout, Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

STATUSES = tuple(map(str, Status))
VERDICTS = tuple(map(str, Verdict))

INTEGER_COLUMNS = ("seed", "steps", "evaluations")
FLOAT_COLUMNS = ("first", "last", "best", "seconds")
NUMBER_COLUMNS = (*INTEGER_COLUMNS, *FLOAT_COLUMNS)
CODE_COLUMNS = ("status", "verdict", "reason")
"""Columns of indices: in `STATUSES`, in `VERDICTS` and in the runs' own `reasons`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunColumns:
    """Finished runs of one form, by point and then by seed. Every array has one entry for each run.

    :param keys: for each point that occurs what the keys of its runs begin with.
    :param point: index of the run's point in its sweep.
    :param status: index in `STATUSES`; `verdict` in `VERDICTS`; `reason` in `reasons`.
    :param seconds: the run's share of the wall time of the descent.
    :param metrics: by name; NaN for a number that is missing.
    :param parameters: final ones in the order of `layout`, shape `(runs, numbers)`; None if there are none.
    :param trace: losses at the steps of `layout`, shape `(runs, steps)`, float32; None if there are none.
    :param lost: the process of these runs died. That says little about them, so a sweep computes them again.
    """

    keys: Mapping[int, str]
    point: NDArray[Any]
    seed: NDArray[Any]
    status: NDArray[Any]
    verdict: NDArray[Any]
    first: NDArray[Any]
    last: NDArray[Any]
    best: NDArray[Any]
    steps: NDArray[Any]
    evaluations: NDArray[Any]
    seconds: NDArray[Any]
    engine: str
    reason: NDArray[Any]
    reasons: Sequence[str] = ("",)
    metrics: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    parameters: NDArray[Any] | None = None
    trace: NDArray[Any] | None = None
    layout: ParameterLayout = field(default_factory=ParameterLayout)
    lost: bool = False

    def __len__(self) -> int:
        return len(self.point)

    def take(self, index: NDArray[Any]) -> RunColumns:
        """Return some of the runs, in this order.

        :param index: positions of runs, or a mask.
        """
        import numpy as np

        values = {each.name: getattr(self, each.name) for each in fields(self)}
        arrays = {name: value[index] for name, value in values.items() if isinstance(value, np.ndarray)}
        return replace(self, **arrays, metrics={name: array[index] for name, array in self.metrics.items()})

    def rows(self) -> Iterator[Row]:
        """Yield each run by itself."""
        numbers = {name: getattr(self, name).tolist() for name in ("point", *NUMBER_COLUMNS, *CODE_COLUMNS)}
        metrics = {name: list(map(_none_for_nan, values.tolist())) for name, values in self.metrics.items()}
        parameters, trace = (
            [None] * len(self) if array is None else _split_bytes(array, kind)
            for array, kind in ((self.parameters, "<f8"), (self.trace, "<f4"))
        )
        for place, (status, verdict, reason) in enumerate(zip(*(numbers[name] for name in CODE_COLUMNS), strict=True)):
            point, seed = numbers["point"][place], numbers["seed"][place]
            yield Row(
                key=f"{self.keys[point]}-{seed}",
                point=point,
                status=STATUSES[status],
                verdict=VERDICTS[verdict],
                **{name: numbers[name][place] for name in NUMBER_COLUMNS},
                engine=self.engine,
                reason=self.reasons[reason],
                metrics={name: values[place] for name, values in metrics.items()},
                parameters=parameters[place],
                trace=trace[place],
                layout=self.layout,
                lost=self.lost,
            )


def tabulate_rows(rows: Iterable[Row]) -> list[RunColumns]:
    """Return runs as columns, those of one form together, sorted by point and seed."""
    forms = sorted(enumerate(rows), key=lambda pair: str(_form(pair[1])))
    return [_tabulate([row for _, row in some]) for _, some in groupby(forms, key=lambda pair: _form(pair[1]))]


def _form(row: Row) -> tuple[Any, ...]:
    """Return what the runs of one table have in common."""
    return row.engine, row.lost, row.layout, tuple(row.metrics), row.parameters is None, row.trace is None


def _tabulate(rows: Sequence[Row]) -> RunColumns:
    import numpy as np

    rows = sorted(rows, key=lambda row: (row.point, row.seed))
    reasons = list(dict.fromkeys(row.reason for row in rows))
    numbers = {name: np.array([getattr(row, name) for row in rows], dtype=np.float64) for name in FLOAT_COLUMNS}
    counts = {name: np.array([getattr(row, name) for row in rows], dtype=np.int64) for name in INTEGER_COLUMNS}
    names = list(rows[0].metrics)
    return RunColumns(
        keys={row.point: row.key.rpartition("-")[0] for row in rows},
        point=np.array([row.point for row in rows]),
        status=np.array([STATUSES.index(row.status) for row in rows], dtype=np.uint8),
        verdict=np.array([VERDICTS.index(row.verdict) for row in rows], dtype=np.uint8),
        **numbers,
        **counts,
        engine=rows[0].engine,
        reason=np.array([reasons.index(row.reason) for row in rows]),
        reasons=reasons,
        metrics={name: np.array([_float(row.metrics[name]) for row in rows]) for name in names},
        parameters=_join_bytes([row.parameters for row in rows], "<f8"),
        trace=_join_bytes([row.trace for row in rows], "<f4"),
        layout=rows[0].layout,
        lost=rows[0].lost,
    )


def _none_for_nan(value: float) -> float | None:
    return None if value != value else value


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _join_bytes(parts: Sequence[bytes | None], kind: str) -> NDArray[Any] | None:
    """Return the numbers of each run as a row; None if the runs have none."""
    import numpy as np

    whole = b"".join(part for part in parts if part)
    return np.frombuffer(whole, kind).reshape(len(parts), -1) if whole else None


def _split_bytes(array: NDArray[Any], kind: str) -> list[bytes]:
    """Return the bytes of each row."""
    rows = array.astype(kind, copy=False)
    return [row.tobytes() for row in rows]
