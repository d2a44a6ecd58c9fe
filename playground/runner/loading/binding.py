"""Builds the components that a scenario names, with validated parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.core.task import DescentTask, DirectTask
from playground.errors import ComponentError, Fault, PlaygroundError, ScenarioError
from playground.plugins.manager import Plugins
from playground.plugins.signature import build, construct, validate
from playground.runner.single.memory import refuse_large
from playground.scenario.model import ComponentRef, Scenario

if TYPE_CHECKING:
    from torch import Generator, nn

    from playground.core.task import Task


@dataclass(frozen=True)
class BoundComponents:
    """A scenario's components.

    :param task: built with its dataset, model, loss or function.
    :param optimizer: an update rule, or a factory of a `torch.optim.Optimizer` that takes parameters; None for a direct
        task.
    :param schedule: returns the factor on the learning rate at a step; None for a constant rate.
    """

    task: Task
    optimizer: Any = None
    schedule: Callable[[int], float] | None = None


def bind(scenario: Scenario, plugins: Plugins, folder: Path) -> BoundComponents:
    """Build every component of a scenario, the task last.

    :param folder: the folder that relative paths of datasets start from.
    :raises PlaygroundError: a fault for each component that cannot be built, with the path of the wrong key.
    """
    faults: list[Fault] = []
    built: dict[str, Any] = {}
    for kind, ref in scenario.components.items():
        try:
            built[kind] = _build_component(kind, ref, scenario, plugins, folder)
        except PlaygroundError as error:
            faults += error.under(kind).faults
    if faults:
        raise ScenarioError(*faults)
    optimizer, schedule = built.pop("optimizer", None), built.pop("schedule", None)
    return BoundComponents(_build_task(scenario, plugins, built), optimizer, schedule)


def _build_component(kind: str, ref: ComponentRef, scenario: Scenario, plugins: Plugins, folder: Path) -> Any:
    component = plugins.registry.get(kind, ref.name)
    if kind == "model":  # the task builds it later, when data and loss determine its sizes
        values = validate(component, ref.parameters)
        fitting: set[tuple[int, int]] = set()  # sizes whose memory was checked: a sweep builds the model for every seed

        def model(inputs: int, outputs: int) -> nn.Module:
            from playground.core.allocation import PARAMETER_COPIES
            from playground.core.problem import require_module

            known = (inputs, outputs) in fitting
            try:
                with nullcontext() if known else refuse_large(kind, ref.name, PARAMETER_COPIES):
                    made = construct(component, values, {"inputs": inputs, "outputs": outputs})
            except PlaygroundError as error:
                raise error.under(kind) from error
            fitting.add((inputs, outputs))
            return require_module(made, component.load())

        return model
    with refuse_large(kind, ref.name):
        built = build(component, ref.parameters, _injected_values(kind, scenario, folder))
    if kind == "dataset":
        from playground.core.data import require_data

        return require_data(built, component.load())
    return built


def _injected_values(kind: str, scenario: Scenario, folder: Path) -> Mapping[str, Any]:
    """Return the arguments that the framework passes to a factory of this kind."""
    if kind == "schedule":
        return {"steps": scenario.steps}
    if kind == "dataset":
        return {"folder": folder, "generator": partial(_make_generator, kind)}
    return {}


def _make_generator(kind: str, seed: int) -> Generator:
    from playground.core.seeding import make_generator

    return make_generator(seed, kind)


def _build_task(scenario: Scenario, plugins: Plugins, built: Mapping[str, Any]) -> Task:
    """Build the task from its top-level keys in the scenario and the components that it takes."""
    component = plugins.registry.get("task", scenario.task.name)
    task = build(component, scenario.section, built)
    if not isinstance(task, DescentTask | DirectTask):
        message = f"{component} is a {type(task).__name__}, neither a DescentTask nor a DirectTask"
        raise ComponentError(Fault(message, ("task",)))
    return task
