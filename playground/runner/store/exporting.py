"""Exports runs as CSV, JSON or Parquet. Rows are written while they are read, so memory use does not grow."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from playground.errors import StoreError
from playground.result import SCHEMA, json_value
from playground.runner.store.arrays import read_parameters, read_trace
from playground.runner.store.query import unique_labels
from playground.runner.store.records import Row, SweepRecord, Tally, compact_json

StoredRuns = Iterable[tuple[SweepRecord, Row]]

_COLUMNS_BEFORE_AXES = {"sweep": str, "scenario": str, "point": int}
_COLUMNS_AFTER_AXES = {
    "seed": int,
    "key": str,
    "status": str,
    "verdict": str,
    "first": float,
    "last": float,
    "best": float,
    "steps": int,
    "evaluations": int,
    "seconds": float,
    "engine": str,
    "reason": str,
}
"""Columns of every run before and after the axes, with their types."""

_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")
"""Characters with which a spreadsheet formula can begin."""

_PARQUET_BATCH_ROWS = 10_000
"""Rows in one record batch of a Parquet file."""


class RunTable:
    """The columns of a flat table of runs.

    :param sweeps: the sweeps of the runs; each axis of any sweep has a column.
    :param metrics: names of the metrics; each has a column.
    :ivar columns: name and type of each column. An axis whose values have several types is text, and holds JSON.
    """

    def __init__(self, sweeps: Sequence[SweepRecord], metrics: Sequence[str]) -> None:
        self._axes = list(dict.fromkeys(axis for sweep in sweeps for axis in sweep.axes))
        self._metrics = list(metrics)
        axis_labels, metric_labels = unique_labels(self._axes, self._metrics)
        self._axis_types = {axis: _axis_type(sweeps, axis) for axis in self._axes}
        self.columns: dict[str, type] = {
            **_COLUMNS_BEFORE_AXES,
            **{axis_labels[axis]: kind for axis, kind in self._axis_types.items()},
            **_COLUMNS_AFTER_AXES,
            **dict.fromkeys(metric_labels.values(), float),
        }

    def cells(self, sweep: SweepRecord, row: Row) -> list[Any]:
        """Return the value of each column; None if the run has no value."""
        values = sweep.points[row.point]
        return [
            *(sweep.id, sweep.scenario, row.point),
            *(_convert_cell(values.get(axis), kind) for axis, kind in self._axis_types.items()),
            *(getattr(row, name) for name in _COLUMNS_AFTER_AXES),
            *(row.metrics.get(name) for name in self._metrics),
        ]


def write_csv(stream: TextIO, table: RunTable, runs: StoredRuns) -> None:
    """Write a table with a header row: numbers with all digits, `inf` and `nan` as words, missing values empty."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(_csv_cell, table.columns))
    writer.writerows([_csv_cell(cell) for cell in table.cells(*run)] for run in runs)


def write_parquet(path: Path, table: RunTable, runs: StoredRuns) -> None:
    """Write a table with typed columns, the final parameters as JSON, and the stored losses as lists.

    :raises StoreError: pyarrow is not installed.
    """
    arrow, parquet = _import_arrow()
    types = {str: arrow.string(), int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
    arrays = {
        "parameters": arrow.string(),
        "trace.steps": arrow.list_(arrow.int64()),
        "trace.loss": arrow.list_(arrow.float32()),
    }
    schema = arrow.schema([*((name, types[kind]) for name, kind in table.columns.items()), *arrays.items()])
    iterator = iter(runs)
    with parquet.ParquetWriter(path, schema) as writer:
        while some := list(islice(iterator, _PARQUET_BATCH_ROWS)):
            rows = [(*table.cells(sweep, row), *_array_cells(row)) for sweep, row in some]
            columns = zip(zip(*rows, strict=True), schema, strict=True)
            batch = [arrow.array(column, field.type) for column, field in columns]
            writer.write_batch(arrow.record_batch(batch, schema=schema))


def require_parquet() -> None:
    """Check that Parquet can be written, before any file is opened.

    :raises StoreError: pyarrow is not installed.
    """
    _import_arrow()


def write_json(stream: TextIO, sweeps: Sequence[tuple[SweepRecord, Tally]], runs: StoredRuns) -> None:
    """Write one document: the sweeps, and every run with its parameters and losses; `null` for non-finite numbers."""
    stream.write(f'{{"schema": {SCHEMA},\n "sweeps": {_to_json([sweep_data(*each) for each in sweeps])},\n "runs": [')
    separator = "\n  "
    for sweep, row in runs:
        stream.write(separator + _to_json(run_data(sweep, row)))
        separator = ",\n  "
    stream.write("\n ]}\n")


def sweep_data(sweep: SweepRecord, tally: Tally) -> dict[str, Any]:
    """Return a sweep as JSON shows it."""
    return {
        **vars(sweep),
        "runs": tally.runs,
        "passed": tally.passed,
        "statuses": tally.statuses,
        "verdicts": tally.verdicts,
    }


def run_data(sweep: SweepRecord, row: Row) -> dict[str, Any]:
    """Return a run as JSON shows it; keys that `playground run --json` has too mean the same."""
    losses = read_trace(row)
    return {
        "sweep": sweep.id,
        "scenario": sweep.scenario,
        "id": row.key,
        "point": row.point,
        "axes": sweep.points[row.point],
        "seed": row.seed,
        "status": row.status,
        "reason": row.reason,
        "verdict": row.verdict,
        "steps": row.steps,
        "evaluations": row.evaluations,
        "loss": {"first": row.first, "last": row.last, "best": row.best},
        "metrics": row.metrics,
        "parameters": read_parameters(row),
        "trace": {"steps": [step for step, _ in losses], "loss": [loss for _, loss in losses]},
        "engine": row.engine,
        "seconds": row.seconds,
    }


def _to_json(value: Any) -> str:
    return json.dumps(json_value(value), ensure_ascii=False, allow_nan=False)


def _axis_type(sweeps: Iterable[SweepRecord], axis: str) -> type:
    """Return the narrowest type that holds every value of an axis."""
    kinds = set(map(_number_kind, _axis_values(sweeps, axis)))
    if kinds <= {int, float}:
        return float if float in kinds else int
    return bool if kinds == {bool} else str


def _axis_values(sweeps: Iterable[SweepRecord], axis: str) -> Iterator[Any]:
    for sweep in sweeps:
        for values in sweep.points:
            if values.get(axis) is not None:
                yield values[axis]


def _number_kind(value: Any) -> type:
    return float if type(value) is int and abs(value) >= 2**63 else type(value)


def _convert_cell(value: Any, kind: type) -> Any:
    if value is None or isinstance(value, kind):
        return value
    return float(value) if kind is float else compact_json(value)


def _csv_cell(value: Any) -> Any:
    """Return a cell as CSV shows it; `csv.writer` writes None as an empty cell and floats with all digits.

    A text that a spreadsheet would execute as a formula gets an apostrophe before it.
    """
    if isinstance(value, str) and value.startswith(_FORMULA_PREFIXES):
        return f"'{value}"
    return str(value).lower() if isinstance(value, bool) else value


def _array_cells(row: Row) -> tuple[str, list[int], list[float]]:
    losses = read_trace(row)
    return compact_json(read_parameters(row)), [step for step, _ in losses], [loss for _, loss in losses]


def _import_arrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        message = "Parquet needs pyarrow; install it, for example with: pip install 'gradient-playground[parquet]'"
        raise StoreError(message) from error
