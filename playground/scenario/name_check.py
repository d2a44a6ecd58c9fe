"""Checks the names in a scenario against the installed components, without loading a component."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import Protocol

from playground.errors import Fault, suggest_correction, unknown_component
from playground.scenario.messages import FaultyKey, format_value, unknown_key
from playground.scenario.model import CORE_KEYS, Scenario
from playground.scenario.shorthand import COMPONENT_KINDS
from playground.suggestions import find_closest


class ComponentNames(Protocol):
    """The names of what is installed."""

    def names(self, kind: str) -> Collection[str]:
        """Return the names of the components of a kind."""

    def plugin_names(self) -> Collection[str]:
        """Return the names of the loaded plugins."""

    def task_parameters(self, name: str) -> Mapping[str, bool]:
        """Return the keys that a task reads at the top level of a scenario; the values say whether each is required."""

    def parameters(self, kind: str, name: str) -> Collection[str]:
        """Return the parameters of a component that a scenario may set."""

    def task_kinds(self, name: str) -> Mapping[str, bool]:
        """Return the kinds of component that a task takes; the values say whether each is required."""


def check_names(scenario: Scenario, catalogue: ComponentNames, file: str = "") -> list[Fault]:
    """Check the names in a scenario against what is installed.

    :param file: the scenario's file; a missing plugin may be a file beside it.
    :returns: a fault for each missing required plugin; if there are any, only these, because other faults may follow
        from them. Otherwise a fault for each unknown component, each unknown key, each component that the task does not
        take, and each missing key or component that the task needs. `SourceText.locate` adds the places.
    """
    absent = list(_absent_plugins(scenario, catalogue, file))
    if absent:
        return absent
    return [*_unknown_components(scenario, catalogue), *_find_unfit_for_task(scenario, catalogue)]


def _absent_plugins(scenario: Scenario, catalogue: ComponentNames, file: str) -> Iterator[Fault]:
    installed = catalogue.plugin_names()
    for position, name in enumerate(scenario.requires):
        if name not in installed:
            beside = Path(file).with_name(f"{name}.py") if file else Path()
            way = f"install it, for example with: pip install gradient-playground-{name}"
            if beside.is_file():
                way = f"the file beside this one has it; load it with: -p {quote(str(beside))}"
            yield Fault(f"needs the plugin {format_value(name)}; {way}", ("requires", position))


def _unknown_components(scenario: Scenario, catalogue: ComponentNames) -> Iterator[Fault]:
    for kind, component in {"task": scenario.task, **scenario.components}.items():
        names = catalogue.names(kind)
        if component.name not in names:
            yield Fault(unknown_component(kind, format_value(component.name), names), (kind, "name"))


def _find_unfit_for_task(scenario: Scenario, catalogue: ComponentNames) -> Iterator[Fault]:
    task = scenario.task.name
    if task not in catalogue.names("task"):
        return
    kinds, parameters = catalogue.task_kinds(task), catalogue.task_parameters(task)
    accepted = (*CORE_KEYS, *(kind for kind in COMPONENT_KINDS if kind in kinds), *parameters)
    for key in scenario.section:
        if key not in parameters:
            near = suggest_correction(key, accepted) or _parameter(key, scenario, catalogue)
            yield Fault(
                f"unknown key {format_value(key)}{near}" if near else unknown_key(key, accepted), (FaultyKey(key),)
            )
    for kind in scenario.components:
        if kind not in kinds:
            takes = f"; it takes {', '.join(kinds)}" if kinds else ""
            yield Fault(f"the task {format_value(task)} takes no {kind}{takes}", (FaultyKey(kind),))
    for key, required in {**kinds, **parameters}.items():
        if required and key not in scenario.section and key not in scenario.components:
            yield Fault(f"missing key {format_value(key)}, which the task {format_value(task)} needs", (key,))


def _parameter(key: str, scenario: Scenario, catalogue: ComponentNames) -> str:
    """Suggest the component's parameter that a top-level key was probably meant to be: `optimizer.lr` for `lr`."""
    dotted = [
        f"{kind}.{parameter}"
        for kind, component in scenario.components.items()
        if component.name in catalogue.names(kind)
        for parameter in find_closest(key, catalogue.parameters(kind, component.name))
    ]
    return f"; did you mean {' or '.join(map(repr, dotted))}?" if dotted else ""
