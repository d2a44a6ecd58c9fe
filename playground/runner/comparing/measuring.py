"""Measures every optimizer on every problem, in parallel, and keeps all runs in a store of their own."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from playground.errors import ComponentError, PlaygroundError
from playground.plugins.manager import Plugins, load_plugins
from playground.plugins.signature import build
from playground.result import Status
from playground.runner.comparing.contestants import Contestant
from playground.runner.comparing.pair import Pair, PairRuns, compute_studies
from playground.runner.comparing.protocol import next_requests
from playground.runner.comparing.search_spaces import Setting
from playground.runner.comparing.suites import Suite, SuiteProblem
from playground.runner.processes.parallel import run_parallel
from playground.runner.single.running import run_one
from playground.runner.store import RunColumns, SeedSet, Store, SweepRecord
from playground.runner.store.run_columns import STATUSES
from playground.runner.sweeping.identity import Identities
from playground.runner.sweeping.prepared_cache import PreparedCache
from playground.scenario.model import Loaded

STORE = "compare"
"""The name of the store beside that of sweeps: a comparison has hundreds of them, which nobody wants to list."""

ALL_SEEDS = SeedSet(((0, 2**62),))
"""What a pair may have: another look adds seeds."""

PROBE_STEPS = 3
"""Steps of the run that shows whether an optimizer works at all."""

INTERRUPT_GRACE_SECONDS = 5.0
"""Seconds that other processes have, after Ctrl-C, to hand over what has finished."""


GROUPS_PER_PROCESS = 8
"""How many groups of pairs each process gets at least, if there are as many pairs."""


@dataclass
class CompareProgress:
    """What a display may read; `total` and `done` count pairs of an optimizer and a problem.

    :param stored: pairs that were there before.
    """

    total: int = 0
    stored: int = 0
    done: int = 0
    now: str = ""
    began: float = field(default_factory=time.perf_counter)

    @property
    def remaining_seconds(self) -> float | None:
        """The time that the rest takes at the pace so far; None as long as nothing is known."""
        if not self.done:
            return None
        return (time.perf_counter() - self.began) / self.done * (self.total - self.stored - self.done)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The runs of all pairs.

    :param runs: by label and problem.
    :param notes: why pairs were not compiled, each with the pairs.
    :param interrupted: Ctrl-C came; some runs are missing.
    :param seconds: by stage: `check`, `compute`, `store`.
    """

    runs: Mapping[tuple[str, str], PairRuns]
    notes: Mapping[str, Sequence[str]]
    interrupted: bool
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class StudyParcel:
    """The work of one process: studies of a pair.

    :param runs: those that are there.
    """

    pair: Pair
    runs: PairRuns
    studies: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class ComputedStudies:
    """What a process computed of a pair.

    :param settings: of all its runs; the points of `tables` are indices in it.
    :param tables: the runs that were not there.
    """

    settings: Sequence[Setting]
    tables: Sequence[RunColumns]
    notes: Sequence[str]
    interrupted: bool
    seconds: float


