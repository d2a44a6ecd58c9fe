"""Everything that can be known to be wrong before a run starts."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import Fault, PlaygroundError, ScenarioError, suggest_names
from playground.plugins.causes import translate_errors
from playground.plugins.manager import Plugins
from playground.runner.loading.binding import BoundComponents, bind
from playground.runner.loading.catalogue import DESCENT_KEYS, ComponentCatalogue
from playground.runner.loading.quantities import check_measured, check_possible, find_impossible_shares, varied_keys
from playground.runner.single.memory import refuse_large
from playground.runner.single.prepared import Prepared, PreparedAnswer, PreparedDescent
from playground.scenario.messages import FaultyKey
from playground.scenario.model import Loaded, Scenario
from playground.scenario.name_check import check_names

if TYPE_CHECKING:
    from playground.core.axes import Ranges
    from playground.core.gradients import Clip
    from playground.core.problem import Problem
    from playground.core.setting import Setting
    from playground.core.steppers import OneRun
    from playground.core.task import DescentTask

SWEEP_DIAGNOSIS_FAULT = Fault(
    "the runs of a sweep are not diagnosed; expect a status there, or run the scenario without a sweep",
    ("expect", FaultyKey("diagnosis")),
)
"""What is wrong with expecting a diagnosis of many runs."""


def refuse_sweep(loaded: Loaded) -> None:
    """Refuse a scenario with a sweep where a single run is required.

    :raises ScenarioError: it has a sweep, at its place.
    """
    if loaded.scenario.sweep is not None:
        with locate_faults(loaded):
            message = "this command runs a scenario once, and this one has a sweep; use `playground sweep`"
            raise ScenarioError(Fault(message, (FaultyKey("sweep"),)))


def refuse_diagnosis(loaded: Loaded) -> None:
    """Refuse to sweep over a scenario that expects a diagnosis.

    :raises ScenarioError: it does, at its place.
    """
    if "diagnosis" in loaded.scenario.expect:
        with locate_faults(loaded):
            raise ScenarioError(SWEEP_DIAGNOSIS_FAULT)


def check_structure(loaded: Loaded, plugins: Plugins) -> None:
    """Check every name and key of a scenario against what is installed; needs no torch for the tasks we ship.

    :raises ScenarioError: all faults, with their places.
    """
    scenario, catalogue = loaded.scenario, ComponentCatalogue(plugins)
    with locate_faults(loaded):
        faults = check_names(scenario, catalogue, loaded.source.file)
        if not faults and not catalogue.descends(scenario.task.name):
            faults = [
                Fault(f"task {scenario.task.name!r} does not descend and takes no {key!r}", (FaultyKey(key),))
                for key in DESCENT_KEYS
                if key in scenario.model_fields_set
            ]
        faults += [*_check_diagnosis(scenario, plugins), *find_impossible_shares(scenario)]
        if faults:
            raise ScenarioError(*faults)


def _check_diagnosis(scenario: Scenario, plugins: Plugins) -> list[Fault]:
    """Find what is wrong with an expectation of a diagnosis."""
    if "diagnosis" not in scenario.expect:
        return []
    if scenario.sweep is not None:
        return [SWEEP_DIAGNOSIS_FAULT]
    check, known = scenario.expect["diagnosis"], plugins.registry.names("diagnosis")
    if check.model_dump(exclude_none=True).keys() != {"equals"}:
        return [Fault("expected the name of a diagnosis, such as diagnosis: rate_too_large", _expect_path("diagnosis"))]
    if check.equals in known:
        return []
    message = f"unknown diagnosis {check.equals!r}{suggest_names(str(check.equals), known)}"
    return [Fault(message, _expect_path("diagnosis"))]


@contextmanager
def prepare(loaded: Loaded, plugins: Plugins) -> Iterator[Prepared]:
    """Build every component once, and evaluate the problem once, so that a shape mismatch is reported before training.

    Inside the context torch's global stream is seeded by the scenario, and the initial parameters were drawn from it.

    :raises ScenarioError: all faults that can be found together, with their places.
    """
    check_structure(loaded, plugins)
    with _pause_collector():
        from playground.core.seeding import seed_torch
        from playground.core.setting import Setting, one_thread

    scenario = loaded.scenario
    with locate_faults(loaded):
        setting = Setting.of(scenario.dtype, scenario.device, scenario.seed, scenario.batch_size)
    with one_thread(), seed_torch(setting.seed, setting.device):
        with locate_faults(loaded):
            bound = bind(scenario, plugins, Path(loaded.source.file).parent)
            ready = _try_task(loaded, setting, bound)
            check_measured(ready)
            check_ranges(ready, scenario.plot or {}, ("plot",))
        yield ready


@contextmanager
def resume(ready: Prepared) -> Iterator[None]:
    """Enter the context of `prepare` again for what was prepared before: one thread, and torch's stream seeded."""
    from playground.core.seeding import seed_torch
    from playground.core.setting import one_thread

    with one_thread(), seed_torch(ready.setting.seed, ready.setting.device):
        yield


