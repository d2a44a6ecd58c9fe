"""The runs of one optimizer on one problem, computed as its studies ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playground.plugins.manager import Plugins
from playground.runner.comparing.contestants import Contestant
from playground.runner.comparing.protocol import Request, next_requests
from playground.runner.comparing.run_scores import DEFAULT_PENALTY, RunScores, score_runs
from playground.runner.comparing.search_spaces import Setting
from playground.runner.comparing.suites import SuiteProblem
from playground.runner.store import RunColumns
from playground.runner.sweeping.chunk import compute_chunk
from playground.runner.sweeping.engines import ENGINES
from playground.runner.sweeping.plan import Chunk, ChunkResult, Members, digest, group_families, make_chunk
from playground.runner.sweeping.prepared_cache import PreparedCache
from playground.scenario.grid import GridPoint
from playground.scenario.model import ComponentRef, Loaded, Stop

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIE_WEIGHT = 1e-9
"""How much a decade of progress counts beside a doubling of evaluations: only where these are equal."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An optimizer and a problem.

    :param key: identifies its runs: the scenario, the sources of its components, and versions.
    """

    contestant: Contestant
    problem: SuiteProblem
    key: str = ""

    def setting_key(self, setting: Setting) -> str:
        """Return what the keys of the runs of a setting begin with."""
        return f"{self.key}-{digest(setting)}"

    def with_setting(self, setting: Setting) -> Loaded:
        """Return the scenario with this optimizer at some setting.

        It uses its whole budget, and its trace has the loss over all data: noise of mini-batches is no progress.
        """
        scenario = self.problem.scenario
        optimizer = ComponentRef(name=self.contestant.name, parameters={**self.contestant.fixed, **dict(setting)})
        components = {**scenario.components, "optimizer": optimizer}
        changes = {"components": components, "trace_loss": "all_data", "stop": Stop(), "expect": {}}
        return Loaded(scenario.model_copy(update=changes), self.problem.loaded.source)


@dataclass(eq=False)
class PairRuns:
    """Finished runs of a pair, by setting and seed.

    :param problem: defines the scores.
    :param settings: those that occur; a run's point is an index in it.
    """

    problem: SuiteProblem
    settings: list[Setting] = field(default_factory=list)
    tables: list[RunColumns] = field(default_factory=list)
    scores: list[RunScores] = field(default_factory=list)
    _places: dict[Request, tuple[int, int]] = field(default_factory=dict)
    _ranks: dict[Request, float] = field(default_factory=dict)

    def add(self, table: RunColumns) -> None:
        """Add finished runs; those whose process died are left out."""
        if table.lost:
            return
        problem, number = self.problem, len(self.tables)
        scores = score_runs(table, problem.least, problem.targets, problem.scenario.steps)
        self.tables.append(table)
        self.scores.append(scores)
        members = zip(table.point.tolist(), table.seed.tolist(), _rank_runs(scores), strict=True)
        for row, (point, seed, rank) in enumerate(members):
            request = self.settings[point], seed
            self._places[request], self._ranks[request] = (number, row), rank

    def copy(self) -> PairRuns:
        """Return the same runs, to which others can be added."""
        columns = [*self.settings], [*self.tables], [*self.scores]
        return PairRuns(self.problem, *columns, {**self._places}, {**self._ranks})

    def number(self, setting: Setting) -> int:
        """Return the index of a setting; a new one is appended."""
        if setting not in self.settings:
            self.settings.append(setting)
        return self.settings.index(setting)

    def has(self, setting: Setting, seed: int) -> bool:
        """Tell whether a run is there."""
        return (setting, seed) in self._places

    def read(self, setting: Setting, seeds: Iterable[int], score: Callable[[RunScores], NDArray[Any]]) -> NDArray[Any]:
        """Return a score of some runs.

        :param score: returns an array with one entry for each run.
        """
        import numpy as np

        places = [self._places[setting, seed] for seed in seeds]
        return np.array([score(self.scores[table])[row] for table, row in places])

    def locate(self, requests: Iterable[Request]) -> Iterator[tuple[RunColumns, RunScores, list[int]]]:
        """Yield the tables that hold some runs, with their scores and the rows of these runs."""
        rows: dict[int, list[int]] = {}
        for request in requests:
            table, row = self._places[request]
            rows.setdefault(table, []).append(row)
        for table, mine in rows.items():
            yield self.tables[table], self.scores[table], mine

    def rank(self, setting: Setting, seeds: Iterable[int]) -> float:
        """Return what settings are ranked by: the mean over some seeds."""
        found = [self._ranks[setting, seed] for seed in seeds]
        return sum(found) / len(found)


def _rank_runs(scores: RunScores) -> list[float]:
    """Return what runs are ranked by: the score and, if that is equal, the progress.

    Without targets, as long as they are not frozen: the final loss.
    """
    import numpy as np

    if not scores.evaluations:
        losses = scores.losses[:, -1]
        return list(np.where(np.isnan(losses), np.inf, losses).tolist())
    return list((scores.evaluations[DEFAULT_PENALTY] + TIE_WEIGHT * scores.progress).tolist())


def compute_studies(pair: Pair, runs: PairRuns, studies: Sequence[int], cache: PreparedCache) -> Iterator[ChunkResult]:
    """Compute the runs that some studies need and that are not there; `runs` receives them.

    :raises PlaygroundError: the optimizer cannot be built for this problem.
    """
    space = pair.contestant.space
    while requests := next_requests(pair.problem.name, studies, space, runs):
        before = len(runs.tables)
        for chunk in _make_chunks(pair, runs, requests, cache.plugins):
            for result in compute_chunk(chunk, cache):
                for table in result.tables:
                    runs.add(table)
                yield result
                if result.interrupted:
                    return
        if len(runs.tables) == before:  # their process died each time
            return


def _make_chunks(pair: Pair, runs: PairRuns, requests: Sequence[Request], plugins: Plugins) -> Iterator[Chunk]:
    """Yield the chunks of some runs: those of one family together.

    The first setting of all tells which family is that of earlier chunks, for which everything is prepared.
    """
    numbers = {setting: runs.number(setting) for setting, _ in requests}
    loaded = {number: pair.with_setting(runs.settings[number]) for number in sorted({0, *numbers.values()})}
    points = [GridPoint(number, {}, each.scenario, each.source) for number, each in loaded.items()]
    keys = {number: pair.setting_key(runs.settings[number]) for number in loaded}
    for family in group_families(points, plugins):
        mine = {point.index for point in family}
        members = [(numbers[setting], seed) for setting, seed in requests if numbers[setting] in mine]
        if members:
            yield make_chunk(family, keys, Members.of(members), ENGINES[0].name)
