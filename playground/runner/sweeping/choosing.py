"""Chooses the engine of a family, its chunk size and the note about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.runner.sweeping.engines import AUTO, Engine, Trial, engines_from
from playground.runner.sweeping.engines.refusals import describe_refusal
from playground.runner.sweeping.plan import Chunk, Members
from playground.runner.sweeping.prepared_cache import PreparedCache


@dataclass(frozen=True)
class EngineChoice:
    """An engine for a family of runs.

    :param note: the engine's name and what it says about the runs, or why it is not an engine before it.
    :param size: how many runs to compute at once.
    """

    engine: str
    note: str
    size: int


def choose_engine(chunk: Chunk, cache: PreparedCache, asked: str, runs: int, memory: int) -> EngineChoice:
    """Try the engines in order on the first and the last member of a chunk; return the first that accepts.

    :param asked: the engine to begin with, or `AUTO`; only with `AUTO` an engine may refuse because it saves no time.
    :param runs: how many runs there are of their kind.
    :param memory: bytes that the tensors of one chunk may take.
    """
    few = replace(chunk, members=Members.of([chunk.members[0], chunk.members[-1]]))
    trial = Trial(few, cache, runs if asked == AUTO else None)
    engine, text = _try_engines(trial, engines_from(asked))
    return EngineChoice(engine.name, f"{engine.name}: {text}" if text else "", engine.chunk_size(trial, memory))


def _try_engines(trial: Trial, engines: tuple[Engine, ...]) -> tuple[Engine, str]:
    """Return the first engine that accepts, with its note, or with the reasons of the refusals."""
    *preferred, last = engines
    if not preferred:  # the last engine refuses nothing, so there is nothing to try
        return last, ""
    reasons: dict[str, None] = {}
    with trial.prepare():  # a fault of the scenario itself is no refusal
        for engine in preferred:
            try:
                return engine, engine.examine(trial) or "; ".join(reasons)
            except ISOLATED_EXCEPTIONS as error:
                reasons |= dict.fromkeys(filter(None, [describe_refusal(error)]))
    return last, "; ".join(reasons)
