"""One scenario as one test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playground.plugins.manager import Plugins
    from playground.result import Run, Sweep

PLUGINS = pytest.StashKey["Plugins"]()
"""Where a session keeps the plugins that it has loaded."""


class VacuousExpectationWarning(pytest.PytestWarning):
    """An expectation held before the first step, so it shows nothing."""


class FailedScenarioError(Exception):
    """A scenario did not do what it expects, or is not valid; its text is the whole report."""


class ScenarioFile(pytest.File):
    """A YAML file, which is one test."""

    def collect(self) -> Iterator[ScenarioItem]:
        """Yield the one test; the file is not read before that runs."""
        yield ScenarioItem.from_parent(self, name=self.path.stem)


class ScenarioItem(pytest.Item):
    """Runs a scenario, its sweep included, and fails with what it expected and what was measured."""

    def runtest(self) -> None:
        """Run and judge.

        :raises FailedScenarioError: an expectation failed, a run went wrong, or the file is not valid.
        """
        from playground.errors import PlaygroundError

        try:
            result = _result(self.path, self._plugins())
        except PlaygroundError as error:
            raise FailedScenarioError("\n".join(self._shortened(str(fault)) for fault in error.faults)) from error
        if _interrupted(result):
            raise KeyboardInterrupt
        place = self._shortened(str(self.path))
        for expectation in result.expectations:
            if expectation.vacuous:
                text = f"{place}:{expectation.line}: vacuous: {expectation.what}: {expectation.note}"
                self.warn(VacuousExpectationWarning(text))
        if result.verdict == "failed":
            raise FailedScenarioError("\n".join(told(result, place)))

    def _plugins(self) -> Plugins:
        """Return the plugins that the session shares, and tell in the report which of them failed."""
        from playground.plugins.manager import load_plugins

        stash = self.config.stash
        if PLUGINS not in stash:
            stash[PLUGINS] = load_plugins(folder=self.config.rootpath)
        plugins = stash[PLUGINS]
        if plugins.failures:
            self.add_report_section("call", "plugins", "\n".join(f"plugin {each}" for each in plugins.failures))
        return plugins

    def _shortened(self, text: str) -> str:
        """Return text with this scenario's file as it looks from where pytest was called."""
        return text.replace(str(self.path), self._relative())

    def _relative(self) -> str:
        folder = self.config.invocation_params.dir
        return str(self.path.relative_to(folder)) if self.path.is_relative_to(folder) else str(self.path)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the report alone where it says everything; a traceback for any other exception."""
        if isinstance(excinfo.value, FailedScenarioError | VacuousExpectationWarning):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return file, line from 0, and heading."""
        return self.path, 0, f"scenario {self.name}"


def _result(path: Path, plugins: Plugins) -> Run | Sweep:
    """Run a scenario, or all of its sweep.

    A sweep's store is thrown away: a test must not pass because it once did.

    :raises PlaygroundError: it is not valid.
    """
    from playground.runner.loading.overrides import Changes, load_with_changes
    from playground.runner.single.running import run_one

    loaded = load_with_changes(path, Changes(), plugins)
    if loaded.scenario.sweep is None:
        return run_one(loaded, plugins)
    from playground.runner.sweeping.sweep import run_sweep

    with tempfile.TemporaryDirectory() as folder:
        return run_sweep(loaded, plugins, folder=Path(folder))


def _interrupted(result: Run | Sweep) -> bool:
    return bool(getattr(result, "interrupted", False)) or getattr(result, "status", "") == "interrupted"


def told(result: Run | Sweep, place: str) -> Iterator[str]:
    """Yield each failed expectation with what was measured, its place and reason, and then how it all ended.

    :param place: the scenario's file, as it is to be shown.
    """
    from playground.figures.numbers import short
    from playground.result import Run

    for expectation in result.expectations:
        if not expectation.passed:
            where = f"{place}:{expectation.line}" if expectation.line else place
            yield f"{where}: {expectation.what}, measured {short(expectation.value, 6)}"
            if expectation.note:
                yield f"    {expectation.note}"
    if isinstance(result, Run):
        yield from result.ending
        if result.loss:
            yield f"loss {short(result.loss.first)} -> {short(result.loss.last)}, seed {result.seed}"
        if result.traceback:
            yield result.traceback.rstrip()
    else:
        yield f"{result.runs} of {result.size} runs"
        yield from result.notes
