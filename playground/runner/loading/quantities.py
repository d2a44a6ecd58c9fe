"""Checks expectations against what a scenario can measure, before the run."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from playground.errors import Fault, ScenarioError, suggest_names
from playground.result import Status
from playground.runner.single.prepared import Prepared, PreparedDescent
from playground.scenario.messages import FaultyKey, format_value
from playground.scenario.model import Scenario
from playground.scenario.quantity import Quantity, find_impossible

DESCENT_QUANTITIES = ("loss", "steps", "evaluations")
"""Quantities of every descent, besides its parameters and the task's metrics."""

SHAPE_KEYS = frozenset({"dataset", "model", "loss", "function", "start"})
"""Top-level keys that determine shapes and the minimum of the loss."""

SHARE_OF_RUNS = Quantity(shape=(), low=0.0, high=1.0, limits="a share of the runs, from 0 to 1")
"""A quantity of a sweep: the share of its runs that passed, or that ended with some status."""


def check_measured(ready: Prepared) -> None:
    """Refuse expectations of names that are not measured, or that have two meanings.

    :raises ScenarioError: a fault for each such expectation.
    """
    names = ["status", *ready.task.metrics]
    if isinstance(ready, PreparedDescent):
        names += [*DESCENT_QUANTITIES, "diagnosis", *ready.problem.parameters]
    faults = []
    for name in ready.loaded.scenario.expect:
        if name not in names:
            faults.append(
                Fault(f"nothing named {name!r} is measured here{suggest_names(name, names)}", _expect_path(name))
            )
        elif names.count(name) > 1:
            faults.append(Fault(f"{name!r} is measured, and a parameter has that name too", _expect_path(name)))
    if faults:
        raise ScenarioError(*faults)


def _expect_path(name: str) -> tuple[str, ...]:
    return ("expect", FaultyKey(name))


def check_possible(ready: Prepared, resolution: float, varied: Collection[str]) -> None:
    """Refuse expectations that no run can meet.

    :param resolution: relative precision of the run's dtype.
    :param varied: top-level keys that a sweep varies; limits that depend on them are not checked.
    :raises ScenarioError: a fault for each such expectation.
    """
    known = _known_quantities(ready, varied)
    faults = [
        replace(fault, path=("expect", *fault.path))
        for name, check in ready.loaded.scenario.expect.items()
        if name in known
        for fault in find_impossible(name, check, known[name], resolution)
    ]
    if faults:
        raise ScenarioError(*faults)


def find_impossible_shares(scenario: Scenario) -> list[Fault]:
    """Return the expectations of a sweep that can never hold."""
    faults: list[Fault] = []
    names = ["passed", *(str(status) for status in Status if status is not Status.INTERRUPTED)]
    for name, check in scenario.sweep.expect.items() if scenario.sweep else ():
        if name in names:
            faults += find_impossible(name, check, SHARE_OF_RUNS)
        else:
            message = f"a sweep measures no {format_value(name)}{suggest_names(name, names)}"
            faults.append(Fault(message, (FaultyKey(name),)))
    return [replace(fault, path=("sweep", "expect", *fault.path)) for fault in faults]


def _known_quantities(ready: Prepared, varied: Collection[str]) -> dict[str, Quantity]:
    """Return the known shape and limits of each quantity."""
    fitted = not SHAPE_KEYS.isdisjoint(varied)
    if not isinstance(ready, PreparedDescent):
        words = {str(status): "" for status in (Status.CONVERGED, Status.ERROR)}
        unknown = dict.fromkeys(ready.task.metrics, Quantity(free_text=True))
        known = {"status": Quantity(words=words), **unknown, **ready.task.quantities(None)}
        return {name: _drop_sizes(each) for name, each in known.items()} if fitted else known
    scenario = ready.loaded.scenario
    counted = Quantity(shape=(), low=0, parts=1)
    budget = replace(counted, high=scenario.steps, limits=f"a whole number from 0 to the budget of {scenario.steps}")
    words = dict.fromkeys(_possible_statuses(scenario), "") if "stop" in varied else _possible_statuses(scenario)
    known = {
        "loss": Quantity(shape=()),
        "evaluations": counted,
        **{name: Quantity(shape=tuple(tensor.shape)) for name, tensor in ready.problem.parameters.items()},
        **dict.fromkeys(ready.task.metrics, Quantity()),
        **ready.task.quantities(ready.problem),
    }
    if fitted:
        known = {name: _drop_sizes(each) for name, each in known.items() if name != "loss"}
    return {"status": Quantity(words=words), "steps": counted if "steps" in varied else budget, **known}


def _drop_sizes(quantity: Quantity) -> Quantity:
    """Return a quantity without shape and limits, which vary with data, model and function."""
    return replace(quantity, shape=None, parts=1 if quantity.parts == 1 else 0, limits="")


def _possible_statuses(scenario: Scenario) -> dict[str, str]:
    """Return each status, with the reason if the run cannot end with it."""
    stop = scenario.stop
    converges = stop.loss is not None or stop.gradient is not None
    return {
        "converged": "" if converges else "it needs a stop rule, such as stop: {loss: 1e-6}",
        "budget": "",
        "diverged": "" if math.isfinite(stop.divergence) else "stop.divergence is infinite",
        "nonfinite": "",
        "stalled": "" if stop.patience else "it needs stop: {patience: {steps: N}}",
        "error": "",
    }


def varied_keys(scenario: Scenario) -> set[str]:
    """Return the top-level keys that a scenario's sweep varies, except `seed`."""
    sweep = scenario.sweep
    if sweep is None:
        return set()
    dotted = [*sweep.over, *(key for group in sweep.zip for key in group)]
    return {key.partition(".")[0] for key in dotted} - {"seed"}
