"""What a run that ended badly shows: asked afterwards, of every diagnosis that is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from playground.plugins.causes import ISOLATED
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.result import Diagnosis, Expectation, Status
from playground.runner.measuring import Measured
from playground.runner.preparing import Prepared

if TYPE_CHECKING:
    from playground.engine.evidence import Evidence

ENDED_BADLY = (Status.DIVERGED, Status.NONFINITE, Status.STALLED)
"""Statuses that are diagnosed whatever was expected."""


def asks(ready: Prepared, measured: Measured, judged: Sequence[Expectation]) -> bool:
    """Tell whether a run is to be diagnosed: it descended, and ended badly or is expected to show a mistake."""
    if measured.loss is None or measured.status in (Status.ERROR, Status.INTERRUPTED):
        return False
    bad = measured.status in ENDED_BADLY or not all(each.passed for each in judged)
    return bad or "diagnosis" in ready.loaded.scenario.expect


def diagnosed(ready: Prepared, measured: Measured, plugins: Plugins) -> tuple[Diagnosis, ...]:
    """Return what a finished run shows, in the order of the names."""
    return tuple(_found(evidence(ready, measured, plugins), plugins))


def evidence(ready: Prepared, measured: Measured, plugins: Plugins) -> Evidence:
    """Return what can be asked of a descent that is over."""
    from playground.engine.evidence import Evidence
    from playground.runner.explaining import known_operations

    problem, loss = ready.stepper.problem, measured.loss  # type: ignore[union-attr]
    return Evidence(
        problem,
        ready.bound.optimizer,
        measured.start,
        {name: tensor.detach().clone() for name, tensor in problem.parameters.items()},
        loss.first,  # type: ignore[union-attr]
        loss.last,  # type: ignore[union-attr]
        measured.steps,
        measured.status,
        known_operations(plugins),
        ready.bound.schedule,
    )


def _found(evidence: Evidence, plugins: Plugins) -> Iterator[Diagnosis]:
    for name in plugins.registry.names("diagnosis"):
        try:
            diagnoser = build(plugins.registry.get("diagnosis", name), {}, {})
            sentence = diagnoser.find(evidence)
        except ISOLATED:  # what cannot be found out costs this diagnosis, not the run
            continue
        if sentence:
            yield Diagnosis(name, sentence, diagnoser.remedy)
