"""The store: sweeps and their runs in one SQLite file, written in transactions and readable by any process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

from playground.errors import StoreError
from playground.runner.store.opening import connect, store_path, translate_store_errors
from playground.runner.store.query import Condition, QueryKey, find_key, known_keys, parse_condition, select_runs
from playground.runner.store.records import (
    NO_POINT,
    RUN_COLUMNS,
    ParameterLayout,
    Row,
    StaleSweep,
    SweepRecord,
    Tally,
    compact_json,
    decode_row,
    encode_row,
)
from playground.runner.store.staleness import find_stale_sweeps
from playground.scenario.messages import format_value

Item = TypeVar("Item")

_BATCH_ROWS = 5_000
"""Keys in one query, and rows in one fetch."""

_RUN = ", ".join(f"runs.{name}" for name in RUN_COLUMNS)

_ADD_RUN = (
    f"INSERT INTO runs ({', '.join(RUN_COLUMNS)}) VALUES ({', '.join('?' * len(RUN_COLUMNS))}) "
    f"ON CONFLICT (key) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in RUN_COLUMNS[1:])}"
)
_ADD_ARRAYS = "INSERT OR REPLACE INTO arrays SELECT number, ?, ? FROM runs WHERE key = ?"
_ADD_MEMBER = "INSERT OR REPLACE INTO sweep_runs SELECT ?, ?, seed, number FROM runs WHERE key = ?"

_FIND_RUNS = "SELECT key, status, number, seed FROM runs WHERE key IN (SELECT value FROM json_each(?)) AND NOT lost"

_SWEEP_COLUMNS = ("id", "created", "scenario", "file", "command", "spec", "axes", "seeds", "engine", "versions")
_ADD_SWEEP = (
    f"INSERT INTO sweeps ({', '.join(_SWEEP_COLUMNS)}) VALUES ({', '.join('?' * len(_SWEEP_COLUMNS))}) "
    "ON CONFLICT (id) DO UPDATE SET command = excluded.command"
)


class Store:
    """The results of sweeps in a working directory; a context manager.

    Every method raises `StoreError` if the file cannot be read or written; earlier results are kept.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, folder: Path, create: bool = True) -> Store:
        """Open the store of a working directory.

        :param create: create a missing store.
        :raises StoreError: the store is missing, damaged, newer than this version, of another program, or not
            accessible.
        """
        path = store_path(folder)
        return cls(connect(path, create), path)

    def close(self) -> None:
        """Close the file; the last process to close it merges the write-ahead log into it."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Writing

    def begin(self, record: SweepRecord) -> None:
        """Store a sweep before its first run. A sweep that is stored already keeps its runs and its date."""
        values = [getattr(record, name) for name in _SWEEP_COLUMNS]
        texts = [value if isinstance(value, str | int) else json.dumps(value, default=str) for value in values]
        with self._writing() as connection:
            connection.execute(_ADD_SWEEP, texts)
            number = self._number(record.id)
            points = ((number, index, compact_json(values)) for index, values in enumerate(record.points))
            connection.executemany("INSERT OR IGNORE INTO points VALUES (?, ?, ?)", points)

    def add(self, sweep_id: str, rows: Sequence[Row]) -> None:
        """Store runs of a sweep, all or none; a run replaces a stored run with the same key in every sweep."""
        with self._writing() as connection:
            sweep, layouts = self._number(sweep_id), self._layout_numbers(rows)
            connection.executemany(_ADD_RUN, (encode_row(row, layouts[_form(row)]) for row in rows))
            connection.executemany(_ADD_ARRAYS, ((row.parameters, row.trace, row.key) for row in rows))
            connection.executemany(_ADD_MEMBER, ((sweep, row.point, row.key) for row in rows))

    def attach(self, sweep_id: str, members: Iterable[tuple[str, int]]) -> dict[str, str]:
        """Add stored runs to a sweep; keys without a stored run, and lost runs, are skipped.

        :param members: key and point of each run of the sweep.
        :returns: the status of each run that was added, by key.
        """
        found: dict[str, str] = {}
        with self._writing() as connection:
            sweep = self._number(sweep_id)
            for some in _chunked(members):
                keys = json.dumps([key for key, _ in some])
                there = {row[0]: row[1:] for row in connection.execute(_FIND_RUNS, (keys,))}
                found |= {key: status for key, (status, _, _) in there.items()}
                rows = [(sweep, point, there[key][2], there[key][1]) for key, point in some if key in there]
                connection.executemany("INSERT OR REPLACE INTO sweep_runs VALUES (?, ?, ?, ?)", rows)
        return found

    # Reading

    def known(self, keys: Iterable[str]) -> dict[str, Row]:
        """Return stored runs by key; their point is `NO_POINT`. Use `attach` if only their status is needed."""
        query = (
            f"SELECT {_RUN}, parameters, trace FROM runs LEFT JOIN arrays ON arrays.run = runs.number "
            "WHERE key IN (SELECT value FROM json_each(?))"
        )
        found = {}
        with translate_store_errors(self.path):
            layouts = self._layouts()
            for some in _chunked(keys):
                for *values, parameters, trace in self._connection.execute(query, (json.dumps(some),)):
                    found[values[0]] = decode_row(NO_POINT, values, parameters, trace, layouts)
        return found

    def sweeps(self) -> list[SweepRecord]:
        """Return every sweep, oldest first."""
        with translate_store_errors(self.path):
            return list(self._sweeps().values())

    def sweep(self, id_prefix: str) -> SweepRecord:
        """Return the sweep whose id begins with a prefix.

        :raises StoreError: no sweep does, or several do.
        """
        with translate_store_errors(self.path):
            ids = [row[0] for row in self._connection.execute("SELECT id FROM sweeps ORDER BY number")]
            fitting = [each for each in ids if each.startswith(id_prefix)]
            if id_prefix in ids:
                fitting = [id_prefix]
            if not fitting:
                raise StoreError(
                    f"there is no sweep {format_value(id_prefix)} in {self.path}; `playground results` lists them"
                )
            if len(fitting) > 1:
                some = ", ".join(fitting[:4])
                raise StoreError(f"several sweeps begin with {format_value(id_prefix)}: {some}; write more of it")
            return next(iter(self._sweeps(fitting[0]).values()))

    def find_sweeps(self, query: str) -> list[SweepRecord]:
        """Return the sweeps of a scenario by its name, oldest first; else the sweep whose id begins with this text.

        :raises StoreError: there is no such sweep, or several ids begin with this text.
        """
        return [sweep for sweep in self.sweeps() if sweep.scenario == query] or [self.sweep(query)]

    def rows(
        self,
        sweep_id: str | None = None,
        where: Sequence[str] = (),
        sort: str | None = None,
        limit: int | None = None,
    ) -> Iterator[tuple[SweepRecord, Row]]:
        """Yield runs, each with its sweep; of one sweep or of all, in the order of points and seeds.

        The runs are a snapshot that later writes do not change. Read all of them before writing to the same `Store`.

        :param where: conditions such as `optimizer.lr>=0.1`; a run must meet all of them.
        :param sort: a key; with the prefix `-`, the largest value comes first.
        :raises StoreError: immediately, for a condition that is not valid.
        """
        query = self._query(
            f"SELECT sweeps.number, sweep_runs.point, {_RUN}, arrays.parameters, arrays.trace",
            *(sweep_id, where, sort, limit),
        )
        return self._rows(sweep_id, *query)

    def values(
        self,
        names: Sequence[str],
        sweep_id: str | None = None,
        where: Sequence[str] = (),
        sort: str | None = None,
        limit: int | None = None,
    ) -> Iterator[tuple[Any, ...]]:
        """Yield single values of runs (`point`, `status`, `last`, an axis, a metric); a million runs take seconds.

        The other arguments are those of `rows`. NaN is returned as None, and a list on an axis as JSON.

        :param names: the keys whose values are returned, in this order.
        """
        keys = self._keys()
        wanted = [find_key(name, keys, "values") for name in names]
        sql, bound = self._query(f"SELECT {', '.join(key.sql for key in wanted)}", sweep_id, where, sort, limit)
        return self._fetched(sql, (*(value for key in wanted for value in key.bound), *bound))

    def tally(self, sweep_id: str | None = None, where: Sequence[str] = ()) -> Tally:
        """Count runs by status and verdict."""
        sql, bound = self._query("SELECT runs.status, runs.verdict", sweep_id, where)
        statuses: dict[str, int] = {}
        verdicts: dict[str, int] = {}
        query = f"SELECT status, verdict, count(*) FROM ({sql}) GROUP BY status, verdict"
        for status, verdict, count in self._fetched(query, bound):
            statuses[status] = statuses.get(status, 0) + count
            verdicts[verdict] = verdicts.get(verdict, 0) + count
        return Tally(sum(statuses.values()), statuses, verdicts)

    def metrics(self, sweep_id: str | None = None, where: Sequence[str] = ()) -> list[str]:
        """Return the names of all metrics of these runs, in their order."""
        sql, bound = self._query("SELECT runs.layout", sweep_id, where)
        numbers = f"SELECT DISTINCT layout FROM ({sql})"
        texts = self._fetched(f"SELECT metrics FROM layouts WHERE number IN ({numbers}) ORDER BY number", bound)
        return list(_names(text for (text,) in texts))

    def stale(self, record: SweepRecord) -> list[StaleSweep]:
        """Return earlier sweeps of the same scenario over the same axes whose runs cannot be used again, and why."""
        runs = "SELECT run FROM sweep_runs WHERE sweep = (SELECT number FROM sweeps WHERE id = ?)"
        query = f"SELECT count(*) FROM ({runs}) WHERE run NOT IN ({runs})"

        def unused(earlier: SweepRecord) -> int:
            count: int = self._connection.execute(query, (earlier.id, record.id)).fetchone()[0]
            return count

        with translate_store_errors(self.path):
            return find_stale_sweeps(record, list(self._sweeps().values()), unused)

    # Helpers

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Open a write transaction; other writers wait for its end."""
        with translate_store_errors(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has ended the transaction already
                    self._connection.execute("ROLLBACK")
                raise

    def _number(self, sweep_id: str) -> int:
        row = self._connection.execute("SELECT number FROM sweeps WHERE id = ?", (sweep_id,)).fetchone()
        if row is None:
            raise StoreError(f"there is no sweep {sweep_id!r}; call `begin` first")
        number: int = row[0]
        return number

    def _layout_numbers(self, rows: Iterable[Row]) -> dict[tuple[ParameterLayout, tuple[str, ...]], int]:
        """Return the number of each layout of these rows; new layouts are stored."""
        numbers = {}
        for layout, metrics in dict.fromkeys(map(_form, rows)):
            texts = tuple(json.dumps(part) for part in (layout.parameters, layout.trace_steps, metrics))
            insert = "INSERT OR IGNORE INTO layouts (parameters, trace_steps, metrics) VALUES (?, ?, ?)"
            self._connection.execute(insert, texts)
            query = "SELECT number FROM layouts WHERE parameters = ? AND trace_steps = ? AND metrics = ?"
            numbers[layout, metrics] = self._connection.execute(query, texts).fetchone()[0]
        return numbers

    def _layouts(self) -> dict[int, ParameterLayout]:
        query = "SELECT number, parameters, trace_steps FROM layouts"
        return {
            number: ParameterLayout(
                tuple((name, tuple(shape)) for name, shape in json.loads(parameters)), tuple(json.loads(steps))
            )
            for number, parameters, steps in self._connection.execute(query)
        }

    def _sweeps(self, sweep_id: str | None = None) -> dict[int, SweepRecord]:
        """Return one sweep or all sweeps with their points, by number."""
        condition, bound = ("WHERE id = ?", (sweep_id,)) if sweep_id else ("", ())
        columns = ", ".join(_SWEEP_COLUMNS)
        query = f"SELECT number, {columns} FROM sweeps {condition} ORDER BY number"
        found = {number: _record(values) for number, *values in self._connection.execute(query, bound)}
        points: dict[int, list[Mapping[str, Any]]] = {number: [] for number in found}
        for number, values in points.items():
            query = "SELECT axes FROM points WHERE sweep = ? ORDER BY point"
            values += [json.loads(text) for (text,) in self._connection.execute(query, (number,))]
        return {number: replace(record, points=points[number]) for number, record in found.items()}

    def _keys(self) -> dict[str, QueryKey]:
        """Return every key that a condition can name."""
        with translate_store_errors(self.path):
            axes = [row[0] for row in self._connection.execute("SELECT axes FROM sweeps ORDER BY number")]
            metrics = [row[0] for row in self._connection.execute("SELECT metrics FROM layouts ORDER BY number")]
        return known_keys(
            *(dict.fromkeys(name for text in texts for name in json.loads(text)) for texts in (axes, metrics))
        )

    def _query(
        self,
        head: str,
        sweep_id: str | None,
        where: Sequence[str],
        sort: str | None = None,
        limit: int | None = None,
    ) -> tuple[str, tuple[Any, ...]]:
        conditions: list[Condition] = [parse_condition(text) for text in where]
        selection = select_runs(sweep_id, conditions, sort, limit, self._keys())
        return head + selection.sql, selection.bound

    def _rows(self, sweep_id: str | None, sql: str, bound: tuple[Any, ...]) -> Iterator[tuple[SweepRecord, Row]]:
        with translate_store_errors(self.path):
            sweeps, layouts = self._sweeps(sweep_id), self._layouts()
            for number, point, *values, parameters, trace in self._fetched(sql, bound):
                yield sweeps[number], decode_row(point, values, parameters, trace, layouts)

    def _fetched(self, sql: str, bound: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        with translate_store_errors(self.path):
            cursor = self._connection.execute(sql, bound)
            while rows := cursor.fetchmany(_BATCH_ROWS):
                yield from rows


def _names(texts: Iterable[str]) -> dict[str, None]:
    """Return the names in JSON lists, each once, in their order."""
    return dict.fromkeys(name for text in texts for name in json.loads(text))


def _form(row: Row) -> tuple[ParameterLayout, tuple[str, ...]]:
    return row.layout, tuple(row.metrics)


def _record(values: Sequence[Any]) -> SweepRecord:
    found = dict(zip(_SWEEP_COLUMNS, values, strict=True))
    texts = {name: json.loads(found[name]) for name in ("spec", "axes", "versions")}
    return SweepRecord(**{**found, **texts}, points=())


def _chunked(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while some := list(islice(iterator, _BATCH_ROWS)):
        yield some
