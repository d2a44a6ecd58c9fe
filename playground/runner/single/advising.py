"""Warns of likely mistakes in valid scenarios."""

from __future__ import annotations

from contextlib import suppress

from playground.errors import Fault
from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.runner.single.prepared import Prepared, PreparedDescent


def advise(ready: Prepared) -> tuple[str, ...]:
    """Return one-line warnings about a prepared scenario, each with its place; the scenario is not changed."""
    found = ""
    if isinstance(ready, PreparedDescent):
        problem = ready.problem
        was_training = problem.module.training
        with suppress(*ISOLATED_EXCEPTIONS):  # no warning if the check itself fails
            problem.module.eval()
            found = ready.task.advise(problem)
        problem.module.train(was_training)
    if not found:
        return ()
    placed = ready.loaded.source.add_place(Fault(found, ("model",)))
    return (f"{placed.place}: warning: {found}" if placed.place else f"warning: {found}",)
