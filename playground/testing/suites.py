"""The contract of a suite of problems."""

from __future__ import annotations

from abc import ABC, abstractmethod
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

    def test_least_losses(self) -> None:
        """No problem starts at its least loss, or below it."""
        why = "every optimizer would reach its targets at once"
        for name, problem in self._load().problems.items():
            run = self._run(problem.loaded)
            first = run.loss.first if run.loss else float("nan")
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

    def _run(self, loaded: Loaded) -> Run:
        short = loaded.scenario.model_copy(update={"steps": min(PROBE_STEPS, loaded.scenario.steps)})
        return run_one(Loaded(short, loaded.source), self._plugins())

    def _plugins(self) -> Plugins:
        return load_plugins(specs=self.plugins)
