"""Writes runs as chunks, and reads columns of chunks back. Each column has a checksum, so damage has a place."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

from playground.errors import StoreError
from playground.runner.store.encoding import TRACE_DIFFERENCES, decode_array, encode_array
from playground.runner.store.records import ParameterLayout
from playground.runner.store.run_columns import CODE_COLUMNS, INTEGER_COLUMNS, NUMBER_COLUMNS, RunColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

METRIC_PREFIX = "metric."
"""The name of a metric's column begins with this."""

REASONS = "reasons"
"""The column with the texts of the reasons, as JSON."""

MAX_CACHED_BYTES = 384 * 2**20
"""Bytes of decoded columns that are kept while runs are read in the order of points, which returns to each chunk."""


@dataclass(frozen=True)
class EncodedChunk:
    """Runs as the store writes them.

    :param columns: name, checksum and bytes of each column whose runs have several values.
    :param segments: for each key its rows, `start` to `stop`, and its first and last seed.
    """

    runs: int
    engine: str
    lost: bool
    layout: ParameterLayout
    metrics: tuple[str, ...]
    constants: str
    columns: list[tuple[str, int, bytes]]
    segments: list[tuple[str, int, int, int, int]]

    @property
    def checksum(self) -> int:
        """Return the checksum of what stands beside the columns."""
        return header_checksum(self.runs, self.engine, self.lost, self.constants)


def header_checksum(runs: int, engine: str, lost: bool, constants: str) -> int:
    """Return the checksum of a chunk without its columns."""
    return crc32(f"{runs} {engine} {int(lost)} {constants}".encode())


def encode_runs(runs: RunColumns) -> EncodedChunk:
    """Return runs, sorted by point and seed, as a chunk."""
    constants: dict[str, int | float] = {}
    columns: list[tuple[str, bytes]] = []
    named = {name: getattr(runs, name) for name in (*NUMBER_COLUMNS, *CODE_COLUMNS)}
    named |= {METRIC_PREFIX + name: values for name, values in runs.metrics.items()}
    for name, values in named.items():
        if _is_constant(values):
            constants[name] = values[0].item()
        else:
            columns.append((name, encode_array(values, differences=int(name in INTEGER_COLUMNS))))
    if any(runs.reasons):
        columns.append((REASONS, json.dumps(list(runs.reasons)).encode()))
    if runs.parameters is not None:
        columns.append(("parameters", encode_array(runs.parameters)))
    if runs.trace is not None:
        columns.append(("trace", encode_array(runs.trace, TRACE_DIFFERENCES)))
    return EncodedChunk(
        len(runs),
        runs.engine,
        runs.lost,
        runs.layout,
        tuple(runs.metrics),
        json.dumps(constants),
        [(name, crc32(data), data) for name, data in columns],
        list(_find_segments(runs)),
    )


def _is_constant(values: NDArray[Any]) -> bool:
    """Tell whether all values have the same bits."""
    if values.dtype.kind == "f":
        values = values.view(f"i{values.itemsize}")
    return bool((values == values[0]).all())


def _find_segments(runs: RunColumns) -> Iterator[tuple[str, int, int, int, int]]:
    import numpy as np

    starts = np.flatnonzero(np.diff(runs.point, prepend=runs.point[0] - 1))
    stops = np.append(starts[1:], len(runs))
    columns = (runs.point[starts], starts, stops, runs.seed[starts], runs.seed[stops - 1])
    for point, *rest in zip(*(column.tolist() for column in columns), strict=True):
        yield (runs.keys[point], *rest)


@dataclass(frozen=True)
class ChunkHead:
    """A chunk without its columns.

    :param constants: the value of each column in which all runs have the same one.
    :param metrics: the names of its metrics.
    """

    number: int
    runs: int
    engine: str
    lost: bool
    layout: ParameterLayout
    metrics: tuple[str, ...]
    constants: Mapping[str, int | float]


