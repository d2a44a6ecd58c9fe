"""A sweep from beginning to end: what is there already, what is missing, and what it all says."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from playground.errors import ComponentError
from playground.plugins.manager import Plugins, load_plugins
from playground.plugins.signature import build, scenario_parameters, validate
from playground.runner.loading.catalogue import ComponentCatalogue
from playground.runner.processes.parallel import run_parallel
from playground.runner.processes.workers import check_workers
from playground.runner.single.advising import advise
from playground.runner.single.labels import variant_labels
from playground.runner.single.memory import DEFAULT_MEMORY_BYTES, limit_memory, memory_limit
from playground.runner.single.preparing import check_structure, prepare, refuse_diagnosis, refuse_impossible
from playground.runner.store import SeedSet, Store, SweepRecord
from playground.runner.store.opening import store_path
from playground.runner.sweeping.choosing import choose_engine
from playground.runner.sweeping.chunk import compute_chunk, lost_chunk_result
from playground.runner.sweeping.identity import Identities
from playground.runner.sweeping.plan import (
    Chunk,
    ChunkResult,
    Members,
    PackedChunk,
    digest,
    group_by_start,
    group_families,
    make_chunk,
    order_by_seed,
    pack_chunk,
    unpack_chunk,
)
from playground.runner.sweeping.prepared_cache import PreparedCache
from playground.runner.sweeping.summary import ComputedRuns, StoredSweep, summarize_sweep
from playground.scenario.grid import Grid, GridPoint, expand
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from playground.core.traces import ReplicaTraces

INTERRUPT_GRACE_SECONDS = 5.0
"""Seconds that other processes have, after Ctrl-C, to hand over what has finished."""


@dataclass(frozen=True)
class SweepOptions:
    """How a sweep is to be computed.

    :param engine: `auto`, or the name of an engine; where one cannot compute some runs, the next one does.
    :param jobs: processes to use; with 1 everything happens in this one.
    :param executor: name of the executor; None for `serial` or `processes`, by `jobs`.
    :param executor_options: its parameters.
    :param fresh: compute again what is stored.
    :param memory: bytes that the tensors of one process may take; a run that takes more than this, and more than
        `memory.DEFAULT`, is refused.
    :param command: the command line, for the record.
    """

    engine: str = "auto"
    jobs: int = 1
    executor: str | None = None
    executor_options: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False
    memory: int = DEFAULT_MEMORY_BYTES
    command: str = ""

    @property
    def at_once(self) -> int:
        """Number of chunks computed at once: `jobs`, or the executor's option `workers` if that is larger."""
        workers = self.executor_options.get("workers")
        return max(self.jobs, workers) if isinstance(workers, int) else self.jobs


@dataclass
class SweepProgress:
    """What a display may read while a sweep goes on; `total`, `done` and `stored` count runs."""

    total: int = 0
    stored: int = 0
    done: int = 0
    traces: ReplicaTraces | None = None

    @property
    def share(self) -> float:
        """Runs that are done, those under way counted by the steps they have made."""
        traces = self.traces
        under_way = len(traces.steps) * traces.done / max(traces.budget, 1) if traces is not None else 0.0
        return min(self.total, self.stored + self.done + under_way)


def run_sweep(
    loaded: Loaded,
    plugins: Plugins,
    options: SweepOptions | None = None,
    progress: SweepProgress | None = None,
    folder: Path | None = None,
) -> StoredSweep:
    """Compute every run of a scenario's sweep that is not stored yet, and sum all of them up.

    Everything is checked before the store is touched. Runs are stored chunk by chunk, so that what was finished
    survives whatever ends this process.

    :param folder: where `.playground` is; by default the working directory.
    :raises PlaygroundError: the sweep is not valid, or the store cannot be used.
    """
    options, progress = options or SweepOptions(), progress or SweepProgress()
    with limit_memory(max(options.memory, memory_limit())):  # less memory makes smaller chunks, and forbids no run
        return _run_sweep(loaded, plugins, options, progress, folder or Path.cwd())


def _run_sweep(
    loaded: Loaded, plugins: Plugins, options: SweepOptions, progress: SweepProgress, folder: Path
) -> StoredSweep:
    start = time.perf_counter()
    refuse_diagnosis(loaded)
    options, note = _stay_with_objects(plugins, options)
    grid = expand(loaded, ComponentCatalogue(plugins).known_parameters)
    progress.total = grid.size
    pool, cache = _make_pool(plugins, options), PreparedCache(plugins)
    for point in grid.points:
        check_structure(point.loaded, cache.plugins)
    identities = Identities(plugins)
    keys = {point.index: identities.key(point.loaded, options.engine) for point in grid.points}
    used = identities.plugins(point.loaded for point in grid.points)
    record = _make_record(loaded, grid, keys, used, options)
    found = _look_up(record, folder, options)
    families: list[list[GridPoint]] = []
    warnings = found.warnings
    if found.missing or warnings is None:  # what is stored has been checked, so torch need not be imported
        families, warnings = _check_points(grid, cache)
    record = replace(record, warnings=warnings)
    with Store.open(folder) as store:
        store.begin(record)
        progress.stored = grid.size - sum(map(len, found.missing.values()))
        planned = _plan_chunks(families, keys, found.missing, cache, options)
        computed = _store_results(_compute_chunks(planned, cache, options, pool, progress), store, record.id, progress)
        computed.fresh = options.fresh
        computed.notes |= dict.fromkeys([note] if note else [])
        summed = summarize_sweep(loaded, record, store, computed, start)
    compared = variant_labels([point.scenario for point in grid.points], grid.axes, plugins)
    return replace(summed, variants=compared, warnings=(*summed.warnings, *found.damaged))


