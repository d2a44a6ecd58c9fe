"""The interface of an engine: whether it can compute some runs, how many at once, and their rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from playground.runner.single.prepared import Prepared
from playground.runner.sweeping.plan import Chunk, ChunkResult
from playground.runner.sweeping.prepared_cache import PreparedCache

if TYPE_CHECKING:
    from playground.core.traces import ReplicaTraces

Watch = Callable[["ReplicaTraces"], None]
"""Receives the traces of a chunk before its runs descend, to read them while they grow."""


Computation = Generator[ChunkResult, None, Sequence[int]]
"""Yields the results of runs, in one piece or several; returns the positions of those that it did not compute."""


class CannotComputeError(Exception):
    """An engine does not compute some runs; the message says why, and is empty if no note is needed.

    :param divisible: a few of the runs may be the cause, so the engine may well compute the others.
    :param parts: the engine computes each of these parts by itself: the positions of its runs.
    """

    def __init__(self, reason: str, divisible: bool = False, parts: Sequence[Sequence[int]] = ()) -> None:
        super().__init__(reason)
        self.divisible = divisible
        self.parts = parts


@dataclass(frozen=True)
class Trial:
    """What an engine tries before it is given a family of runs.

    :param chunk: the first and the last run of the family.
    :param cache: prepares them.
    :param runs: how many runs the family has, if the engine is to compute them only where that saves time; None where
        somebody asked for this engine.
    """

    chunk: Chunk
    cache: PreparedCache
    runs: int | None = None

    def prepare(self) -> AbstractContextManager[Prepared]:
        """Return the context in which the family's scenario is prepared."""
        return self.cache.prepare(self.chunk.first, self.chunk.family)


class Engine(Protocol):
    """A way to compute many runs. `ENGINES` lists all; a new one is a class there and nothing else."""

    @property
    def name(self) -> str:
        """The value of `--engine`, which the store keeps with each run."""

    def examine(self, trial: Trial) -> str:
        """Try a family of runs. Return what to note about it; empty for nothing.

        :raises CannotComputeError: this engine does not compute them; anything else that is raised is a reason as well.
        """

    def chunk_size(self, trial: Trial, memory: int) -> int:
        """Return how many runs of a family to compute at once.

        :param memory: bytes that their tensors may take.
        """

    def compute(self, chunk: Chunk, cache: PreparedCache, watch: Watch | None) -> Computation:
        """Compute runs, in one piece or several; the next engine computes those that are left.

        :param cache: prepares their scenario.
        :param watch: gets the traces, to show their progress.
        :raises CannotComputeError: it cannot after all, which it says before the first piece; the next engine does.
        """
