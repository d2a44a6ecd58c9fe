"""One chunk of runs: together when that is possible, else one after the other, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from playground.plugins.causes import ISOLATED
from playground.plugins.manager import Plugins
from playground.runner.sweeping.alone import one_by_one
from playground.runner.sweeping.choosing import why_not
from playground.runner.sweeping.plan import Chunk, ChunkResult
from playground.runner.sweeping.together import Watch, together

FEW = 8
"""Runs up to which nobody asks which of them it was that raised: one after the other costs no more than finding out."""


def compute(chunk: Chunk, plugins: Plugins, watch: Watch | None = None) -> Iterator[ChunkResult]:
    """Run every member of a chunk: all of them together, or one after the other in several pieces.

    What cannot be compiled after all descends as a batch.

    A component may raise for some of the runs only. Then each half of the chunk is tried by itself, and so on, until
    few are left beside one that raises; these run alone, and each has its own answer.

    :param watch: gets the traces of runs that descend together, to show their progress.
    """
    if chunk.engine == "plain":
        yield from one_by_one(chunk, plugins, chunk.note)
        return
    try:
        result = together(chunk, plugins, watch)
    except ISOLATED as error:
        from playground.engine.replicas import DisagreementError

        if isinstance(error, DisagreementError):  # of all of them, whichever it showed in
            yield from one_by_one(chunk, plugins, f"plain: {error}")
        elif chunk.engine == "compiled":
            yield from compute(replace(chunk, engine="batched", note=f"batched: {why_not(error)}"), plugins, watch)
        else:
            yield from _in_parts(chunk, plugins, watch, f"plain: {why_not(error)}")
    else:
        yield result


def _in_parts(chunk: Chunk, plugins: Plugins, watch: Watch | None, note: str) -> Iterator[ChunkResult]:
    """Compute a chunk in which a run raises: the halves of many, each member of few alone."""
    if len(chunk.members) <= FEW:
        yield from one_by_one(chunk, plugins, note)
        return
    middle = len(chunk.members) // 2
    for members in (chunk.members[:middle], chunk.members[middle:]):
        occurring = {index for index, _ in members}
        points = {index: loaded for index, loaded in chunk.points.items() if index in occurring}
        for result in compute(replace(chunk, points=points, members=members), plugins, watch):
            yield result
            if result.interrupted:
                return
