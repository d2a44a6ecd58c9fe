"""What becomes of one file: a run, or what is wrong with it."""

from __future__ import annotations

import shlex
import traceback
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from playground.errors import Place, PlaygroundError
from playground.plugins.manager import LoadFailure, Plugins
from playground.result import Invalid, Run, Status, Sweep, Verdict
from playground.runner.changes import Changes, applicable, load
from playground.runner.preparing import prepared, refuse_impossible
from playground.runner.recorded import NOTHING, Recorded
from playground.runner.running import Observer, run_one
from playground.scenario.model import load_scenario

NO_CHANGES = Changes()

FAULTS = 20
"""Faults of one file that are told; nobody reads more before mending some."""


@dataclass(frozen=True)
class Answer:
    """What one file gave.

    :param run: None if it is not valid, or has a sweep.
    :param errors: what is wrong with it; empty if it ran.
    :param failures: of plugins in the process that ran it, so far.
    :param traceback: of the exception behind `errors`.
    :param sweep: of a scenario that has one.
    :param unused: options that mean nothing to its task: `--set optimizer.lr=1`.
    """

    run: Run | None = None
    errors: tuple[Invalid, ...] = ()
    failures: tuple[LoadFailure, ...] = ()
    traceback: str = ""
    sweep: Sweep | None = None
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


def answer(
    file: Path,
    changes: Changes,
    plugins: Plugins,
    observe: Observer = nullcontext,
    record: Recorded = NOTHING,
    engine: str = "auto",
    one_of_many: bool = False,
) -> Answer:
    """Run one file, or say what is wrong with it.

    :param observe: watches the descent of a single run.
    :param record: what to keep of a single run besides its result.
    :param engine: what computes the runs of a sweep.
    :param one_of_many: leave out overrides that mean nothing to its task.
    """
    unused: list[str] = []
    try:
        if one_of_many:
            changes, left_out = applicable(file, changes, plugins)
            unused = [f"--set {override}" for override in left_out]
        loaded = load(file, changes, plugins)
        if loaded.scenario.sweep is not None:
            from playground.runner.sweeping.sweep import (
                Options,
                run_sweep,
            )  # bring the store along, which few files need

            sweep = run_sweep(loaded, plugins, Options(engine=engine))
            return Answer(failures=plugins.failures, sweep=sweep, unused=tuple(unused))
        run = replace(run_one(loaded, plugins, observe, record), command=_command(file, changes, plugins))
    except PlaygroundError as error:
        return Answer(None, invalid_rows(error, file), plugins.failures, traceback.format_exc())
    return Answer(run, (), plugins.failures, run.traceback, unused=tuple(unused))


def _command(file: Path, changes: Changes, plugins: Plugins) -> str:
    """Return the command line that runs one file again."""
    named = (word for spec in plugins.recipe["specs"] for word in ("-p", spec))
    return shlex.join(["playground", *named, "run", str(file), *changes.arguments])


def lost(file: Path, changes: Changes) -> Answer:
    """Answer for a file whose process died without one; no component is touched here, since one of them killed it."""
    try:
        scenario = load_scenario(file, changes.overrides).scenario
    except PlaygroundError as error:
        return Answer(None, invalid_rows(error, file))
    seed, reason = scenario.seed if changes.seed is None else changes.seed, "the process that ran it died, twice"
    return Answer(Run(scenario.name, "", seed, Status.ERROR, Verdict.FAILED, file=str(file), reason=reason))


def check(file: Path, plugins: Plugins, changes: Changes = NO_CHANGES) -> Answer:
    """Say what is wrong with one file, without running it."""
    try:
        with prepared(load(file, changes, plugins), plugins) as ready:
            refuse_impossible(ready)
            return Answer()
    except PlaygroundError as error:
        return Answer(None, invalid_rows(error, file), traceback=traceback.format_exc())


def invalid_rows(error: PlaygroundError, file: Path) -> tuple[Invalid, ...]:
    """Return an error's faults as plain rows, the first `FAULTS` of them."""
    rows = []
    for fault in error.faults[:FAULTS]:
        place = fault.place or Place(str(file))
        where = "" if place.file == str(file) else place.file
        rows.append(Invalid(str(file), place.line, place.column, fault.message, where))
    if (more := len(error.faults) - FAULTS) > 0:
        rows.append(Invalid(str(file), 0, 0, f"and {more} more"))
    return tuple(rows)
