"""The pytest item that runs one scenario."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playground.plugin_api import Plugins, Run, Sweep

PLUGINS = pytest.StashKey["Plugins"]()
"""The key of a session's loaded plugins."""


class VacuousExpectationWarning(pytest.PytestWarning):
    """An expectation holds before the first step, so it tests nothing."""


class FailedScenarioError(Exception):
    """A scenario failed or is not valid; the message is the whole report."""


class ScenarioFile(pytest.File):
    """A YAML file with one test."""

    def collect(self) -> Iterator[ScenarioItem]:
        """Yield the test; the file is read when the test runs."""
        yield ScenarioItem.from_parent(self, name=self.path.stem)


class ScenarioItem(pytest.Item):
    """Runs a scenario or its sweep, and reports failed expectations with the measured values."""

    def runtest(self) -> None:
        """Run the scenario.

        :raises FailedScenarioError: an expectation failed, the run ended badly, or the file is not valid.
        """
        from playground.plugin_api import PlaygroundError

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
            raise FailedScenarioError("\n".join(describe_failure(result, place)))

    def _plugins(self) -> Plugins:
        """Return the plugins that the session shares, and add those that failed to load to the report."""
        from playground.plugin_api import load_plugins

        stash = self.config.stash
        if PLUGINS not in stash:
            stash[PLUGINS] = load_plugins(folder=self.config.rootpath)
        plugins = stash[PLUGINS]
        if plugins.failures:
            self.add_report_section("call", "plugins", "\n".join(f"plugin {each}" for each in plugins.failures))
        return plugins

    def _shortened(self, text: str) -> str:
        """Return text with this scenario's path relative to the folder in which pytest was called."""
        return text.replace(str(self.path), self._relative())

    def _relative(self) -> str:
        folder = self.config.invocation_params.dir
        return str(self.path.relative_to(folder)) if self.path.is_relative_to(folder) else str(self.path)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the message of a failed scenario without a traceback; other exceptions keep theirs."""
        if isinstance(excinfo.value, FailedScenarioError | VacuousExpectationWarning):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the file, the line counted from 0, and the heading."""
        return self.path, 0, f"scenario {self.name}"


def _result(path: Path, plugins: Plugins) -> Run | Sweep:
    """Run a scenario or its sweep.

    A sweep uses a temporary store, so that a test cannot pass because of earlier results.

    :raises PlaygroundError: the scenario is not valid.
    """
    import playground

    loaded = playground.load_scenario(path, plugins=plugins)
    if loaded.scenario.sweep is None:
        return playground.run(loaded, plugins=plugins)
    with tempfile.TemporaryDirectory() as folder:
        return playground.sweep(loaded, plugins=plugins, folder=folder)


def _interrupted(result: Run | Sweep) -> bool:
    return bool(getattr(result, "interrupted", False)) or getattr(result, "status", "") == "interrupted"


def describe_failure(result: Run | Sweep, place: str) -> Iterator[str]:
    """Yield each failed expectation with its place, the measured value and a note, and then how the run ended.

    :param place: the scenario's file, as the report shows it.
    """
    from playground.plugin_api import Run, format_short

    for expectation in result.expectations:
        if not expectation.passed:
            where = f"{place}:{expectation.line}" if expectation.line else place
            yield f"{where}: {expectation.what}, measured {format_short(expectation.value, 6)}"
            if expectation.note:
                yield f"    {expectation.note}"
    if isinstance(result, Run):
        yield from result.ending
        if result.loss:
            yield f"loss {format_short(result.loss.first)} -> {format_short(result.loss.last)}, seed {result.seed}"
        if result.traceback:
            yield result.traceback.rstrip()
    else:
        yield f"{result.runs} of {result.size} runs"
        yield from result.notes
