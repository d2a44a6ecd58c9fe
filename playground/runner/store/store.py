"""The store: sweeps and their runs in one SQLite file, written in transactions and readable by any process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from playground.errors import StoreError
from playground.runner.store.chunks import (
    ARRAYS,
    ChunkReader,
    add_keys,
    encode_runs,
    find_damaged,
    read_heads,
    write_chunk,
)
from playground.runner.store.opening import connect, store_path, translate_store_errors
from playground.runner.store.query import Query, QueryKey, known_keys
from playground.runner.store.records import Row, StaleSweep, SweepRecord, Tally, compact_json
from playground.runner.store.run_columns import RunColumns
from playground.runner.store.seeds import SeedSet
from playground.runner.store.selection import Selection, select_sweeps
from playground.runner.store.staleness import find_stale_sweeps
from playground.scenario.messages import format_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEXT_COLUMNS = ("id", "created", "scenario", "file", "command", "spec", "axes", "seeds", "engine", "versions")
_SWEEP_COLUMNS = (*_TEXT_COLUMNS, "seed_ranges", "warnings")
_ADD_SWEEP = (
    f"INSERT INTO sweeps ({', '.join(_SWEEP_COLUMNS)}) VALUES ({', '.join('?' * len(_SWEEP_COLUMNS))}) "
    "ON CONFLICT (id) DO UPDATE SET command = excluded.command, warnings = excluded.warnings"
)
_ADD_POINT = "INSERT OR IGNORE INTO points SELECT ?, ?, number, ? FROM keys WHERE text = ?"

_STORED = """
    SELECT keys.text, segments.chunk, segments.start, segments.stop, segments.first, segments.last
    FROM keys JOIN segments ON segments.key = keys.number WHERE keys.text IN (SELECT value FROM json_each(?))
