"""Summarizes the stored runs of a sweep."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import Place, StoreError
from playground.result import Expectation, Status, Summary, Sweep
from playground.runner.single.expectations import decide_verdict, judge, locate_expectations
from playground.runner.store import Store, SweepRecord
from playground.runner.store.exporting import RunTable, TableColumn
from playground.runner.store.temporary import TemporaryFolder
from playground.runner.sweeping.best import choose_best, loss_resolution
from playground.runner.sweeping.curves import LossCurve, loss_curves
from playground.runner.sweeping.statistics import summarize
from playground.scenario.model import Loaded, parse_scenario
from playground.scenario.node import YamlNode
from playground.scenario.source import SourceText

if TYPE_CHECKING:
    from playground.views import Ensemble


MAX_FIRST_LOSSES = 1_000
"""So many losses before step 0 of each point tell how large they are."""


@dataclass(frozen=True, kw_only=True, repr=False)
class StoredSweep(Sweep):
    """A sweep whose runs can be read back.

    :param temporary: keeps the store, if it is one that is removed with this object.
    """

    temporary: TemporaryFolder | None = field(default=None, compare=False)

    def to_pandas(self) -> Any:
        """Return every run as a row of a `pandas.DataFrame`: axes, seed, status, losses, metrics.

        :raises StoreError: pandas is not installed, or the store has gone.
        """
        pandas = _import("pandas", "to_pandas")
        return pandas.DataFrame({name: column.values() for name, column in self._read_columns().items()}, copy=False)

    def to_arrow(self) -> Any:
        """Return every run as a row of a `pyarrow.Table`, with the columns of `to_pandas`.

        :raises StoreError: pyarrow is not installed, or the store has gone.
        """
        arrow = _import("pyarrow", "to_arrow")
        return arrow.table({name: column.to_arrow(arrow) for name, column in self._read_columns().items()})

    def to_polars(self) -> Any:
        """Return every run as a row of a `polars.DataFrame`, with the columns of `to_pandas`.

        :raises StoreError: polars is not installed, or the store has gone.
        """
        polars = _import("polars", "to_polars")
        columns = {name: column.values() for name, column in self._read_columns().items()}
        texts = {name: values.tolist() for name, values in columns.items() if values.dtype == object}
        return polars.DataFrame(columns | texts)

    def _read_columns(self) -> dict[str, TableColumn]:
        with self._open() as store, store.snapshot():
            runs = store.select(self.id, arrays=())
            return RunTable(runs.sweeps, runs.metrics()).read(runs)

    def _open(self) -> Store:
        return Store.open(Path(self.store).parent.parent, create=False)

    def ensemble(self) -> Ensemble:
        """Return every run in the form that plots need.

        :raises StoreError: the store has gone.
        """
        from playground.runner.sweeping.ensemble import read_ensemble

        return read_ensemble(Path(self.store).parent.parent, self.id)

    def curves(self) -> list[LossCurve]:
        """Return how the loss fell at each point: quartiles over its runs at the steps that were kept.

        :raises StoreError: the store has gone.
        """
        with self._open() as store, store.snapshot():
            return list(loss_curves(store.select(self.id, arrays=()), store))


@dataclass
class ComputedRuns:
    """What this command computed.

    :param engines: how many runs each engine computed.
    :param notes: why runs did not descend together.
    :param interrupted: Ctrl-C came.
    :param fresh: what was stored is computed again.
    """

    engines: dict[str, int] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    interrupted: bool = False
    fresh: bool = False


def summarize_stored_sweep(store: Store, record: SweepRecord) -> StoredSweep:
    """Summarize the stored runs of a sweep, without computing anything.

    :raises ScenarioError: its scenario is none that this version would accept.
    """
    return summarize_sweep(load_stored_scenario(record), record, store, ComputedRuns(), time.perf_counter())


def load_stored_scenario(record: SweepRecord) -> Loaded:
    """Return the scenario of a stored sweep, with the sweep.

    :raises ScenarioError: it is none that this version would accept.
    """
    source = SourceText(record.file, YamlNode.of(record.spec, Place(record.file)))
    return Loaded(parse_scenario(source), source)


def summarize_sweep(
    loaded: Loaded, record: SweepRecord, store: Store, computed: ComputedRuns, start: float
) -> StoredSweep:
    """Read every run of the sweep back and say what they say together; a sweep that lacks runs is not judged."""
    summaries, runs, first = _summarize_points(record.points, store, record.id)
    dtypes = {loaded.scenario.dtype, *(point["dtype"] for point in record.points if "dtype" in point)}
    best, choice = choose_best(summaries, loss_resolution(first, dtypes))
    size = len(record.points) * record.seeds
    interrupted = computed.interrupted or runs < size or not runs
    expectations = [] if interrupted else _judge_sweep(loaded, summaries, runs)
    return StoredSweep(
        scenario=loaded.scenario.name,
        file=loaded.source.file,
        id=record.id,
        axes=tuple(record.axes),
        seeds=record.seeds,
        size=size,
        runs=runs,
        computed=sum(computed.engines.values()),
        engines=computed.engines,
        notes=tuple(computed.notes),
        summaries=tuple(summaries),
        best=best,
        choice=choice,
        expectations=tuple(expectations),
        verdict=decide_verdict(expectations, Status.INTERRUPTED if interrupted else Status.BUDGET),
        interrupted=interrupted,
        seconds=time.perf_counter() - start,
        store=str(store.path),
        stale=tuple(map(str, store.stale(record))),
        warnings=tuple(record.warnings or ()),
        fresh=computed.fresh,
    )


def _summarize_points(
    values: Sequence[Mapping[str, Any]], store: Store, sweep_id: str
) -> tuple[list[Summary], int, float]:
    """Sum up the runs of each point, count all, and return the median loss before step 0; NaN without any."""
    import numpy as np

    with store.snapshot():
        runs = store.select(sweep_id, arrays=())
        columns = [runs.column(name) for name in ("status", "verdict", "last", "steps")]
        first = runs.lowest_seeds(MAX_FIRST_LOSSES).column("first")
    known = first[np.isfinite(first)]
    return summarize(values, runs.point, *columns), len(runs), float(np.median(known)) if len(known) else math.nan


def _import(name: str, method: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise StoreError(f"{method} needs {name}; install it: pip install {name}") from error


def _judge_sweep(loaded: Loaded, summaries: Sequence[Summary], runs: int) -> list[Expectation]:
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
    return locate_expectations(expectations, loaded.source, "sweep")
