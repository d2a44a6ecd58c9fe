"""What is valid but likely to be a mistake, in one line each."""

from __future__ import annotations

from contextlib import suppress

from playground.errors import Fault
from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.runner.single.prepared import Prepared, PreparedDescent


def advise(ready: Prepared) -> tuple[str, ...]:
    """Return warnings about a prepared scenario, each with its place; the scenario stays as it is."""
    found = ""
    if isinstance(ready, PreparedDescent):
        problem = ready.problem
        was_training = problem.module.training
        with suppress(*ISOLATED_EXCEPTIONS):  # what cannot be found out is not worth a run
            problem.module.eval()
            found = ready.task.advise(problem)
        problem.module.train(was_training)
    if not found:
        return ()
    placed = ready.loaded.source.placed(Fault(found, ("model",)))
    return (f"{placed.place}: warning: {found}" if placed.place else f"warning: {found}",)