"""


class Store:
    """The results of sweeps in a working directory; a context manager.

    Every method raises `StoreError` if the file cannot be read or written; earlier results are kept. Runs in a damaged
    chunk are left out, and `damaged` says which.

    :ivar damaged: for each chunk that was found damaged, by its number, where it is and what of it is damaged.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self.damaged: dict[int, str] = {}
        self._connection = connection
        self._reader: object = None
        self._sound: dict[int, set[str]] = {}

    @classmethod
    def open(cls, folder: Path, create: bool = True, name: str = "results") -> Store:
        """Open a store of a working directory.

        :param create: create a missing store.
        :param name: which one; sweeps have `results`.
        :raises StoreError: the store is missing, damaged, newer than this version, of another program, or not
            accessible.
        """
        path = store_path(folder, name)
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
        values = [getattr(record, name) for name in _TEXT_COLUMNS]
        texts = [value if isinstance(value, str | int) else json.dumps(value, default=str) for value in values]
        with self._writing() as connection:
            connection.execute(_ADD_SWEEP, (*texts, *map(json.dumps, (record.seed_set.ranges, record.warnings))))
            number = self._number(record.id)
            add_keys(connection, record.keys)
            points = enumerate(zip(record.points, record.keys, strict=True))
            rows = ((number, index, compact_json(values), key) for index, (values, key) in points)
            connection.executemany(_ADD_POINT, rows)

    def add(self, sweep_id: str, tables: Sequence[RunColumns]) -> None:
        """Store runs of a sweep, all or none; a run replaces a stored run with the same key in every sweep."""
        chunks = [encode_runs(runs) for runs in tables if len(runs)]
        with self._writing() as connection:
            self._number(sweep_id)
            for chunk in chunks:
                write_chunk(connection, chunk)

    def add_look(self, question: str, subject: str, record: Mapping[str, Any]) -> None:
        """Store that a comparison was looked at."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO looks (question, subject, record) VALUES (?, ?, ?)",
                (question, subject, json.dumps(record)),
            )

    # Reading

    def looks(self, question: str) -> list[dict[str, Any]]:
        """Return the looks at a question, oldest first."""
        return self._looks("question", question)

    def looks_of_subject(self, subject: str) -> list[dict[str, Any]]:
        """Return the looks at optimizers of these names, oldest first."""
        return self._looks("subject", subject)

    def _looks(self, column: str, value: str) -> list[dict[str, Any]]:
        with self.snapshot() as connection:
            rows = connection.execute(f"SELECT record FROM looks WHERE {column} = ? ORDER BY number", (value,))
            return [json.loads(row[0]) for row in rows]

    def stored_seeds(self, keys: Iterable[str]) -> dict[str, SeedSet]:
        """Return for each key of a point the seeds whose runs are stored.

        Runs whose process died, and those in a chunk that is damaged anywhere, are not among them.
        """
        with self.snapshot() as connection:
            found = connection.execute(_STORED, (json.dumps(list(keys)),)).fetchall()
            chunks = sorted({chunk for _, chunk, *_ in found})
            damaged = self._check(chunks, ARRAYS)
            heads, broken = read_heads(connection, (chunk for chunk in chunks if chunk not in damaged))
            self._note_damage(damaged | dict.fromkeys(broken, "its head"))
            reader = ChunkReader(connection, heads)
            places = {head.number: place for place, head in enumerate(heads) if not head.lost}
            ranges: dict[str, list[Sequence[int]]] = {}
            for key, chunk, start, stop, first, last in found:
                if chunk not in places:
                    continue
                if last - first == stop - start - 1:
                    ranges.setdefault(key, []).append((first, last))
                else:
                    seeds = reader.column(places[chunk], "seed")[start:stop].tolist()
                    ranges.setdefault(key, []).extend(SeedSet.of(seeds).ranges)
        return {key: SeedSet.union(some) for key, some in ranges.items()}

    def sweeps(self) -> list[SweepRecord]:
        """Return every sweep, oldest first."""
        with self.snapshot():
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

    def select(
        self,
        sweep_id: str | None = None,
        where: Sequence[str] = (),
        sort: str | None = None,
        limit: int | None = None,
        arrays: Sequence[str] = ARRAYS,
    ) -> Selection:
        """Return runs of one sweep or of all, in the order of sweeps, points and seeds.

        The runs are a snapshot: read them before this `Store` writes.

        :param where: conditions such as `optimizer.lr>=0.1`, or several joined by `and` and `or`; a run must meet all.
        :param sort: a key; with the prefix `-`, the largest value comes first. Runs without a value come last.
        :param arrays: those of parameters and traces that will be read; a chunk in which one is damaged is left out.
        :raises StoreError: a condition is not valid.
        """
        query = Query.parse(where, sort, limit, self._keys() if where or sort else {})
        with translate_store_errors(self.path):
            selection, damaged = select_sweeps(
                self._connection, self._sweeps(sweep_id), lambda chunks: self._check(chunks, arrays)
            )
            self._note_damage(damaged)
            return query.apply(selection)

    def leave_out_damaged(self, runs: Selection, arrays: Sequence[str]) -> Selection:
        """Return those of selected runs that are in no chunk in which one of these arrays is damaged.

        :param arrays: those of parameters and traces that will be read, and that `select` did not check.
        """
        damaged = self._check([head.number for head in runs.heads()], arrays)
        self._note_damage(damaged)
        return runs.take(~runs.is_in(damaged)) if damaged else runs

    def rows(
        self,
        sweep_id: str | None = None,
        where: Sequence[str] = (),
        sort: str | None = None,
        limit: int | None = None,
    ) -> Iterator[tuple[SweepRecord, Row]]:
        """Yield runs one by one, each with its sweep; the arguments are those of `select`.

        :raises StoreError: immediately, for a condition that is not valid.
        """
        Query.parse(where, sort, limit, self._keys())
        return self._rows(sweep_id, where, sort, limit)

    def columns(
        self, names: Sequence[str], sweep_id: str | None = None, where: Sequence[str] = ()
    ) -> dict[str, NDArray[Any]]:
        """Return columns of runs: `point`, `seed`, `last`, or codes such as `status`."""
        with self.snapshot():
            selection = self.select(sweep_id, where, arrays=())
            return {name: selection.point if name == "point" else selection.column(name) for name in names}

    def tally(self, sweep_id: str | None = None, where: Sequence[str] = ()) -> Tally:
        """Count runs by status and verdict."""
        with self.snapshot():
            return self.select(sweep_id, where, arrays=()).tally()

    def metrics(self, sweep_id: str | None = None, where: Sequence[str] = ()) -> list[str]:
        """Return the names of all metrics of these runs, in their order."""
        with self.snapshot():
            return self.select(sweep_id, where, arrays=()).metrics()

    def stale(self, record: SweepRecord) -> list[StaleSweep]:
        """Return earlier sweeps of the same scenario over the same axes whose runs cannot be used again, and why."""
        import numpy as np

        used = set(record.keys)

        def unused(earlier: SweepRecord) -> int:
            points = np.array([key not in used for key in earlier.keys], dtype=np.bool_)
            return int(points[self.columns(("point",), earlier.id)["point"]].sum()) if points.any() else 0

        with self.snapshot():
            return find_stale_sweeps(record, list(self._sweeps().values()), unused)

    # Helpers

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Open a write transaction; other writers wait for its end."""
        with translate_store_errors(self.path):
            if self._reader is not None:  # that is not at its end
                self._reader = None
                self._connection.execute("ROLLBACK")
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

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Open a read transaction, unless one is open: what is read in it belongs together."""
        with translate_store_errors(self.path):
            if self._reader is not None:
                yield self._connection
                return
            self._connection.execute("BEGIN")
            self._reader = mine = object()
            try:
                yield self._connection
            finally:
                if self._reader is mine:
                    self._reader = None
                    self._connection.execute("ROLLBACK")

    def _check(self, chunks: Sequence[int], arrays: Sequence[str]) -> dict[int, str]:
        """Return the chunks that are damaged, and what of each; a chunk, which never changes, is checked once."""
        some = [chunk for chunk in chunks if chunk not in self._sound or not self._sound[chunk].issuperset(arrays)]
        damaged = find_damaged(self._connection, some, arrays)
        self._sound |= {chunk: {*arrays, *self._sound.get(chunk, ())} for chunk in some if chunk not in damaged}
        return damaged

    def _note_damage(self, damaged: Mapping[int, str]) -> None:
        for chunk, what in damaged.items():
            row = self._connection.execute("SELECT runs FROM chunks WHERE number = ?", (chunk,)).fetchone()
            runs = f"its {row[0]:,} runs" if row else "its runs"
            self.damaged[chunk] = f"{self.path}: chunk {chunk} is damaged ({what}): {runs}"

    def _sweeps(self, sweep_id: str | None = None) -> dict[int, SweepRecord]:
        """Return one sweep or all sweeps with their points, by number."""
        condition, bound = ("WHERE id = ?", (sweep_id,)) if sweep_id else ("", ())
        query = f"SELECT number, {', '.join(_SWEEP_COLUMNS)} FROM sweeps {condition} ORDER BY number"
        found = {number: _record(values) for number, *values in self._connection.execute(query, bound).fetchall()}
        of_points = "SELECT axes, text FROM points JOIN keys ON keys.number = key WHERE sweep = ? ORDER BY point"
        for number, record in found.items():
            rows = self._connection.execute(of_points, (number,)).fetchall()
            points, keys = [json.loads(axes) for axes, _ in rows], [key for _, key in rows]
            found[number] = replace(record, points=points, keys=keys)
        return found

    def _keys(self) -> dict[str, QueryKey]:
        """Return every key that a condition can name."""
        with translate_store_errors(self.path):
            axes = [row[0] for row in self._connection.execute("SELECT axes FROM sweeps ORDER BY number")]
            metrics = [row[0] for row in self._connection.execute("SELECT metrics FROM layouts ORDER BY number")]
            return known_keys(_names(axes), _names(metrics))

    def _rows(
        self, sweep_id: str | None, where: Sequence[str], sort: str | None, limit: int | None
    ) -> Iterator[tuple[SweepRecord, Row]]:
        with self.snapshot():
            yield from self.select(sweep_id, where, sort, limit).rows()


def _names(texts: Iterable[str]) -> dict[str, None]:
    """Return the names in JSON lists, each once, in their order."""
    return dict.fromkeys(name for text in texts for name in json.loads(text))


def _record(values: Sequence[Any]) -> SweepRecord:
    *texts, ranges, warnings = values
    found = dict(zip(_TEXT_COLUMNS, texts, strict=True))
    decoded = {name: json.loads(found[name]) for name in ("spec", "axes", "versions")}
    seeds = SeedSet(tuple((first, last) for first, last in json.loads(ranges)))
    return SweepRecord(**{**found, **decoded}, points=(), seed_set=seeds, warnings=json.loads(warnings))