def measure_suite(
    suite: Suite,
    contestants: Sequence[Contestant],
    studies: Sequence[int],
    plugins: Plugins,
    folder: Path,
    jobs: int | None = None,
    progress: CompareProgress | None = None,
) -> Measured:
    """Compute every run that is not stored; return all.

    Runs are stored pair by pair, so that whatever ends this process costs at most the pairs under way.

    :param studies: the studies to make.
    :param folder: where `.playground` is.
    :param jobs: processes; by default one per core.
    :raises PlaygroundError: the store cannot be used, or an optimizer fails in every run of a problem.
    """
    progress = progress or CompareProgress()
    identities, clock = Identities(plugins), _Clock()
    pairs = [_identify(each, problem, identities) for problem in suite.problems.values() for each in contestants]
    progress.total = len(pairs)
    found: dict[tuple[str, str], PairRuns] = {}
    notes: dict[str, list[str]] = {}
    interrupted = False
    with Store.open(folder, name=STORE) as store:
        with clock.measure("read"):
            stored = {each.id: each for each in store.sweeps()}
            waiting = []
            for pair in pairs:
                runs = _read_pair(pair, store, stored)
                found[pair.contestant.label, pair.problem.name] = runs
                if next_requests(pair.problem.name, studies, pair.contestant.space, runs):
                    waiting.append(StudyParcel(pair, runs, studies))
        progress.stored = progress.total - len(waiting)
        results = _compute(waiting, plugins, jobs or os.cpu_count() or 1, progress)
        try:
            for parcel, done in results:
                label, name = parcel.pair.contestant.label, parcel.pair.problem.name
                with clock.measure("store"):
                    found[label, name] = _keep_runs(parcel, done, store)
                for note in done.notes:
                    notes.setdefault(note, []).append(f"{label} on {name}")
                interrupted |= done.interrupted
                clock.add("compute", done.seconds)
                _refuse_failure(parcel.pair, found[label, name])
                progress.done += 1
        except KeyboardInterrupt:
            interrupted = True
        finally:
            results.close()
    return Measured(runs=found, notes=notes, interrupted=interrupted, seconds=clock.seconds)


def require_working(contestant: Contestant, problem: SuiteProblem, plugins: Plugins) -> None:
    """Refuse an optimizer that raises in its first steps, before hundreds of runs do.

    :raises ComponentError: it does; the message is the run's.
    """
    loaded = Pair(contestant=contestant, problem=problem).with_setting(contestant.space.first[0])
    short = loaded.scenario.model_copy(update={"steps": min(PROBE_STEPS, loaded.scenario.steps), "trace_loss": None})
    try:
        run = run_one(Loaded(short, loaded.source), plugins)
    except PlaygroundError as error:
        reason = error.faults[0].message
    else:
        reason = run.reason if run.status is Status.ERROR else ""
    if reason:
        raise ComponentError(f"{contestant.label} does not work on problem {problem.name!r}: {reason}")


