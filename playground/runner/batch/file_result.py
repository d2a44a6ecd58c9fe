"""Runs or checks one scenario file, and returns a run, a sweep or the errors of the file."""

from __future__ import annotations

import shlex
import traceback
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

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
from playground.scenario.source import load_source
from playground.scenario.suite import is_suite

if TYPE_CHECKING:
    from playground.comparison import Comparison

NO_CHANGES = Changes()

MAX_LISTED_FAULTS = 20
"""Maximum number of faults that are listed for one file."""


@dataclass(frozen=True)
class FileResult:
    """The result of one file.

    :param run: the run; None if the file is not valid or has a sweep.
    :param errors: the faults of the file; empty if it ran.
    :param failures: plugins that failed so far in the process that ran the file.
    :param traceback: of the exception behind `errors`.
    :param sweep: the result of a scenario with a sweep.
    :param warnings: for a scenario that was only checked; a run has its own warnings.
    :param unused: options that the task does not take, such as `--set optimizer.lr=1`.
    :param comparison: the result of a suite that has a comparison.
    """

    run: Run | None = None
    errors: tuple[ScenarioFault, ...] = ()
    failures: tuple[LoadFailure, ...] = ()
    traceback: str = ""
    sweep: Sweep | None = None
    warnings: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    comparison: Comparison | None = None

    @property
    def passed(self) -> bool:
        """Whether the file is valid and no expectation failed."""
        result = self.run or self.sweep or self.comparison
        return result is not None and result.verdict is not Verdict.FAILED

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the run or the sweep."""
        ended = self.run is not None and self.run.status is Status.INTERRUPTED
        return ended or any(each is not None and each.interrupted for each in (self.sweep, self.comparison))


def run_file(
    file: Path,
    changes: Changes,
    plugins: Plugins,
    observe: Observer = nullcontext,
    record: RecordOptions = RECORD_NOTHING,
    engine: str = "auto",
    one_of_many: bool = False,
) -> FileResult:
    """Run one file, or return its faults.

    :param changes: changes to the scenario, and the memory limit.
    :param observe: watches the descent of a single run.
    :param record: what to keep of a single run besides its result.
    :param engine: the engine for the runs of a sweep.
    :param one_of_many: drop overrides that the task does not take.
    """
    unused: list[str] = []
    try:
        with limit_memory(changes.memory):
            if is_suite(load_source(file)):
                from playground.runner.comparing.judged_file import compare_file

                return FileResult(failures=plugins.failures, comparison=compare_file(file, plugins))
            if one_of_many:
                changes, left_out = drop_foreign_overrides(file, changes, plugins)
                unused = [f"--set {override}" for override in left_out]
            loaded = load_with_changes(file, changes, plugins)
            if loaded.scenario.sweep is not None:
                # Imported here because it imports the store, which few files need.
                from playground.runner.sweeping.example import add_example
                from playground.runner.sweeping.sweep import SweepOptions, run_sweep

                swept = run_sweep(loaded, plugins, SweepOptions(engine=engine))
                sweep = add_example(swept, loaded, plugins, record)
                return FileResult(failures=plugins.failures, sweep=sweep, unused=tuple(unused))
            run = replace(
                run_one(loaded, plugins, observe, record), command=write_rerun_command(file, changes, plugins)
            )
    except PlaygroundError as error:
        return FileResult(None, fault_rows(error, file), plugins.failures, traceback.format_exc())
    return FileResult(run, (), plugins.failures, run.traceback, unused=tuple(unused))


def write_rerun_command(file: Path, changes: Changes, plugins: Plugins) -> str:
    """Return the command line that runs one file again."""
    named = (word for spec in plugins.recipe["specs"] for word in ("-p", spec))
    return shlex.join(["playground", *named, "run", str(file), *changes.arguments])


def lost_file_result(file: Path, changes: Changes) -> FileResult:
    """Return the result of a file whose process died. No component is loaded here, because one of them killed it."""
    try:
        scenario = load_scenario(file, changes.overrides).scenario
    except PlaygroundError as error:
        return FileResult(None, fault_rows(error, file))
    seed, reason = scenario.seed if changes.seed is None else changes.seed, "the process that ran it died, twice"
    return FileResult(
        Run(
            scenario=scenario.name,
            id="",
            seed=seed,
            status=Status.ERROR,
            verdict=Verdict.FAILED,
            file=str(file),
            reason=reason,
        )
    )


def check_file(file: Path, plugins: Plugins, changes: Changes = NO_CHANGES) -> FileResult:
    """Check one file without running it."""
    try:
        if is_suite(load_source(file)):
            from playground.runner.comparing.judged_file import check_suite_file

            check_suite_file(file, plugins)
            return FileResult()
        with limit_memory(changes.memory), prepare(load_with_changes(file, changes, plugins), plugins) as ready:
            refuse_impossible(ready)
            return FileResult(warnings=advise(ready))
    except PlaygroundError as error:
        return FileResult(None, fault_rows(error, file), traceback=traceback.format_exc())


def fault_rows(error: PlaygroundError, file: Path) -> tuple[ScenarioFault, ...]:
    """Return an error's faults as plain rows, at most `MAX_LISTED_FAULTS` of them."""
    rows = []
    for fault in error.faults[:MAX_LISTED_FAULTS]:
        place = fault.place or Place(str(file))
        where = "" if place.file == str(file) else place.file
        rows.append(ScenarioFault(str(file), place.line, place.column, fault.message, where))
    if (more := len(error.faults) - MAX_LISTED_FAULTS) > 0:
        rows.append(ScenarioFault(str(file), 0, 0, f"and {more} more"))
    return tuple(rows)
