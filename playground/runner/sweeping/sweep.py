"""A sweep from beginning to end: what is there already, what is missing, and what it all says."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from playground.plugins.manager import Plugins, load_plugins
from playground.plugins.signature import build
from playground.result import Expectation, Status, Verdict
from playground.runner.expectations import judge, verdict
from playground.runner.parallel import side_by_side
from playground.runner.preparing import check_structure, prepared
from playground.runner.statistics import Summary, best, summarize
from playground.runner.store import Store, SweepRecord
from playground.runner.sweeping.chunk import ChunkResult, compute, lost
from playground.runner.sweeping.plan import Chunk, Member, chunks, determining, digest, families
from playground.scenario.grid import Grid, Point, expand
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from playground.engine.traces import Traces

GIGABYTE = 10**9


@dataclass(frozen=True)
class Options:
    """How a sweep is to be computed.

    :param engine: `auto` (together where that is possible), `batched` or `plain`.
    :param jobs: processes to use; with 1 everything happens in this one.
    :param executor: name of the executor; None for `serial` or `processes`, by `jobs`.
    :param executor_options: its parameters.
    :param fresh: compute again what is stored.
    :param memory: bytes that the tensors of one process may take.
    :param command: the command line, for the record.
    """

    engine: str = "auto"
    jobs: int = 1
    executor: str | None = None
    executor_options: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False
    memory: int = 2 * GIGABYTE
    command: str = ""


@dataclass
class Progress:
    """What a display may read while a sweep goes on; `total`, `done` and `stored` count runs."""

    total: int = 0
    stored: int = 0
    done: int = 0
    traces: Traces | None = None

    @property
    def share(self) -> float:
        """Runs that are done, those under way counted by the steps they have made."""
        traces = self.traces
        under_way = len(traces.steps) * traces.done / max(traces.budget, 1) if traces is not None else 0.0
        return min(self.total, self.stored + self.done + under_way)


@dataclass(frozen=True)
class Sweep:
    """What a sweep says.

    :param id: under which the store has it.
    :param axes: the keys that vary, `seed` apart.
    :param seeds: how many runs each point has.
    :param runs: runs that are finished, of `size` in all.
    :param computed: how many of them were computed now; the others were in the store.
    :param engines: how many of the computed runs each engine took.
    :param notes: why runs did not descend together.
    :param summaries: of each point.
    :param best: the points that did best; several are a tie.
    :param store: the file that has every run.
    :param stale: why earlier results of this sweep were not used again.
    """

    scenario: str
    file: str
    id: str
    axes: tuple[str, ...]
    seeds: int
    size: int
    runs: int
    computed: int
    engines: Mapping[str, int]
    notes: tuple[str, ...]
    summaries: tuple[Summary, ...]
    best: tuple[Summary, ...]
    expectations: tuple[Expectation, ...]
    verdict: Verdict
    interrupted: bool
    seconds: float
    store: str
    stale: tuple[str, ...] = ()


def run_sweep(
    loaded: Loaded, plugins: Plugins, store: Store, options: Options | None = None, progress: Progress | None = None
) -> Sweep:
    """Compute every run of a scenario's sweep that is not stored yet, and sum all of them up.

    Runs are stored chunk by chunk, so that what was finished survives whatever ends this process.

    :raises PlaygroundError: the sweep is not valid, or the store cannot be used.
    """
    options, progress = options or Options(), progress or Progress()
    start = time.perf_counter()
    grid = expand(loaded)
    keys = _keys(grid, plugins, options.engine)
    record = _record(loaded, grid, keys, plugins, options)
    progress.total = grid.size
    _check(grid, plugins)
    store.begin(record)
    stale = tuple(reason for each in store.stale(record) for reason in each.reasons)
    missing = _missing(grid, keys, store, record.id, options.fresh)
    progress.stored = grid.size - len(missing)
    results = _computed(grid, keys, missing, plugins, options, progress)
    engines: dict[str, int] = {}
    notes: dict[str, None] = {}
    interrupted = False
    try:
        for result in results:
            store.add(record.id, result.rows)
            for row in result.rows:
                engines[row.engine] = engines.get(row.engine, 0) + 1
            notes |= dict.fromkeys([result.note] if result.note else [])
            progress.done += len(result.rows)
            progress.traces = None
            if result.interrupted:
                interrupted = True
                break
    except KeyboardInterrupt:
        interrupted = True
    finally:
        results.close()
    return _summed_up(
        loaded, grid, record, store, engines, tuple(notes), interrupted, time.perf_counter() - start, stale
    )


def _keys(grid: Grid, plugins: Plugins, engine: str) -> dict[int, str]:
    """Return for each point what the keys of its runs begin with; the seed is the rest."""
    ours = version("gradient-playground")
    common = digest(plugins.fingerprint, engine, ours)
    return {point.index: digest(common, determining(point.scenario)) for point in grid.points}


def _record(loaded: Loaded, grid: Grid, keys: Mapping[int, str], plugins: Plugins, options: Options) -> SweepRecord:
    versions = {
        "python": platform.python_version(),
        "torch": version("torch"),
        "playground": version("gradient-playground"),
        "plugins": {plugin.name: plugin.origin.version or plugin.digest for plugin in plugins.loaded},
    }
    return SweepRecord(
        id=digest(loaded.scenario.name, sorted(keys.values()), list(grid.seeds)),
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
    )


def _check(grid: Grid, plugins: Plugins) -> None:
    """Find what is wrong with any point before anything is computed: names, keys, and each family built once.

    :raises ScenarioError: with the place at the axis that brought it.
    """
    for point in grid.points:
        check_structure(point.loaded, plugins)
    for family in families(grid.points, plugins):
        with prepared(family[0].loaded, plugins):
            pass


def _missing(grid: Grid, keys: Mapping[int, str], store: Store, sweep: str, fresh: bool) -> list[Member]:
    """Return the runs that are not stored; those that are belong to this sweep from now on."""
    members = ((point.index, seed) for point in grid.points for seed in grid.seeds)
    if fresh:
        return list(members)
    named = [(f"{keys[index]}-{seed}", index, seed) for index, seed in members]
    there = store.attach(sweep, ((key, index) for key, index, _ in named))
    return [(index, seed) for key, index, seed in named if key not in there]


def _computed(
    grid: Grid,
    keys: Mapping[int, str],
    missing: Sequence[Member],
    plugins: Plugins,
    options: Options,
    progress: Progress,
) -> Generator[ChunkResult, None, None]:
    """Yield the results of one chunk after another, as they come."""
    planned = _planned(grid, keys, missing, plugins, options)
    if options.jobs == 1 and options.executor is None:

        def watch(traces: Traces) -> None:
            progress.traces = traces

        for chunk in planned:
            yield compute(chunk, plugins, watch)
        return
    recipe = json.dumps(plugins.recipe)
    for chunk, result in side_by_side(planned, partial(_work, recipe), _pool(plugins, options), options.jobs):
        yield lost(chunk, "the process that ran it died, twice") if result is None else result


def _planned(
    grid: Grid, keys: Mapping[int, str], missing: Sequence[Member], plugins: Plugins, options: Options
) -> Iterator[Chunk]:
    """Yield the chunks of all that is missing, family by family."""
    seeds: dict[int, list[int]] = {}
    for index, seed in missing:
        seeds.setdefault(index, []).append(seed)
    for family in families([point for point in grid.points if point.index in seeds], plugins):
        members = [(point.index, seed) for point in family for seed in seeds[point.index]]
        yield from chunks(family, keys, members, _size(family[0], plugins, options), options.engine)


def _size(point: Point, plugins: Plugins, options: Options) -> int:
    """Return how many runs of a family make a chunk."""
    from playground.engine.replicas import chunk_size

    with prepared(point.loaded, plugins) as ready:
        if ready.stepper is None:
            return 1
        return chunk_size(ready.stepper.problem, ready.stepper.problem.parameters, options.memory)


def _pool(plugins: Plugins, options: Options) -> Callable[[int], AbstractContextManager[Any]]:
    name = options.executor or "processes"
    component = plugins.registry.get("executor", name)
    given = dict(options.executor_options)
    return lambda count: build(component, {"workers": count, **given} if name == "processes" else given)


def _work(recipe: str, chunk: Chunk) -> ChunkResult:
    """Compute a chunk in a worker process."""
    return compute(chunk, _plugins_here(recipe))


@lru_cache
def _plugins_here(recipe: str) -> Plugins:
    """Load the same plugins once for each worker process."""
    return load_plugins(**json.loads(recipe))


def _summed_up(
    loaded: Loaded,
    grid: Grid,
    record: SweepRecord,
    store: Store,
    engines: Mapping[str, int],
    notes: tuple[str, ...],
    interrupted: bool,
    seconds: float,
    stale: tuple[str, ...],
) -> Sweep:
    """Read every run of the sweep back and say what they say together."""
    columns = list(zip(*store.values(("point", "status", "verdict", "last", "steps"), record.id), strict=True))
    summaries = summarize([point.values for point in grid.points], *(columns or ([], [], [], [], [])))
    runs = len(columns[0]) if columns else 0
    expectations = [] if interrupted else _judged(loaded, summaries, runs)
    return Sweep(
        scenario=loaded.scenario.name,
        file=loaded.source.file,
        id=record.id,
        axes=grid.axes,
        seeds=len(grid.seeds),
        size=grid.size,
        runs=runs,
        computed=sum(engines.values()),
        engines=engines,
        notes=notes,
        summaries=tuple(summaries),
        best=best(summaries),
        expectations=tuple(expectations),
        verdict=verdict(expectations, Status.INTERRUPTED if interrupted else Status.BUDGET),
        interrupted=interrupted,
        seconds=seconds,
        store=str(store.path),
        stale=stale,
    )


def _judged(loaded: Loaded, summaries: Sequence[Summary], runs: int) -> list[Expectation]:
    """Judge the sweep by its own expectations, of the share of runs that passed and of each status, and by errors."""
    counts = {status: sum(summary.statuses.get(status, 0) for summary in summaries) for status in Status}
    passed = [summary.passed for summary in summaries]
    measured: dict[str, float | None] = {str(status): count / runs for status, count in counts.items()}
    measured["passed"] = None if None in passed else sum(each or 0 for each in passed) / runs
    sweep = loaded.scenario.sweep
    expectations = [
        expectation
        for name, check in (sweep.expect if sweep else {}).items()
        for expectation in judge(name, check, measured.get(name), 0.0)
    ]
    if counts[Status.ERROR]:
        expectations.append(Expectation("no run ends in error", counts[Status.ERROR], passed=False))
    return expectations
