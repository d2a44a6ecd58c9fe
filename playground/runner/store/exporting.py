"""Exports runs as CSV, JSON or Parquet. Rows are written while they are read, so memory use does not grow."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from playground.errors import StoreError
from playground.result import SCHEMA, json_value
from playground.runner.store.arrays import read_parameters, read_trace
from playground.runner.store.chunks import METRIC_PREFIX
from playground.runner.store.query import unique_labels
from playground.runner.store.records import Row, SweepRecord, Tally, compact_json
from playground.runner.store.run_columns import STATUSES, VERDICTS
from playground.runner.store.selection import Selection

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        axis_types = {axis: _axis_type(sweeps, axis) for axis in self._axes}
        points = [point for sweep in sweeps for point in sweep.points]
        self._axis_values = {
            axis: [_convert_cell(point.get(axis), kind) for point in points] for axis, kind in axis_types.items()
        }
        self._keys = [f"{key}-" for sweep in sweeps for key in sweep.keys]
        self.columns: dict[str, type] = {
            **_COLUMNS_BEFORE_AXES,
            **{axis_labels[axis]: kind for axis, kind in axis_types.items()},
            **_COLUMNS_AFTER_AXES,
            **dict.fromkeys(metric_labels.values(), float),
        }

    def read(self, runs: Selection) -> dict[str, TableColumn]:
        """Return the columns of runs of all sweeps of the table."""
        return dict(zip(self.columns, self._read(runs), strict=True))

    def _read(self, runs: Selection) -> Iterator[TableColumn]:
        import numpy as np

        yield TableColumn(runs.sweep, [sweep.id for sweep in runs.sweeps])
        yield TableColumn(runs.sweep, [sweep.scenario for sweep in runs.sweeps])
        yield TableColumn(runs.point.astype(np.int64))
        starts = np.cumsum([0, *(len(sweep.points) for sweep in runs.sweeps)])
        place = starts[runs.sweep] + runs.point
        for axis in self._axes:
            yield TableColumn(place, self._axis_values[axis])
        seeds = runs.column("seed")
        for name in _COLUMNS_AFTER_AXES:
            yield self._column_after_axes(runs, name, place, seeds)
        for name in self._metrics:
            yield TableColumn(runs.column(METRIC_PREFIX + name), missing=True)

    def _column_after_axes(self, runs: Selection, name: str, place: NDArray[Any], seeds: NDArray[Any]) -> TableColumn:
        if name == "seed":
            return TableColumn(seeds)
        if name == "key":
            return TableColumn(place, self._keys, seeds=seeds)
        if name in ("status", "verdict"):
            return TableColumn(runs.column(name), STATUSES if name == "status" else VERDICTS)
        if name == "engine":
            return TableColumn(*runs.engines())
        if name == "reason":
            return TableColumn(*runs.reasons())
        return TableColumn(runs.column(name))


@dataclass(frozen=True, eq=False)
class TableColumn:
    """A column of a table: numbers, or values that many runs share.

    :param numbers: a number for each run; with `words`, an index in them.
    :param missing: NaN stands for a number that is missing.
    :param seeds: a number for each run, which follows its word.
    """

    numbers: NDArray[Any]
    words: Sequence[Any] | None = None
    missing: bool = False
    seeds: NDArray[Any] | None = None

    def values(self) -> NDArray[Any]:
        """Return the value of each run."""
        import numpy as np

        if self.words is None:
            return self.numbers
        kinds = set(map(type, self.words))
        words: NDArray[Any] = np.empty(len(self.words), dtype=object)
        words[:] = self.words
        if kinds in ({int}, {bool}) or kinds <= {float, type(None)}:
            words = words.astype(np.float64 if float in kinds else kinds.pop())
        found: NDArray[Any] = words[self.numbers]
        if self.seeds is not None:
            found += self.seeds.astype(str).astype(object)
        return found

    def cells(self) -> Iterable[str]:
        """Return the value of each run as CSV shows it."""
        import numpy as np

        if self.words is not None:
            words = {code: _csv_text(self.words[code]) for code in np.unique(self.numbers).tolist()}
            found = [words[code] for code in self.numbers.tolist()]
            return found if self.seeds is None else map(str.__add__, found, map(str, self.seeds.tolist()))
        if len(self.numbers) and (self.numbers == self.numbers[0]).all():
            return repeat(repr(self.numbers[0].item()), len(self.numbers))
        values = map(repr, self.numbers.tolist())
        return ("" if value == "nan" else value for value in values) if self.missing else values

    def to_arrow(self, arrow: Any, kind: Any = None) -> Any:
        """Return the column as an array of `pyarrow`."""
        if self.words is None:
            return arrow.array(self.numbers, kind, from_pandas=self.missing)
        found = arrow.array(list(self.words), kind).take(arrow.array(self.numbers))
        if self.seeds is None:
            return found
        seeds = arrow.array(self.seeds).cast(arrow.string())
        return import_module("pyarrow.compute").binary_join_element_wise(found, seeds, "")


def write_csv(stream: TextIO, table: RunTable, runs: Selection) -> None:
    """Write a table with a header row: numbers with all digits, `inf` and `nan` as words, missing values empty."""
    stream.write(",".join(map(_csv_text, table.columns)) + "\n")
    for part in runs.parts():
        columns = [column.cells() for column in table.read(part).values()]
        stream.writelines(",".join(cells) + "\n" for cells in zip(*columns, strict=True))


def write_parquet(path: Path, table: RunTable, runs: Selection, traces: bool = False, in_order: bool = False) -> None:
    """Write a table with typed columns, and with a list of the final numbers of each parameter.

    Each chunk of runs is a row group, so that each is read once.

    :param traces: add lists of the stored losses and of their steps.
    :param in_order: write the runs in their order instead.
    :raises StoreError: pyarrow is not installed.
    """
    arrow, parquet = _import_arrow()
    types = {str: arrow.string(), int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
    names = list(dict.fromkeys(name for head in runs.heads() for name, _ in head.layout.parameters))
    arrays = {f"parameters.{name}": arrow.list_(arrow.float64()) for name in names}
    if traces:
        arrays |= {"trace.steps": arrow.list_(arrow.int64()), "trace.loss": arrow.list_(arrow.float32())}
    schema = arrow.schema([*((name, types[kind]) for name, kind in table.columns.items()), *arrays.items()])
    with parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=_REPEATED_COLUMNS) as writer:
        for part in runs.parts() if in_order else runs.by_chunk():
            columns = [each.to_arrow(arrow, types[table.columns[name]]) for name, each in table.read(part).items()]
            lists = [*_parameter_rows(part, names), *(_trace_rows(part) if traces else ())]
            columns += [_lists_to_arrow(arrow, len(part), rows) for rows in lists]
            writer.write_batch(arrow.record_batch(columns, schema=schema))


_REPEATED_COLUMNS = ["sweep", "scenario", "status", "verdict", "engine", "reason"]
"""Columns of a Parquet file in which many runs have one value."""

_RunRows = list[tuple["NDArray[Any]", "NDArray[Any]"]]
"""Positions of runs, and a row of numbers for each."""


def _parameter_rows(runs: Selection, names: Sequence[str]) -> Iterator[_RunRows]:
    """Yield for each parameter its numbers in the runs that have it."""
    found = list(runs.arrays("parameters"))
    for name in names:
        rows: _RunRows = []
        for where, numbers, head in found:
            start = 0
            for other, shape in head.layout.parameters:
                if other == name:
                    rows.append((where, numbers[:, start : start + math.prod(shape)]))
                start += math.prod(shape)
        yield rows


def _trace_rows(runs: Selection) -> tuple[_RunRows, _RunRows]:
    """Return the steps and the losses of the runs that have some."""
    import numpy as np

    found = list(runs.arrays("trace"))
    steps = [(where, np.tile(head.layout.trace_steps, (len(where), 1))) for where, _, head in found]
    return steps, [(where, losses) for where, losses, _ in found]


def _lists_to_arrow(arrow: Any, runs: int, rows: _RunRows) -> Any:
    """Return the row of each run as a list; an empty list for a run without one."""
    import numpy as np

    sizes = np.zeros(runs, dtype=np.int32)
    for where, numbers in rows:
        sizes[where] = numbers.shape[1]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    values = np.zeros(offsets[-1], dtype=rows[0][1].dtype if rows else np.float32)
    for where, numbers in rows:
        places = offsets[where][:, None] + np.arange(numbers.shape[1], dtype=np.int32)
        values[places.ravel()] = numbers.ravel()
    return arrow.ListArray.from_arrays(arrow.array(offsets), arrow.array(values))


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
        **{name: value for name, value in vars(sweep).items() if name not in ("keys", "seed_set", "warnings")},
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


def _csv_text(value: Any) -> str:
    """Return a value as a cell of CSV: None is empty, a float has all digits, and a text is quoted where it must be.

    A text that a spreadsheet would execute as a formula gets an apostrophe before it.
    """
    if isinstance(value, bool):
        return str(value).lower()
    stream = io.StringIO()
    guarded = f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_PREFIXES) else value
    csv.writer(stream, lineterminator="").writerow([guarded, None])  # alone, an empty cell would be quoted
    return stream.getvalue().removesuffix(",")


def _import_arrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        message = "Parquet needs pyarrow; install it, for example with: pip install 'gradient-playground[parquet]'"
        raise StoreError(message) from error
