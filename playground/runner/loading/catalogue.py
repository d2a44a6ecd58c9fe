"""What a scenario may name, and what its task takes; needs no torch for the tasks we ship."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from playground.core.task import is_descent_task
from playground.errors import PlaygroundError
from playground.plugins.manager import Plugins
from playground.plugins.signature import scenario_parameters

DESCENT_KEYS = ("steps", "batch_size", "stop", "clip")
"""Keys of a scenario that mean something only where there is a descent."""


class ComponentCatalogue:
    """The registry, with what every descent takes besides what its task's constructor names.

    :param plugins: what is loaded.
    """

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def names(self, kind: str) -> Collection[str]:
        """Return the registered names of a kind."""
        return self._plugins.names(kind)

    def plugin_names(self) -> Collection[str]:
        """Return the names of the plugins that are loaded."""
        return self._plugins.plugin_names()

    def task_parameters(self, name: str) -> Mapping[str, bool]:
        """Return the scenario's keys that belong to a task, each with whether it is required."""
        return self._plugins.task_parameters(name)

    def parameters(self, kind: str, name: str) -> Collection[str]:
        """Return the parameters that a component takes from a scenario; imports the component."""
        return [parameter.name for parameter in scenario_parameters(self._plugins.registry.get(kind, name))]

    def known_parameters(self, kind: str, name: str) -> Collection[str]:
        """Return the parameters that a component takes; none of one that there is not."""
        try:
            return frozenset(self.parameters(kind, name))
        except PlaygroundError:
            return frozenset()

    def task_kinds(self, name: str) -> Mapping[str, bool]:
        """Return the kinds of component that a task takes, each with whether it is required."""
        taken = self._plugins.task_kinds(name)
        return {**taken, "optimizer": True, "schedule": False} if self.descends(name) else taken

    def descends(self, name: str) -> bool:
        """Say whether a task goes downhill, and so takes a budget, an optimizer and stop rules."""
        return is_descent_task(self._plugins.registry.get("task", name).load())
