"""The contract of a suite of problems."""

from __future__ import annotations

import math
import statistics
from abc import ABC, abstractmethod
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from playground.errors import PlaygroundError
from playground.plugins.manager import Plugins, load_plugins
from playground.result import Run, Status
from playground.runner.comparing.suites import Suite, load_suite
from playground.runner.single.running import run_one
from playground.scenario.model import Loaded
from playground.testing.verdict import require

PROBE_STEPS = 3
"""Steps that each problem is run for."""

START_SEEDS = 3
"""Seeds whose starts are tried."""


class SuiteContract(ABC):
    """The rules for a suite: `class TestMine(SuiteContract)` with one method, `suite`."""

    plugins: ClassVar[tuple[str, ...]] = ()
    """Plugins that its scenarios use: single files, or names; installed plugins need no entry."""

    @abstractmethod
    def suite(self) -> Path:
        """Return the suite's file."""

    def test_file(self) -> None:
        """The file, its scenarios and its targets are valid."""
        found = self.suite()
        require(isinstance(found, Path), f"it returned {found!r}, not the Path of a file", "nothing loads")
        why = "`playground compare` would refuse the suite"
        try:
            suite = load_suite(found)
        except PlaygroundError as error:
            raise AssertionError(f"{error}\n  why it matters: {why}") from error
        require(bool(suite.families), "no problem counts in a verdict", why)

    def test_first_targets(self) -> None:
        """Starts of problems that count lie above the first target, by the median of a few seeds."""
        why = "every optimizer would reach the target at once"
        problems = self._load().problems
        for name, problem in ((name, each) for name, each in problems.items() if each.entry.headline):
            firsts = [self._run(problem.loaded, seed).trace for seed in range(START_SEEDS)]
            first = statistics.median(trace.full[0] if trace else math.nan for trace in firsts)
            target = problem.least + problem.targets[0]
            require(first > target, f"problem {name!r} starts at {first:g}, and its first target is {target:g}", why)

    def test_problems_run(self) -> None:
        """Every problem makes its first steps."""
        for name, problem in self._load().problems.items():
            run = self._run(problem.loaded)
            good = run.status not in (Status.ERROR, Status.NONFINITE)
            require(good, f"problem {name!r} ends as {run.status}: {run.reason}", "it would fail for every optimizer")

    def _load(self) -> Suite:
        return load_suite(self.suite())

    def _run(self, loaded: Loaded, seed: int = 0) -> Run:
        steps = min(PROBE_STEPS, loaded.scenario.steps)
        short = loaded.scenario.model_copy(update={"steps": steps, "trace_loss": "all_data", "seed": seed})
        return run_one(Loaded(short, loaded.source), self._plugins())

    def _plugins(self) -> Plugins:
        return _load_plugins(self.plugins)


@lru_cache
def _load_plugins(specs: tuple[str, ...]) -> Plugins:
    return load_plugins(specs=specs)
