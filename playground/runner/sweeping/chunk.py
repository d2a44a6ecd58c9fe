"""One chunk of runs, computed by its engine; where that one refuses, by halves or by the next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.result import Status, Verdict
from playground.runner.store import Row, tabulate_rows
from playground.runner.sweeping import engines
from playground.runner.sweeping.engines import CannotComputeError, Watch, find_engine, next_engine
from playground.runner.sweeping.engines.refusals import describe_refusal
from playground.runner.sweeping.plan import Chunk, ChunkResult, PackedChunk
from playground.runner.sweeping.prepared_cache import PreparedCache

MAX_UNSPLIT_RUNS = 8
"""A refused chunk of at most so many runs is not divided: the next engine computes them as fast as a search would."""


def compute_chunk(chunk: Chunk, cache: PreparedCache, watch: Watch | None = None) -> Iterator[ChunkResult]:
    """Compute every member of a chunk, by its engine or by those after it.

    A component may raise for some of the runs only. The engine then tries each half of the chunk, and so on, until a
    run that raises has few neighbours left; the next engine computes these. An engine may also ask for parts that it
    computes one after the other.

    :param cache: prepares their scenario.
    :param watch: gets the traces of runs that descend together, to show their progress.
    """
    engine, after = find_engine(chunk.engine), next_engine(chunk.engine)
    if after is None:
        yield from engine.compute(chunk, cache, watch)
        return
    try:
        left = yield from engine.compute(chunk, cache, watch)
    except ISOLATED_EXCEPTIONS as error:
        parts = _divide(chunk, error)
        reason = describe_refusal(error)
        cache.forget()  # a component that raised may have left the module halfway
    else:
        if left:
            members = chunk.members.take(list(left))
            yield from compute_chunk(replace(chunk, members=members, engine=after.name), cache, watch)
        return
    if parts:
        yield from _compute_parts(chunk, parts, cache, watch)
    else:
        yield from compute_chunk(replace(chunk, engine=after.name, note=f"{after.name}: {reason}"), cache, watch)


def _divide(chunk: Chunk, error: BaseException) -> Sequence[Sequence[int]]:
    """Return the parts of a chunk that its engine tries by themselves, as positions; nothing if it does not."""
    if not isinstance(error, CannotComputeError):
        return ()
    if error.divisible and len(chunk.members) > MAX_UNSPLIT_RUNS:
        middle = len(chunk.members) // 2
        return range(middle), range(middle, len(chunk.members))
    return error.parts


def _compute_parts(
    chunk: Chunk, parts: Sequence[Sequence[int]], cache: PreparedCache, watch: Watch | None
) -> Iterator[ChunkResult]:
    """Compute parts of a chunk, each by itself."""
    for part in parts:
        members = chunk.members.take(list(part))
        points = {index: chunk.points[index] for index in members.points()}
        for result in compute_chunk(replace(chunk, points=points, members=members), cache, watch):
            yield result
            if result.interrupted:
                return


def lost_chunk_result(chunk: Chunk | PackedChunk, reason: str) -> ChunkResult:
    """Return runs with status `error` for those of a chunk that took its process down."""
    rows = [
        Row(
            key=f"{chunk.keys[point]}-{seed}",
            point=point,
            seed=seed,
            status=str(Status.ERROR),
            verdict=str(Verdict.FAILED),
            first=math.nan,
            last=math.nan,
            best=math.nan,
            steps=0,
            evaluations=0,
            seconds=math.nan,
            engine=engines.ENGINES[-1].name,
            reason=reason,
            lost=True,
        )
        for point, seed in chunk.members
    ]
    return ChunkResult(tables=tuple(tabulate_rows(rows)), note=reason)
