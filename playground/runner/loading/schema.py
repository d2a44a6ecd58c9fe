"""Makes the JSON Schema of scenarios, including every installed component."""

from __future__ import annotations

from typing import Any

from playground.plugins.manager import Plugins
from playground.plugins.signature import json_schema as parameters_schema
from playground.runner.loading.catalogue import ComponentCatalogue
from playground.scenario.schema import json_schema
from playground.scenario.shorthand import COMPONENT_KINDS


def scenario_schema(plugins: Plugins) -> dict[str, Any]:
    """Return the schema (draft 7) with which editors complete and check scenarios.

    :raises ComponentError: a component's module cannot be imported.
    """
    registry, catalogue = plugins.registry, ComponentCatalogue(plugins)
    components = {
        kind: {name: parameters_schema(registry.get(kind, name)) for name in registry.names(kind)}
        for kind in COMPONENT_KINDS
    }
    tasks = {
        name: {"parameters": parameters_schema(registry.get("task", name)), "kinds": catalogue.task_kinds(name)}
        for name in registry.names("task")
    }
    return json_schema(components, tasks)
