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
from playground.runner.advising import advise
from playground.runner.changes import Changes, load
from playground.runner.preparing import prepared
from playground.runner.recorded import NOTHING, Recorded
from playground.runner.running import Observer, run_one
from playground.scenario.model import load_scenario

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
    :param warnings: of a scenario that was only checked; a run has its own.
    """

    run: Run | None = None
    errors: tuple[Invalid, ...] = ()
    failures: tuple[LoadFailure, ...] = ()
    traceback: str = ""
    sweep: Sweep | None = None
    warnings: tuple[str, ...] = ()

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
) -> Answer:
    """Run one file, or say what is wrong with it.

    :param observe: watches the descent of a single run.
    :param record: what to keep of a single run besides its result.
    :param engine: what computes the runs of a sweep.
    """
    try:
        loaded = load(file, changes, plugins)
        if loaded.scenario.sweep is not None:
            from playground.runner.sweeping.sweep import (
                Options,
                run_sweep,
            )  # bring the store along, which few files need

            sweep = run_sweep(loaded, plugins, Options(engine=engine))
            return Answer(failures=plugins.failures, sweep=sweep)
        run = replace(run_one(loaded, plugins, observe, record), command=_command(file, changes, plugins))
    except PlaygroundError as error:
        return Answer(None, _invalid(error, file), plugins.failures, traceback.format_exc())
    return Answer(run, (), plugins.failures, run.traceback)


def _command(file: Path, changes: Changes, plugins: Plugins) -> str:
    """Return the command line that runs one file again."""
    named = (word for spec in plugins.recipe["specs"] for word in ("-p", spec))
    return shlex.join(["playground", *named, "run", str(file), *changes.arguments])


def lost(file: Path, changes: Changes) -> Answer:
    """Answer for a file whose process died without one; no component is touched here, since one of them killed it."""
    try:
        scenario = load_scenario(file, changes.overrides).scenario
    except PlaygroundError as error:
        return Answer(None, _invalid(error, file))
    seed, reason = scenario.seed if changes.seed is None else changes.seed, "the process that ran it died, twice"
    return Answer(Run(scenario.name, "", seed, Status.ERROR, Verdict.FAILED, file=str(file), reason=reason))


def check(file: Path, plugins: Plugins) -> Answer:
    """Say what is wrong with one file, without running it."""
    try:
        with prepared(load_scenario(file), plugins) as ready:
            return Answer(warnings=advise(ready))
    except PlaygroundError as error:
        return Answer(None, _invalid(error, file), traceback=traceback.format_exc())


def _invalid(error: PlaygroundError, file: Path) -> tuple[Invalid, ...]:
    """Return an error's faults as plain rows, the first `FAULTS` of them."""
    rows = []
    for fault in error.faults[:FAULTS]:
        place = fault.place or Place(str(file))
        where = "" if place.file == str(file) else place.file
        rows.append(Invalid(str(file), place.line, place.column, fault.message, where))
    if (more := len(error.faults) - FAULTS) > 0:
        rows.append(Invalid(str(file), 0, 0, f"and {more} more"))
    return tuple(rows)
