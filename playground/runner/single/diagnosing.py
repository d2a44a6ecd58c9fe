"""What a run that ended badly shows: asked afterwards, of every diagnosis that is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.result import Diagnosis, Expectation, Status
from playground.runner.single.measuring import Measurement
from playground.runner.single.prepared import Prepared, PreparedDescent
from playground.runner.single.preparing import scenario_clip

if TYPE_CHECKING:
    from playground.core.evidence import Diagnoser, Evidence

DIAGNOSED_STATUSES = (Status.DIVERGED, Status.NONFINITE, Status.STALLED)
"""Statuses that are diagnosed whatever was expected."""


def needs_diagnosis(ready: Prepared, measured: Measurement, judged: Sequence[Expectation]) -> bool:
    """Tell whether a run is to be diagnosed: it came to an end that is bad, or is expected to show a mistake."""
    if measured.status in (Status.ERROR, Status.INTERRUPTED):
        return False
    bad = measured.status in DIAGNOSED_STATUSES or not all(each.passed for each in judged)
    return bad or "diagnosis" in ready.loaded.scenario.expect


def find_diagnoses(evidence: Evidence, plugins: Plugins) -> tuple[Diagnosis, ...]:
    """Return what a finished run shows, in the order of the names.

    The causes of everything else are looked for first; where one is found, nothing is said of what may be its effect.
    """
    built = dict(_build_diagnosers(plugins))
    found: dict[str, Diagnosis] = {}
    for level in sorted({each.level for each in built.values() if each.level is not None}):
        found |= _run_diagnosers(evidence, {name: each for name, each in built.items() if each.level == level})
        if found:
            break
    found |= _run_diagnosers(evidence, {name: each for name, each in built.items() if each.level is None})
    return tuple(found[name] for name in sorted(found))


def gather_evidence(ready: Prepared, measured: Measurement, plugins: Plugins) -> Evidence | None:
    """Return what can be asked of a descent that is over; None where nothing descended."""
    from playground.core.evidence import Evidence
    from playground.runner.explaining.step import known_operations

    loss = measured.loss
    if not isinstance(ready, PreparedDescent) or loss is None:
        return None
    problem = ready.problem
    return Evidence(
        problem,
        ready.bound.optimizer,
        measured.start,
        {name: tensor.detach().clone() for name, tensor in problem.parameters.items()},
        loss.first,
        loss.last,
        measured.steps,
        measured.status,
        known_operations(plugins),
        ready.bound.schedule,
        scenario_clip(ready.loaded.scenario),
        measured.trace.loss,
        ready.loaded.scenario.steps,
        partial(ready.task.measure, problem),
    )


def describe_nonfinite_source(evidence: Evidence) -> str:
    """Say which operation made the first number that is not finite; nothing of a run that stayed finite."""
    if evidence.status is Status.NONFINITE:
        with suppress(*ISOLATED_EXCEPTIONS):  # what cannot be found out costs this sentence, not the run
            return str(evidence.rerun.breakdown or "")
    return ""


def _build_diagnosers(plugins: Plugins) -> Iterator[tuple[str, Diagnoser]]:
    for name in plugins.registry.names("diagnosis"):
        with suppress(*ISOLATED_EXCEPTIONS):  # what cannot be built costs this diagnosis, not the run
            yield name, build(plugins.registry.get("diagnosis", name), {}, {})


def _run_diagnosers(evidence: Evidence, diagnosers: Mapping[str, Diagnoser]) -> dict[str, Diagnosis]:
    found = {}
    for name, diagnoser in diagnosers.items():
        with suppress(*ISOLATED_EXCEPTIONS):  # what cannot be found out costs this diagnosis, not the run
            if sentence := diagnoser.find(evidence):
                found[name] = Diagnosis(name, sentence, diagnoser.remedy)
    return found
