"""What becomes of one file: a run, or what is wrong with it."""

from __future__ import annotations

import shlex
import traceback
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from playground.errors import Place, PlaygroundError
from playground.plugins.manager import LoadFailure, Plugins
from playground.result import Run, ScenarioFault, Status, Sweep, Verdict
from playground.runner.loading.overrides import Changes, drop_foreign_overrides, load_with_changes
from playground.runner.single.advising import advise
from playground.runner.single.memory import limit_memory
from playground.runner.single.preparing import prepare, refuse_impossible
from playground.runner.single.record_options import RECORD_NOTHING, RecordOptions
from playground.runner.single.running import Observer, run_one
from playground.scenario.model import load_scenario

NO_CHANGES = Changes()

MAX_LISTED_FAULTS = 20
"""Faults of one file that are told; nobody reads more before mending some."""


@dataclass(frozen=True)
class FileResult:
    """What one file gave.

    :param run: None if it is not valid, or has a sweep.
    :param errors: what is wrong with it; empty if it ran.
    :param failures: of plugins in the process that ran it, so far.
    :param traceback: of the exception behind `errors`.
    :param sweep: of a scenario that has one.
    :param warnings: of a scenario that was only checked; a run has its own.
    :param unused: options that mean nothing to its task: `--set optimizer.lr=1`.
    """

    run: Run | None = None
    errors: tuple[ScenarioFault, ...] = ()
    failures: tuple[LoadFailure, ...] = ()
    traceback: str = ""
    sweep: Sweep | None = None
    warnings: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the file is valid and nothing it expects has failed."""
        told = self.run or self.sweep
        return told is not None and told.verdict is not Verdict.FAILED

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return bool(self.run and self.run.status is Status.INTERRUPTED) or bool(self.sweep and self.sweep.interrupted)


def run_file(
    file: Path,
    changes: Changes,
    plugins: Plugins,
    observe: Observer = nullcontext,
    record: RecordOptions = RECORD_NOTHING,
    engine: str = "auto",
    one_of_many: bool = False,
) -> FileResult:
    """Run one file, or say what is wrong with it.

    :param changes: to the scenario, and how much memory it may take.
    :param observe: watches the descent of a single run.
    :param record: what to keep of a single run besides its result.
    :param engine: what computes the runs of a sweep.
    :param one_of_many: leave out overrides that mean nothing to its task.
    """
    unused: list[str] = []
    try:
        with limit_memory(changes.memory):
            if one_of_many:
                changes, left_out = drop_foreign_overrides(file, changes, plugins)
                unused = [f"--set {override}" for override in left_out]
            loaded = load_with_changes(file, changes, plugins)
            if loaded.scenario.sweep is not None:
                from playground.runner.sweeping.sweep import (
                    SweepOptions,
                    run_sweep,
                )  # bring the store along, which few files need

                sweep = run_sweep(loaded, plugins, SweepOptions(engine=engine))
                return FileResult(failures=plugins.failures, sweep=sweep, unused=tuple(unused))
            run = replace(run_one(loaded, plugins, observe, record), command=_rerun_command(file, changes, plugins))
    except PlaygroundError as error:
        return FileResult(None, fault_rows(error, file), plugins.failures, traceback.format_exc())
    return FileResult(run, (), plugins.failures, run.traceback, unused=tuple(unused))


def _rerun_command(file: Path, changes: Changes, plugins: Plugins) -> str:
    """Return the command line that runs one file again."""
    named = (word for spec in plugins.recipe["specs"] for word in ("-p", spec))
    return shlex.join(["playground", *named, "run", str(file), *changes.arguments])


def lost_file_result(file: Path, changes: Changes) -> FileResult:
    """Answer for a file whose process died without one; no component is touched here, since one of them killed it."""
    try:
        scenario = load_scenario(file, changes.overrides).scenario
    except PlaygroundError as error:
        return FileResult(None, fault_rows(error, file))
    seed, reason = scenario.seed if changes.seed is None else changes.seed, "the process that ran it died, twice"
    return FileResult(Run(scenario.name, "", seed, Status.ERROR, Verdict.FAILED, file=str(file), reason=reason))


def check_file(file: Path, plugins: Plugins, changes: Changes = NO_CHANGES) -> FileResult:
    """Say what is wrong with one file, without running it."""
    try:
        with limit_memory(changes.memory), prepare(load_with_changes(file, changes, plugins), plugins) as ready:
            refuse_impossible(ready)
            return FileResult(warnings=advise(ready))
    except PlaygroundError as error:
        return FileResult(None, fault_rows(error, file), traceback=traceback.format_exc())


def fault_rows(error: PlaygroundError, file: Path) -> tuple[ScenarioFault, ...]:
    """Return an error's faults as plain rows, the first `FAULTS` of them."""
    rows = []
    for fault in error.faults[:MAX_LISTED_FAULTS]:
        place = fault.place or Place(str(file))
        where = "" if place.file == str(file) else place.file
        rows.append(ScenarioFault(str(file), place.line, place.column, fault.message, where))
    if (more := len(error.faults) - MAX_LISTED_FAULTS) > 0:
        rows.append(ScenarioFault(str(file), 0, 0, f"and {more} more"))
    return tuple(rows)
