"""One chunk of runs: together when that is possible, else one after the other, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.plugins.manager import Plugins
from playground.runner.sweeping.choosing import describe_refusal
from playground.runner.sweeping.plan import Chunk, ChunkResult
from playground.runner.sweeping.sequential import run_sequentially
from playground.runner.sweeping.vectorized import Watch, run_vectorized

MAX_UNSPLIT_RUNS = 8
"""Runs up to which nobody asks which of them it was that raised: one after the other costs no more than finding out."""


def compute_chunk(chunk: Chunk, plugins: Plugins, watch: Watch | None = None) -> Iterator[ChunkResult]:
    """Run every member of a chunk: all of them together, or one after the other in several pieces.

    What cannot be compiled after all descends as a batch.

    A component may raise for some of the runs only. Then each half of the chunk is tried by itself, and so on, until
    few are left beside one that raises; these run alone, and each has its own answer.

    :param watch: gets the traces of runs that descend together, to show their progress.
    """
    if chunk.engine == "plain":
        yield from run_sequentially(chunk, plugins, chunk.note)
        return
    try:
        result = run_vectorized(chunk, plugins, watch)
    except ISOLATED_EXCEPTIONS as error:
        from playground.core.replicas import DisagreementError

        if isinstance(error, DisagreementError):  # of all of them, whichever it showed in
            yield from run_sequentially(chunk, plugins, f"plain: {error}")
        elif chunk.engine == "compiled":
            yield from compute_chunk(
                replace(chunk, engine="batched", note=f"batched: {describe_refusal(error)}"), plugins, watch
            )
        else:
            yield from _compute_halves(chunk, plugins, watch, f"plain: {describe_refusal(error)}")
    else:
        yield result


def _compute_halves(chunk: Chunk, plugins: Plugins, watch: Watch | None, note: str) -> Iterator[ChunkResult]:
    """Compute a chunk in which a run raises: the halves of many, each member of few alone."""
    if len(chunk.members) <= MAX_UNSPLIT_RUNS:
        yield from run_sequentially(chunk, plugins, note)
        return
    middle = len(chunk.members) // 2
    for members in (chunk.members[:middle], chunk.members[middle:]):
        occurring = {index for index, _ in members}
        points = {index: loaded for index, loaded in chunk.points.items() if index in occurring}
        for result in compute_chunk(replace(chunk, points=points, members=members), plugins, watch):
            yield result
            if result.interrupted:
                return
