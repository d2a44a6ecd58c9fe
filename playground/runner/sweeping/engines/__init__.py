"""The engines, each one way to compute many runs, and their order.

To add an engine, write a class that meets `Engine` and put it into `ENGINES`: it is then tried in its turn, listed
for `--engine`, used in worker processes, and kept with the runs it computed.
"""

from __future__ import annotations

from playground.runner.sweeping.engines.batched import BatchedEngine
from playground.runner.sweeping.engines.compiled import CompiledEngine
from playground.runner.sweeping.engines.interface import CannotComputeError, Engine, Trial, Watch
from playground.runner.sweeping.engines.plain import PlainEngine

__all__ = [
    "AUTO",
    "ENGINES",
    "CannotComputeError",
    "Engine",
    "Trial",
    "Watch",
    "engine_names",
    "engines_from",
    "find_engine",
    "next_engine",
]

AUTO = "auto"
"""The value of `--engine` that selects the first engine that computes the runs and saves time."""

ENGINES: tuple[Engine, ...] = (CompiledEngine(), BatchedEngine(), PlainEngine())
"""In order of preference: if one refuses, the next is tried. The last refuses nothing."""


def engine_names() -> tuple[str, ...]:
    """Return the accepted values of `--engine`."""
    return (AUTO, *(engine.name for engine in ENGINES))


def find_engine(name: str) -> Engine:
    """Return an engine by its name."""
    return next(engine for engine in ENGINES if engine.name == name)


def engines_from(requested: str) -> tuple[Engine, ...]:
    """Return the engines to try, in their order: from the requested one, or from the first."""
    return ENGINES if requested == AUTO else ENGINES[ENGINES.index(find_engine(requested)) :]


def next_engine(name: str) -> Engine | None:
    """Return the engine that computes what this one refuses; None after the last."""
    return next(iter(engines_from(name)[1:]), None)
