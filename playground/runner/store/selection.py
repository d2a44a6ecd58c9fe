"""Runs of sweeps, found by the segments of their points: in which chunk and row each run is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playground.runner.store.chunks import ARRAYS, METRIC_PREFIX, ChunkHead, ChunkReader, read_heads
from playground.runner.store.records import Row, SweepRecord, Tally
from playground.runner.store.run_columns import CODE_COLUMNS, NUMBER_COLUMNS, STATUSES, VERDICTS, RunColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ROWS_AT_ONCE = 20_000
"""Runs that are read at once where every column is read."""

_SEGMENTS = """
    SELECT points.point, segments.chunk, segments.start, segments.stop, segments.first, segments.last
    FROM points JOIN segments ON segments.key = points.key WHERE points.sweep = ?
"""


@dataclass(frozen=True, eq=False)
class Selection:
    """Some stored runs in some order; reads a column when it is asked for.

    :param sweeps: the sweeps that they belong to.
    :param sweep: for each run the index of its sweep in `sweeps`.
    :param point: for each run the index of its point in its sweep.
    :param address: where `reader` finds each run.
    """

    reader: ChunkReader
    sweeps: Sequence[SweepRecord]
    sweep: NDArray[Any]
    point: NDArray[Any]
    address: NDArray[Any]

    def __len__(self) -> int:
        return len(self.address)

    def take(self, index: NDArray[Any] | slice) -> Selection:
        """Return some of the runs: by position, in this order, or by a mask."""
        return Selection(self.reader, self.sweeps, self.sweep[index], self.point[index], self.address[index])

    def column(self, name: str) -> NDArray[Any]:
        """Return a column: a number, a code, or a metric with the prefix `METRIC_PREFIX`."""
        return self.reader.take(name, self.address)

    def engines(self) -> tuple[NDArray[Any], list[str]]:
        """Return the engine of each run, as an index in a list of engines."""
        import numpy as np

        names = list(dict.fromkeys(head.engine for head in self.reader.heads))
        codes = np.array([names.index(head.engine) for head in self.reader.heads], dtype=np.int64)
        sizes = np.diff(self.reader.offsets)
        return np.repeat(codes, sizes)[self.address], names

    def reasons(self) -> tuple[NDArray[Any], list[str]]:
        """Return the reason of each run, as an index in a list of texts."""
        import numpy as np

        codes, texts = np.zeros(len(self), dtype=np.int64), [""]
        for place, where in self.reader.split(self.address) if len(self) else ():
            mine = self.reader.reasons(place)
            if any(mine):
                rows = self.address[where] - self.reader.offsets[place]
                codes[where] = self.reader.column(place, "reason")[rows].astype(np.int64) + len(texts)
                texts += mine
        return codes, texts

    def tally(self) -> Tally:
        """Count the runs by status and verdict."""
        import numpy as np

        counts = [np.bincount(self.column(name)).tolist() for name in ("status", "verdict")]
        statuses, verdicts = (
            {words[code]: number for code, number in enumerate(numbers) if number}
            for words, numbers in zip((STATUSES, VERDICTS), counts, strict=True)
        )
        return Tally(len(self), statuses, verdicts)

    def metrics(self) -> list[str]:
        """Return the names of all metrics of these runs."""
        forms = {head.metrics: None for head in self.heads()}
        return list(dict.fromkeys(name for names in forms for name in names))

    def heads(self) -> list[ChunkHead]:
        """Return the heads of the chunks that these runs are in."""
        import numpy as np

        counts = np.bincount(self._places(), minlength=len(self.reader.heads))
        return [head for head, count in zip(self.reader.heads, counts, strict=True) if count]

    def is_in(self, chunks: Collection[int]) -> NDArray[Any]:
        """Tell of each run whether it is in one of these chunks, by number."""
        import numpy as np

        chosen: NDArray[Any] = np.array([head.number in chunks for head in self.reader.heads], dtype=np.bool_)
        found: NDArray[Any] = chosen[self._places()]
        return found

    def _places(self) -> NDArray[Any]:
        """Return for each run the place of its chunk."""
        import numpy as np

        places: NDArray[Any] = np.searchsorted(self.reader.offsets, self.address, side="right") - 1
        return places

    def lowest_seeds(self, most: int) -> Selection:
        """Return the first runs of each point, at most so many; the runs are of one sweep, by point and seed."""
        import numpy as np

        starts = np.flatnonzero(np.diff(self.point, prepend=-1))
        stops = np.minimum(np.append(starts[1:], len(self)), starts + most)
        pieces = [np.arange(start, stop) for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
        return self.take(np.concatenate([np.zeros(0, dtype=np.int64), *pieces]))

    def by_chunk(self) -> Iterator[Selection]:
        """Yield the runs of one chunk after another, which reads every chunk once."""
        for _, where in self.reader.split(self.address) if len(self) else ():
            yield self.take(where)

    def parts(self, size: int = MAX_ROWS_AT_ONCE) -> Iterator[Selection]:
        """Yield the runs in their order, at most `size` at once."""
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    def arrays(self, name: str) -> Iterator[tuple[NDArray[Any], NDArray[Any], ChunkHead]]:
        """Yield the final parameters or the losses of the runs of each chunk that has some.

        :returns: for each chunk the positions of its runs, a row of numbers for each, and its head.
        """
        for place, where in self.reader.split(self.address) if len(self) else ():
            if (array := self.reader.array(place, name)) is not None:
                yield where, array[self.address[where] - self.reader.offsets[place]], self.reader.heads[place]

    def tables(self, record: SweepRecord, arrays: Sequence[str] = ARRAYS) -> Iterator[tuple[NDArray[Any], RunColumns]]:
        """Yield all columns of the runs of each chunk, with the positions of these runs.

        :param record: the sweep of all these runs.
        :param arrays: those of parameters and losses to read.
        """
        for place, where in self.reader.split(self.address) if len(self) else ():
            head, some = self.reader.heads[place], self.take(where)
            rows = some.address - self.reader.offsets[place]
            parameters, trace = (self.reader.array(place, name) if name in arrays else None for name in ARRAYS)
            yield (
                where,
                RunColumns(
                    keys=dict(enumerate(record.keys)),
                    point=some.point,
                    **{name: some.column(name) for name in (*NUMBER_COLUMNS, *CODE_COLUMNS)},
                    engine=head.engine,
                    reasons=self.reader.reasons(place),
                    metrics={name: some.column(METRIC_PREFIX + name) for name in head.metrics},
                    parameters=None if parameters is None else parameters[rows],
                    trace=None if trace is None else trace[rows],
                    layout=head.layout,
                    lost=head.lost,
                ),
            )

    def rows(self, arrays: bool = True) -> Iterator[tuple[SweepRecord, Row]]:
        """Yield each run by itself, with its sweep.

        :param arrays: with its parameters and losses.
        """
        import numpy as np

        for part in self.parts():
            found: dict[int, tuple[SweepRecord, Row]] = {}
            for index in np.unique(part.sweep).tolist():
                record, mine = self.sweeps[index], np.flatnonzero(part.sweep == index)
                for where, columns in part.take(mine).tables(record, ARRAYS if arrays else ()):
                    rows = ((record, row) for row in columns.rows())
                    found.update(zip(mine[where].tolist(), rows, strict=True))
            yield from (found[position] for position in range(len(part)))


def select_sweeps(
    connection: sqlite3.Connection, sweeps: Mapping[int, SweepRecord], check: Callable[[list[int]], Mapping[int, str]]
) -> tuple[Selection, dict[int, str]]:
    """Return all runs of sweeps, by sweep, point and seed; of equal runs the newest.

    :param sweeps: by number.
    :param check: returns those of some chunks that are damaged, whose runs are left out, and what of each.
    :returns: also the chunks that are damaged.
    """
    import numpy as np

    rows = [connection.execute(_SEGMENTS, (number,)).fetchall() for number in sweeps]
    found = [np.array(each, np.int64).reshape(-1, 6) for each in rows]
    chunks = np.unique(np.concatenate([each[:, 1] for each in found] or [np.zeros(0, np.int64)])).tolist()
    damaged = dict(check(chunks))
    heads, broken = read_heads(connection, (chunk for chunk in chunks if chunk not in damaged))
    damaged |= dict.fromkeys(broken, "its head")
    reader = ChunkReader(connection, heads)
    parts = [_find_runs(reader, each, record) for each, record in zip(found, sweeps.values(), strict=True)]
    sizes, empty = [len(point) for point, _ in parts], (np.zeros(0, np.int64),) * 2
    points, addresses = (np.concatenate(columns) for columns in zip(empty, *parts, strict=True))
    sweep = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    return Selection(reader, list(sweeps.values()), sweep, points.astype(np.int32), addresses), damaged


def _find_runs(reader: ChunkReader, segments: NDArray[Any], record: SweepRecord) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return point and address of each run of a sweep, by point and seed.

    :param segments: point, chunk, start, stop, first and last seed of each segment.
    """
    import numpy as np

    places = {head.number: place for place, head in enumerate(reader.heads)}
    segments = segments[[chunk in places for chunk in segments[:, 1].tolist()]]
    order = np.lexsort((segments[:, 4], segments[:, 0]))
    point, chunk, start, stop, first, last = segments[order].T
    place = np.array([places[number] for number in chunk.tolist()], dtype=np.int64)
    sizes = stop - start
    begin = reader.offsets[place] + start
    address = np.repeat(begin - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
    points = np.repeat(point, sizes)
    apart = (point[1:] != point[:-1]) | (last[:-1] < first[1:])
    complete = last - first == sizes - 1
    inside = any((low <= first).all() and (last <= high).all() for low, high in record.seed_set.ranges)
    if inside and apart.all() and complete.all():
        return points, address
    seeds = reader.take("seed", address)
    lost = np.repeat(np.array([reader.heads[each].lost for each in place.tolist()], dtype=np.bool_), sizes)
    ranked = np.lexsort((address, ~lost, seeds, points))  # of equal runs the last is the newest that was not lost
    points, seeds, address = points[ranked], seeds[ranked], address[ranked]
    newest = np.append((points[1:] != points[:-1]) | (seeds[1:] != seeds[:-1]), True)[: len(points)]
    chosen = newest & record.seed_set.contains(seeds)
    return points[chosen], address[chosen]