def _store_results(
    results: Generator[ChunkResult, None, None], store: Store, sweep_id: str, progress: SweepProgress
) -> ComputedRuns:
    """Store results as they come, until all are there or Ctrl-C comes."""
    from playground.core.interrupts import defer_interrupts, is_stop_requested

    computed = ComputedRuns()
    try:
        for result in results:
            with defer_interrupts():
                store.add(sweep_id, result.tables)
                asked = is_stop_requested()
            computed.interrupted |= asked or result.interrupted
            for runs in result.tables:
                computed.engines[runs.engine] = computed.engines.get(runs.engine, 0) + len(runs)
            computed.notes |= dict.fromkeys([result.note] if result.note else [])
            progress.done += result.runs
            progress.traces = None
            if asked:
                break  # while it was being stored: nothing else has heard of it
    except KeyboardInterrupt:
        computed.interrupted = True
    finally:
        results.close()
    return computed


def _make_record(
    loaded: Loaded, grid: Grid, keys: Mapping[int, str], used: Mapping[str, str], options: SweepOptions
) -> SweepRecord:
    """Return the sweep as the store keeps it.

    :param keys: for each point what the keys of its runs begin with.
    :param used: plugins, ours apart, with what is used of them.
    """
    versions = {
        "python": platform.python_version(),
        "torch": version("torch"),
        "playground": version("gradient-playground"),
        "plugins": used,
    }
    seeds = SeedSet.of(grid.seeds)
    return SweepRecord(
        id=digest(loaded.scenario.name, sorted(keys.values()), seeds.ranges),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        scenario=loaded.scenario.name,
        file=loaded.source.file,
        command=options.command,
        spec=loaded.source.data,
        axes=grid.axes,
        points=[point.values for point in grid.points],
        seeds=len(grid.seeds),
        engine=options.engine,
        versions=versions,
        keys=[keys[point.index] for point in grid.points],
        seed_set=seeds,
    )


def _check_points(grid: Grid, cache: PreparedCache) -> tuple[list[list[GridPoint]], tuple[str, ...]]:
    """Find what is wrong with any point before anything is computed; return the families of points, and warnings.

    Optimizers are checked at every point, the rest once for each family and start, and wherever a hyperparameter is so
    large that the update may overflow.

    :raises ScenarioError: with the place at the axis that brought it.
    """
    with cache.prepare(grid.points[0].loaded, grid.points[0].index):  # which imports torch as fast as that goes
        pass
    families = group_families(grid.points, cache.plugins)
    warnings: dict[str, None] = {}  # each once, though many families may have it
    for family in families:
        for number, alike in enumerate(group_by_start(family).values()):
            with cache.prepare(alike[0].loaded, family[0].index) as ready:
                refuse_impossible(ready)
                if number == 0:
                    warnings |= dict.fromkeys(advise(ready))
            for point in filter(_is_extreme, alike[1:]):
                with prepare(point.loaded, cache.plugins) as ready:
                    refuse_impossible(ready)
    return families, tuple(warnings)


def _is_extreme(point: GridPoint) -> bool:
    """Tell whether an update by a point's optimizer might overflow."""
    from playground.core.setting import DTYPES
    from playground.core.trials import is_extreme

    optimizer = point.scenario.components.get("optimizer")
    return optimizer is not None and is_extreme(optimizer.parameters.values(), DTYPES[point.scenario.dtype])


@dataclass(frozen=True)
class StoredPart:
    """What the store has of a sweep.

    :param warnings: those that were found before its first runs; None if it is not stored.
    :param missing: for each point that lacks runs their seeds.
    :param damaged: a sentence for each chunk that is damaged.
    """

    warnings: Sequence[str] | None
    missing: Mapping[int, SeedSet]
    damaged: tuple[str, ...]


def _look_up(record: SweepRecord, folder: Path, options: SweepOptions) -> StoredPart:
    """Find what the store has of a sweep, and what is missing."""
    warnings: Sequence[str] | None = None
    stored: Mapping[str, SeedSet] = {}
    damaged: tuple[str, ...] = ()
    if store_path(folder).exists():
        with Store.open(folder, create=False) as store:
            found = [sweep for sweep in store.sweeps() if sweep.id == record.id]
            warnings = found[0].warnings if found else None
            stored = {} if options.fresh else store.stored_seeds(record.keys)
            damaged = tuple(f"{each} are computed again" for each in store.damaged.values())
    missing = {index: record.seed_set - stored.get(key, SeedSet()) for index, key in enumerate(record.keys)}
    return StoredPart(warnings, {index: seeds for index, seeds in missing.items() if seeds.ranges}, damaged)