def refuse_impossible(ready: Prepared) -> None:
    """Refuse to run a scenario that expects what no run can give, whatever a command line or a sweep changes in it.

    :raises ScenarioError: it does, at the place of each expectation.
    """
    import torch

    scenario, resolution = ready.loaded.scenario, torch.finfo(ready.setting.dtype).eps
    varied = ready.loaded.source.changed | varied_keys(scenario)
    with locate_faults(ready.loaded):
        check_possible(ready, resolution, varied)


@contextmanager
def _pause_collector() -> Iterator[None]:
    """Import without garbage collection.

    torch makes half a million objects, none of them garbage; it is imported a tenth faster when nobody looks through.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _try_task(loaded: Loaded, setting: Setting, bound: BoundComponents) -> Prepared:
    """Try what the task is about to do: one evaluation of a problem, or the probe of a task without one."""
    from playground.core.task import DescentTask

    if isinstance(bound.task, DescentTask):
        stepper = _build_stepper(bound.task, bound, setting, loaded.scenario)
        return PreparedDescent(loaded, setting, bound, bound.task, stepper)
    scenario = loaded.scenario
    with (
        translate_errors("the parts do not fit", "task", own=_objective_key(scenario)),
        refuse_large("task", scenario.task.name),
    ):
        bound.task.probe(setting)
    return PreparedAnswer(loaded, setting, bound, bound.task)


def _build_stepper(task: DescentTask, bound: BoundComponents, setting: Setting, scenario: Scenario) -> OneRun:
    """Build the problem, try it, and give it to the stepper that fits the optimizer."""
    from playground.core.definition import describe
    from playground.core.problem import Problem, describe_type
    from playground.core.steppers import make_stepper
    from playground.core.trials import require_measures

    if bound.optimizer is None:
        message = (
            "this task is a descent task, but its factory does not declare it: "
            "register its class, or annotate its return type"
        )
        raise ScenarioError(Fault(message, ("task",)))
    with (
        translate_errors("the parts do not fit", "task", own=_objective_key(scenario)),
        refuse_large("task", scenario.task.name),
    ):
        problem: Any = task.problem(setting)
        if not isinstance(problem, Problem):
            message = f"{describe(type(task).problem)} returned {describe_type(problem)}; expected a Problem"
            raise ScenarioError(Fault(message, ("task",)))
        problem.probe()
        require_measures(task, problem)
    if scenario.batch_size is not None and problem.batches.size is None:
        raise ScenarioError(Fault("this task has no data to take batches of", ("batch_size",)))
    _try_movement(bound, problem, scenario)
    with translate_errors(f"optimizer {scenario.components['optimizer'].name!r}", "optimizer"):
        return make_stepper(problem, bound.optimizer, bound.schedule, scenario_clip(scenario))


def _try_movement(bound: BoundComponents, problem: Problem, scenario: Scenario) -> None:
    """Try the schedule and the optimizer on copies of the parameters.

    :raises ScenarioError: one of them does not do what its contract says.
    """
    from playground.core.trials import require_optimizer, require_rule, require_schedule
    from playground.core.update import UpdateRule

    factor = 1.0
    if bound.schedule is not None:
        with translate_errors(f"schedule {scenario.components['schedule'].name!r}", "schedule"):
            factor = require_schedule(bound.schedule, scenario.steps)
    with translate_errors(f"optimizer {scenario.components['optimizer'].name!r}", "optimizer"):
        if isinstance(bound.optimizer, UpdateRule):
            require_rule(bound.optimizer, problem.parameters, factor)
        else:
            require_optimizer(bound.optimizer, list(problem.parameters.values()), factor)


def scenario_clip(scenario: Scenario) -> Clip | None:
    """Return the scenario's limits on the gradient; None for none."""
    from playground.core.gradients import Clip

    return Clip(scenario.clip.value, scenario.clip.norm) if scenario.clip else None


def _objective_key(scenario: Scenario) -> str:
    """Return the key that says what is to be made small."""
    return next((kind for kind in ("loss", "function") if kind in scenario.components), "task")


@contextmanager
def locate_faults(loaded: Loaded) -> Iterator[None]:
    """Give every fault raised inside its place in the file."""
    try:
        yield
    except PlaygroundError as error:
        raise loaded.source.locate(ScenarioError(*error.faults)) from error


def check_ranges(ready: Prepared, ranges: Ranges, path: tuple[str, ...] = ()) -> None:
    """Refuse a range of an axis that no picture of this scenario has.

    :param path: the key of the scenario that the ranges stand under; empty where they come from elsewhere.
    :raises ScenarioError: one names an axis that is not there.
    """
    from playground.core.axes import find_unknown_axes

    if not ranges or not isinstance(ready, PreparedDescent):
        return
    names = ready.task.axes(ready.problem)
    faults = [
        Fault(
            f"range of {name!r}: no picture has that axis{suggest_names(name, names)}",
            (*path, FaultyKey(name)) if path else (),
        )
        for name in find_unknown_axes(names, ranges)
    ]
    if faults:
        raise ScenarioError(*faults)


def _expect_path(name: str) -> tuple[str, ...]:
    return ("expect", FaultyKey(name))
