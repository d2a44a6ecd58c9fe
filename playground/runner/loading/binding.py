"""From names to things: builds every component that a scenario names, with its parameters checked."""

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
    """A scenario's components, built.

    :param task: holds the dataset, model, loss or function it was built with.
    :param optimizer: an update rule, or what makes a `torch.optim.Optimizer` from parameters; None without a descent.
    :param schedule: factor on the learning rate at each step; None for a constant rate.
    """

    task: Task
    optimizer: Any = None
    schedule: Callable[[int], float] | None = None


def bind(scenario: Scenario, plugins: Plugins, folder: Path) -> BoundComponents:
    """Build every component of a scenario, and its task last.

    :param folder: where relative paths of datasets begin.
    :raises PlaygroundError: every component that cannot be built, with the path to what is wrong in it.
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
    if kind == "model":  # its sizes are known only when the task has seen data and loss
        values = validate(component, ref.parameters)
        fitting: set[tuple[int, int]] = set()  # a sweep builds a model of these sizes once for each seed

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
    """Return what the framework itself supplies to a factory of this kind."""
    if kind == "schedule":
        return {"steps": scenario.steps}
    if kind == "dataset":
        return {"folder": folder, "generator": partial(_make_generator, kind)}
    return {}


def _make_generator(kind: str, seed: int) -> Generator:
    from playground.core.seeding import make_generator

    return make_generator(seed, kind)


def _build_task(scenario: Scenario, plugins: Plugins, built: Mapping[str, Any]) -> Task:
    """Build the task from its keys, which stand at the top of the scenario, and the components it takes."""
    component = plugins.registry.get("task", scenario.task.name)
    task = build(component, scenario.section, built)
    if not isinstance(task, DescentTask | DirectTask):
        message = f"{component} is a {type(task).__name__}, neither a DescentTask nor a DirectTask"
        raise ComponentError(Fault(message, ("task",)))
    return task
