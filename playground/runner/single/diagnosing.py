"""Diagnoses a run that ended badly, with every installed diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.plugins.manager import Plugins
from playground.result import Diagnosis, Expectation, Status
from playground.runner.diagnosing_by_level import ask_by_level
from playground.runner.single.measuring import Measurement
from playground.runner.single.prepared import Prepared, PreparedDescent
from playground.runner.single.preparing import scenario_clip

if TYPE_CHECKING:
    from playground.core.evidence import Diagnoser, Evidence

DIAGNOSED_STATUSES = (Status.DIVERGED, Status.NONFINITE, Status.STALLED)
"""Statuses that are diagnosed even if all expectations hold."""


def needs_diagnosis(ready: Prepared, measured: Measurement, judged: Sequence[Expectation]) -> bool:
    """Tell whether to diagnose a run: it ended badly, or the scenario expects a diagnosis."""
    if measured.status in (Status.ERROR, Status.INTERRUPTED):
        return False
    bad = measured.status in DIAGNOSED_STATUSES or not all(each.passed for each in judged)
    return bad or "diagnosis" in ready.loaded.scenario.expect


def find_diagnoses(evidence: Evidence, plugins: Plugins) -> tuple[Diagnosis, ...]:
    """Return the diagnoses of a finished run, sorted by name; see `ask_by_level`."""

    def ask(name: str, diagnoser: Diagnoser) -> Diagnosis | None:
        sentence = diagnoser.find(evidence)
        return Diagnosis(name, sentence, diagnoser.remedy) if sentence else None

    return ask_by_level(plugins, "diagnosis", ask)


def gather_evidence(ready: Prepared, measured: Measurement, plugins: Plugins) -> Evidence | None:
    """Return the evidence of a finished descent; None if nothing descended."""
    from playground.core.evidence import Evidence
    from playground.runner.explaining.step import known_operations

    loss = measured.loss
    if not isinstance(ready, PreparedDescent) or loss is None:
        return None
    problem = ready.problem
    return Evidence(
        problem=problem,
        optimizer=ready.bound.optimizer,
        start=measured.start,
        final={name: tensor.detach().clone() for name, tensor in problem.parameters.items()},
        first=loss.first,
        last=loss.last,
        steps=measured.steps,
        status=measured.status,
        operations=known_operations(plugins),
        schedule=ready.bound.schedule,
        clip=scenario_clip(ready.loaded.scenario),
        losses=measured.trace.loss,
        budget=ready.loaded.scenario.steps,
        measure=partial(ready.task.measure, problem),
    )


def describe_nonfinite_source(evidence: Evidence) -> str:
    """Return which operation made the first non-finite number; empty if the run stayed finite."""
    if evidence.status is Status.NONFINITE:
        with suppress(*ISOLATED_EXCEPTIONS):  # a failed search costs this sentence, not the run
            return str(evidence.rerun.breakdown or "")
    return ""