def _compute_chunks(
    planned: Iterator[Chunk],
    cache: PreparedCache,
    options: SweepOptions,
    pool: Callable[[int], AbstractContextManager[Any]] | None,
    progress: SweepProgress,
) -> Generator[ChunkResult, None, None]:
    """Yield the results of one chunk after another, as they come."""
    if pool is None:

        def watch(traces: ReplicaTraces) -> None:
            progress.traces = traces

        for chunk in planned:
            for result in compute_chunk(chunk, cache, watch):
                yield result
                if result.interrupted:
                    return
        return
    recipe = json.dumps(cache.plugins.recipe)
    work = partial(_compute_in_worker, recipe, cache.plugins.fingerprint, memory_limit(), uuid4().hex)
    interrupted = False
    parcels = (pack_chunk(chunk) for chunk in takewhile(lambda chunk: not interrupted, planned))
    for parcel, results in run_parallel(parcels, work, pool, options.at_once, INTERRUPT_GRACE_SECONDS):
        results = results or [lost_chunk_result(parcel, "the process that ran it died, twice")]
        interrupted = interrupted or any(result.interrupted for result in results)
        yield from results


def _plan_chunks(
    families: Sequence[Sequence[GridPoint]],
    keys: Mapping[int, str],
    missing: Mapping[int, SeedSet],
    cache: PreparedCache,
    options: SweepOptions,
) -> Iterator[Chunk]:
    """Yield the chunks of all that is missing, family by family."""
    for family in families:
        mine = {point.index: missing[point.index] for point in family if point.index in missing}
        if not mine:
            continue
        count = sum(map(len, mine.values()))
        seed = min(seeds.ranges[0][0] for seeds in mine.values())
        few = Members.of([(next(iter(mine)), seed), (family[-1].index, seed)])
        trial = make_chunk(family, keys, few, options.engine)
        choice = choose_engine(trial, cache, options.engine, count, options.memory)
        for members in order_by_seed(mine, min(choice.size, -(-count // options.at_once))):
            yield make_chunk(family, keys, members, choice.engine, choice.note)


def _stay_with_objects(plugins: Plugins, options: SweepOptions) -> tuple[SweepOptions, str]:
    """Return options with which objects in hand can be used, which other processes do not have, and a note about it.

    :raises ComponentError: an executor was asked for.
    """
    if not plugins.in_hand or (options.jobs == 1 and options.executor is None):
        return options, ""
    what = ", ".join(map(str, plugins.in_hand))
    if options.executor is not None:
        raise ComponentError(
            f"executor {options.executor!r} has no objects of this process ({what}); "
            "register them in a plugin, or leave the executor out"
        )
    note = f"one process, because others have no objects of this one ({what}); the compiled engine uses all cores"
    return replace(options, jobs=1), note


def _make_pool(plugins: Plugins, options: SweepOptions) -> Callable[[int], AbstractContextManager[Any]] | None:
    """Return what makes an executor; None where this process needs none.

    :raises PlaygroundError: there is no such executor, or not with these parameters.
    """
    if options.jobs == 1 and options.executor is None:
        if options.executor_options:
            raise ComponentError(f"options of an executor ({', '.join(options.executor_options)}), but no executor")
        return None
    component = plugins.registry.get("executor", options.executor or "processes")
    given = dict(options.executor_options)
    validate(component, given)
    sized = any(parameter.name == "workers" for parameter in scenario_parameters(component))

    @contextmanager
    def pool(count: int) -> Iterator[Any]:
        with build(component, {"workers": count, **given} if sized else given) as executor:
            check_workers(executor, plugins)
            yield executor

    return pool


class _WorkerState(local):
    """What a worker keeps from chunk to chunk; each thread has its own, because runs move a module's parameters."""

    sweep = ""
    cache: PreparedCache | None = None


_worker_state = _WorkerState()


def _compute_in_worker(
    recipe: str, fingerprint: str, memory: int, sweep: str, parcel: PackedChunk
) -> list[ChunkResult]:
    """Compute a chunk in a worker process.

    :param memory: bytes that one run may take.
    :param sweep: names the sweep, so that nothing is kept from one to the next: a data file may have changed.
    :raises ComponentError: this process has other plugins than the one that asks; it came after all were compared.
    """
    if _worker_state.sweep != sweep or _worker_state.cache is None:
        _worker_state.sweep, _worker_state.cache = sweep, PreparedCache(_load_worker_plugins(recipe))
    cache = _worker_state.cache
    if cache.plugins.fingerprint != fingerprint:
        raise ComponentError("a worker has other plugins than the process that asks")
    with limit_memory(memory):
        return list(compute_chunk(unpack_chunk(parcel), cache))


@lru_cache
def _load_worker_plugins(recipe: str) -> Plugins:
    """Load the same plugins once for each worker process."""
    return load_plugins(**json.loads(recipe))