class ChunkReader:
    """Reads columns of some chunks of a snapshot.

    Runs are addressed by their position among the runs of all these chunks, one chunk after the other.

    :param heads: the chunks.
    """

    def __init__(self, connection: sqlite3.Connection, heads: Sequence[ChunkHead]) -> None:
        import numpy as np

        self.heads = heads
        self.offsets = np.concatenate([[0], np.cumsum([head.runs for head in heads], dtype=np.int64)])
        self._connection = connection
        self._cache: OrderedDict[tuple[int, str], NDArray[Any]] = OrderedDict()
        self._cached_bytes = 0

    def take(self, name: str, address: NDArray[Any]) -> NDArray[Any]:
        """Return a column of the runs at these addresses; NaN, or nothing, where a chunk has no such column."""
        import numpy as np

        if not len(address):
            return np.zeros(0, dtype=_column_type(name))
        if 4 * len(address) > self.offsets[-1]:  # a pass over all chunks takes less than to look for each run's chunk
            whole: NDArray[Any] = np.empty(self.offsets[-1], dtype=_column_type(name))
            for place in range(len(self.heads)):
                whole[self.offsets[place] : self.offsets[place + 1]] = self.column(place, name, keep=False)
            chosen: NDArray[Any] = whole[address]
            return chosen
        values = np.empty(len(address), dtype=_column_type(name))
        for place, where in self.split(address):
            values[where] = self.column(place, name)[address[where] - self.offsets[place]]
        return values

    def split(self, address: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield each chunk in which some of these runs are, with their positions in `address`."""
        import numpy as np

        places = np.searchsorted(self.offsets, address, side="right") - 1
        order = np.argsort(places, kind="stable")
        found, starts = np.unique(places[order], return_index=True)
        yield from zip(found.tolist(), np.split(order, starts[1:]), strict=False)  # one empty part if there are none

    def column(self, place: int, name: str, keep: bool = True) -> NDArray[Any]:
        """Return a column of one chunk.

        :param keep: in memory, for the next time.
        """
        import numpy as np

        head, key = self.heads[place], (self.heads[place].number, name)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        if name in head.constants:
            return np.full(head.runs, head.constants[name], dtype=_column_type(name))
        data = self._read(head.number, name)
        if data is None and name.startswith(METRIC_PREFIX):
            return np.full(head.runs, np.nan)
        if data is None:
            raise StoreError(f"chunk {head.number} lacks the column {name}; was the store changed while it was read?")
        try:
            values = decode_array(data)
        except ValueError as error:
            raise StoreError(f"chunk {head.number} is damaged ({name})") from error
        if keep:
            self._cache[key] = values
            self._cached_bytes += values.nbytes
            while self._cached_bytes > MAX_CACHED_BYTES and len(self._cache) > 1:
                self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return values

    def array(self, place: int, name: str) -> NDArray[Any] | None:
        """Return the parameters or the losses of one chunk's runs, a row each; None if it has none."""
        there = "SELECT 1 FROM columns WHERE chunk = ? AND name = ?"
        if self._connection.execute(there, (self.heads[place].number, name)).fetchone() is None:
            return None
        return self.column(place, name)

    def reasons(self, place: int) -> Sequence[str]:
        """Return the texts that a chunk's column `reason` has the indices of."""
        data = self._read(self.heads[place].number, REASONS)
        return ("",) if data is None else tuple(json.loads(data))

    def _read(self, chunk: int, name: str) -> bytes | None:
        found = self._connection.execute("SELECT data FROM columns WHERE chunk = ? AND name = ?", (chunk, name))
        row = found.fetchone()
        return None if row is None else bytes(row[0])


def _column_type(name: str) -> str:
    if name in INTEGER_COLUMNS or name == "reason":
        return "i8"
    return "u1" if name in CODE_COLUMNS else "f8"


def write_chunk(connection: sqlite3.Connection, chunk: EncodedChunk) -> None:
    """Write a chunk, and delete the older chunks of which it replaces all runs."""
    layout = _layout_number(connection, chunk.layout, chunk.metrics)
    values = (chunk.runs, chunk.engine, chunk.lost, layout, chunk.constants, chunk.checksum)
    insert = "INSERT INTO chunks (runs, engine, lost, layout, constants, checksum) VALUES (?, ?, ?, ?, ?, ?)"
    number = connection.execute(insert, values).lastrowid
    columns = ((number, *column) for column in chunk.columns)
    connection.executemany("INSERT INTO columns (chunk, name, checksum, data) VALUES (?, ?, ?, ?)", columns)
    add_keys(connection, (key for key, *_ in chunk.segments))
    connection.executemany(
        "INSERT INTO segments SELECT number, ?, ?, ?, ?, ? FROM keys WHERE text = ?",
        ((number, *rest, key) for key, *rest in chunk.segments),
    )
    _delete_replaced(connection, number)


def add_keys(connection: sqlite3.Connection, texts: Iterable[str]) -> None:
    """Add the keys that are not there."""
    connection.executemany("INSERT OR IGNORE INTO keys (text) VALUES (?)", ((text,) for text in texts))


_REPLACED = """
    SELECT old.key, old.chunk, old.start FROM segments AS new JOIN segments AS old
    ON old.key = new.key AND old.chunk < new.chunk AND new.first <= old.first AND old.last <= new.last
    WHERE new.chunk = ? AND new.last - new.first = new.stop - new.start - 1
"""
"""Older segments within a newer one that has every seed of its range."""


def _delete_replaced(connection: sqlite3.Connection, number: int | None) -> None:
    replaced = connection.execute(_REPLACED, (number,)).fetchall()
    connection.executemany("DELETE FROM segments WHERE key = ? AND chunk = ? AND start = ?", replaced)
    for chunk in {chunk for _, chunk, _ in replaced}:
        if connection.execute("SELECT 1 FROM segments WHERE chunk = ?", (chunk,)).fetchone() is None:
            connection.execute("DELETE FROM columns WHERE chunk = ?", (chunk,))
            connection.execute("DELETE FROM chunks WHERE number = ?", (chunk,))


def _layout_number(connection: sqlite3.Connection, layout: ParameterLayout, metrics: Sequence[str]) -> int:
    """Return the number of a layout; a new one is stored."""
    texts = tuple(json.dumps(part) for part in (layout.parameters, layout.trace_steps, metrics))
    connection.execute("INSERT OR IGNORE INTO layouts (parameters, trace_steps, metrics) VALUES (?, ?, ?)", texts)
    query = "SELECT number FROM layouts WHERE parameters = ? AND trace_steps = ? AND metrics = ?"
    number: int = connection.execute(query, texts).fetchone()[0]
    return number


def read_heads(connection: sqlite3.Connection, numbers: Iterable[int]) -> tuple[list[ChunkHead], list[int]]:
    """Return the heads of chunks, and the numbers of those whose heads are damaged."""
    layouts = _read_layouts(connection)
    heads, damaged = [], []
    query = "SELECT runs, engine, lost, layout, constants, checksum FROM chunks WHERE number = ?"
    for number in numbers:
        row = connection.execute(query, (number,)).fetchone()
        runs, engine, lost, layout, constants, checksum = row or (0, "", False, 0, "", -1)
        if header_checksum(runs, engine, lost, constants) != checksum or layout not in layouts:
            damaged.append(number)
            continue
        heads.append(ChunkHead(number, runs, engine, bool(lost), *layouts[layout], json.loads(constants)))
    return heads, damaged


def _read_layouts(connection: sqlite3.Connection) -> dict[int, tuple[ParameterLayout, tuple[str, ...]]]:
    query = "SELECT number, parameters, trace_steps, metrics FROM layouts"
    return {
        number: (
            ParameterLayout(
                tuple((name, tuple(shape)) for name, shape in json.loads(parameters)), tuple(json.loads(steps))
            ),
            tuple(json.loads(metrics)),
        )
        for number, parameters, steps, metrics in connection.execute(query)
    }


ARRAYS = ("parameters", "trace")
"""Columns with several numbers for each run, which are large and rarely read."""


def find_damaged(connection: sqlite3.Connection, chunks: Iterable[int], arrays: Sequence[str]) -> dict[int, str]:
    """Return the chunks in which a column does not have its checksum, each with the column's name.

    :param arrays: those of `ARRAYS` that are checked too.
    """
    others = [name for name in ARRAYS if name not in arrays]
    query = f"SELECT name, checksum, data FROM columns WHERE chunk = ? AND name NOT IN ({', '.join('?' * len(others))})"
    damaged = {}
    for chunk in chunks:
        try:
            for name, checksum, data in connection.execute(query, (chunk, *others)):
                if crc32(data) != checksum:
                    damaged[chunk] = name
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            damaged[chunk] = "a column"
    return damaged
