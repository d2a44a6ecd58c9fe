"""Lists what a scenario can name and what its task takes, without importing torch for built-in tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from playground.core.task import is_descent_task
from playground.errors import PlaygroundError
from playground.plugins.manager import Plugins
from playground.plugins.signature import scenario_parameters

DESCENT_KEYS = ("steps", "batch_size", "trace_loss", "stop", "clip")
"""Keys of a scenario that only a task with a descent takes."""


class ComponentCatalogue:
    """The registered components, and for each task its keys and kinds of component.

    :param plugins: the loaded plugins.
    """

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def names(self, kind: str) -> Collection[str]:
        """Return the registered names of a kind."""
        return self._plugins.names(kind)

    def plugin_names(self) -> Collection[str]:
        """Return the names of the loaded plugins."""
        return self._plugins.plugin_names()

    def task_parameters(self, name: str) -> Mapping[str, bool]:
        """Return a task's own keys, each with whether it is required."""
        return self._plugins.task_parameters(name)

    def parameters(self, kind: str, name: str) -> Collection[str]:
        """Return the parameters that a component takes from a scenario; imports the component."""
        return [parameter.name for parameter in scenario_parameters(self._plugins.registry.get(kind, name))]

    def known_parameters(self, kind: str, name: str) -> Collection[str]:
        """Return the parameters that a component takes; none if there is no such component."""
        try:
            return frozenset(self.parameters(kind, name))
        except PlaygroundError:
            return frozenset()

    def task_kinds(self, name: str) -> Mapping[str, bool]:
        """Return the kinds of component that a task takes, each with whether it is required.

        Every descent takes an optimizer and a schedule, whether or not the task's constructor names them.
        """
        taken = self._plugins.task_kinds(name)
        return {**taken, "optimizer": True, "schedule": False} if self.descends(name) else taken

    def descends(self, name: str) -> bool:
        """Tell whether a task descends, and therefore takes a budget, an optimizer and stop rules."""
        return is_descent_task(self._plugins.registry.get("task", name).load())
