"""The engine that computes any run: one after the other, each as `run` would."""

from __future__ import annotations

from playground.runner.sweeping.engines.interface import Computation, Trial, Watch
from playground.runner.sweeping.plan import Chunk
from playground.runner.sweeping.prepared_cache import PreparedCache
from playground.runner.sweeping.sequential import run_sequentially

CHUNK_RUNS = 50
"""Runs in a chunk: few, so that several processes share them evenly."""


class PlainEngine:
    """Runs one after the other in plain PyTorch. It refuses nothing."""

    name = "plain"

    def examine(self, trial: Trial) -> str:
        """Accept every family."""
        return ""

    def chunk_size(self, trial: Trial, memory: int) -> int:
        """Return a constant: one run at a time needs the memory of one."""
        return CHUNK_RUNS

    def compute(self, chunk: Chunk, cache: PreparedCache, watch: Watch | None) -> Computation:
        """Compute runs in small pieces; nothing of a single run can be watched."""
        yield from run_sequentially(chunk, cache.plugins)
        return ()