class _Clock:
    """Sums seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - began)


def _identify(contestant: Contestant, problem: SuiteProblem, identities: Identities) -> Pair:
    """Return a pair with the key of its runs."""
    pair = Pair(contestant=contestant, problem=problem)
    return replace(pair, key=identities.key(pair.with_setting(()), STORE))


def _read_pair(pair: Pair, store: Store, stored: Mapping[str, SweepRecord]) -> PairRuns:
    """Return the stored runs of a pair."""
    runs = PairRuns(pair.problem)
    if record := stored.get(pair.key):
        runs.settings += [tuple(point.items()) for point in record.points]
        selection = store.select(record.id, arrays=("trace",))
        for part in selection.by_chunk():
            for _, table in part.tables(record, arrays=("trace",)):
                runs.add(table)
    return runs


def _keep_runs(parcel: StudyParcel, done: ComputedStudies, store: Store) -> PairRuns:
    """Store what was computed of a pair; return all its runs."""
    pair = parcel.pair
    runs = parcel.runs.copy()
    runs.settings = list(done.settings)
    for table in done.tables:
        runs.add(table)
    if done.tables:
        store.begin(_make_record(pair, runs.settings))
        store.add(pair.key, done.tables)
    return runs


def _make_record(pair: Pair, settings: Sequence[Setting]) -> SweepRecord:
    """Return a pair as the store keeps a sweep: its settings are the points."""
    return SweepRecord(
        id=pair.key,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        scenario=f"{pair.contestant} on {pair.problem.name}",
        file=pair.problem.loaded.source.file,
        command="playground compare",
        spec={},
        axes=list(pair.contestant.ranges),
        points=[dict(setting) for setting in settings],
        seeds=len(ALL_SEEDS),
        engine="auto",
        versions={name: version(name) for name in ("torch", "gradient-playground")}
        | {"python": platform.python_version()},
        keys=[pair.setting_key(setting) for setting in settings],
        seed_set=ALL_SEEDS,
    )


def _refuse_failure(pair: Pair, runs: PairRuns) -> None:
    """Refuse an optimizer that raises in every run of a problem: it says nothing about how good it is.

    :raises ComponentError: it does.
    """
    import numpy as np

    error = STATUSES.index(str(Status.ERROR))
    if runs.tables and all((table.status == error).all() for table in runs.tables):
        table = runs.tables[0]
        reason = table.reasons[int(np.asarray(table.reason)[0])]
        raise ComponentError(f"{pair.contestant.label}: every run of problem {pair.problem.name!r} fails: {reason}")


def _compute(
    parcels: Sequence[StudyParcel], plugins: Plugins, jobs: int, progress: CompareProgress
) -> Generator[tuple[StudyParcel, ComputedStudies], None, None]:
    """Yield what was computed of each pair, as it comes."""
    if not parcels:
        return
    if jobs == 1 or not all(_is_known_elsewhere(parcel.pair.contestant, plugins) for parcel in parcels):
        cache = PreparedCache(plugins)
        for parcel in parcels:
            progress.now = str(parcel.pair.problem.name)
            done = _compute_parcel(parcel, cache)
            yield parcel, done
            if done.interrupted:
                return
        return
    component = plugins.registry.get("executor", "processes")
    work = partial(_compute_in_worker, json.dumps(plugins.recipe))
    groups = _group_parcels(parcels, jobs)
    results = run_parallel(
        groups, work, lambda count: build(component, {"workers": count}), jobs, INTERRUPT_GRACE_SECONDS
    )
    for group, computed in results:
        problem = str(group[0].pair.problem.name)
        progress.now = problem
        if computed is None:
            labels = ", ".join(parcel.pair.contestant.label for parcel in group)
            raise ComponentError(f"{labels}: the process that ran problem {problem!r} died, twice")
        yield from zip(group, computed, strict=False)  # Ctrl-C leaves some out


def _group_parcels(parcels: Sequence[StudyParcel], jobs: int) -> list[Sequence[StudyParcel]]:
    """Return what processes are given at once: pairs of one problem, which share their starts and sample orders.

    There are several groups for each process, so that all have work until the end.
    """
    size = max(1, len(parcels) // (GROUPS_PER_PROCESS * jobs))
    by_problem = (list(mine) for _, mine in groupby(parcels, key=lambda parcel: parcel.pair.problem.name))
    return [mine[first : first + size] for mine in by_problem for first in range(0, len(mine), size)]


def _is_known_elsewhere(contestant: Contestant, plugins: Plugins) -> bool:
    """Tell whether another process that loads the same plugins has this optimizer: a class in hand is only here."""
    return plugins.registry.get("optimizer", contestant.name) not in plugins.in_hand


def _compute_in_worker(recipe: str, parcels: Sequence[StudyParcel]) -> list[ComputedStudies]:
    """Compute pairs of one problem; Ctrl-C leaves out those that have not begun."""
    cache, found = PreparedCache(_load_worker_plugins(recipe)), list[ComputedStudies]()
    for parcel in parcels:
        found.append(_compute_parcel(parcel, cache))
        if found[-1].interrupted:
            break
    return found


@lru_cache
def _load_worker_plugins(recipe: str) -> Plugins:
    """Load the same plugins once for each worker process."""
    return load_plugins(**json.loads(recipe))


def _compute_parcel(parcel: StudyParcel, cache: PreparedCache) -> ComputedStudies:
    """Compute what is missing of some studies of a pair."""
    began = time.perf_counter()
    cache.forget()
    runs, known = parcel.runs.copy(), len(parcel.runs.tables)
    results = list(compute_studies(parcel.pair, runs, parcel.studies, cache))
    return ComputedStudies(
        settings=runs.settings,
        tables=runs.tables[known:],
        notes=list(dict.fromkeys(result.note for result in results if result.note)),
        interrupted=any(result.interrupted for result in results),
        seconds=time.perf_counter() - began,
    )
