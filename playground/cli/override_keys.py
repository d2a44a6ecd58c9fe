"""Keys and values for the completion of `--set` and `--over`, as far as they are known without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from playground.errors import PlaygroundError
from playground.plugins.manager import Plugins
from playground.plugins.static_docs import component_parameters
from playground.runner.loading.catalogue import DESCENT_KEYS, ComponentCatalogue
from playground.scenario.model import CORE_KEYS, Scenario
from playground.scenario.shorthand import COMPONENT_KINDS, expand_shorthand
from playground.scenario.source import load_source

KINDS = ("task", *COMPONENT_KINDS)
"""Keys of a scenario whose value names a component."""

UNCHANGED_KEYS = ("name", "summary", "requires", "sweep")
"""Keys that `--set` and `--over` need not offer."""


class ScenarioKeys:
    """The keys of a scenario and their values.

    :param plugins: whose components a scenario may name.
    :param file: the scenario; None where the command line names none, or one that cannot be read.
    """

    def __init__(self, plugins: Plugins, file: Path | None) -> None:
        self._plugins = plugins
        self._data: Mapping[str, Any] = {}
        if file is not None:
            with suppress(PlaygroundError):
                data = load_source(file).data
                self._data = {key: expand_shorthand(key, data[key]) if key in KINDS else data[key] for key in data}

    def find_keys(self) -> list[str]:
        """Return the dotted keys: those of the file, of its task, and the parameters of its components."""
        found = dict.fromkeys(key for key in self._top_level_keys() if key not in UNCHANGED_KEYS)
        for key in tuple(found):
            found |= dict.fromkeys(self._inner_keys(key))
        return list(found)

    def find_own_values(self, key: str) -> list[str]:
        """Return the value that the file has at a dotted key, as YAML; nothing where it has none."""
        value: Any = self._data
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if key in KINDS and isinstance(value, Mapping):
            value = value.get("name")
        return [] if value is None else [value if isinstance(value, str) else json.dumps(value)]

    def find_values(self, key: str) -> list[str]:
        """Return values for a dotted key: the file's own first, then names of components or words of a closed set."""
        kind = key.removesuffix(".name")
        known = self._plugins.names(kind) if kind in KINDS else _literal_values(key)
        return list(dict.fromkeys([*self.find_own_values(key), *known]))

    def _top_level_keys(self) -> Iterator[str]:
        yield from self._data
        core = [key for key in CORE_KEYS if key not in DESCENT_KEYS]
        task = self._component_name("task")
        catalogue = ComponentCatalogue(self._plugins)
        if task not in catalogue.names("task"):
            yield from (*core, *DESCENT_KEYS, *COMPONENT_KINDS)
            return
        yield from (*core, *catalogue.task_kinds(task), *catalogue.task_parameters(task))
        if catalogue.descends(task):
            yield from DESCENT_KEYS

    def _inner_keys(self, key: str) -> Iterator[str]:
        """Yield the dotted keys below a top-level key."""
        if key in COMPONENT_KINDS:
            name = self._component_name(key)
            if name in self._plugins.names(key):
                parameters = component_parameters(self._plugins.registry.get(key, name))
                yield from (f"{key}.{parameter}" for parameter in parameters)
        elif (model := _section_model(key)) is not None:
            yield from (f"{key}.{name}" for name in model.model_fields)
        elif isinstance(inside := self._data.get(key), Mapping) and key != "task":
            yield from (f"{key}.{name}" for name in inside)

    def _component_name(self, kind: str) -> str:
        component = self._data.get(kind)
        return str(component.get("name", "")) if isinstance(component, Mapping) else ""


def _section_model(key: str) -> type[BaseModel] | None:
    """Return the model of a section such as `stop`; None for keys that hold no section."""
    field = Scenario.model_fields.get(key)
    if field is None or key in KINDS:
        return None
    annotation = field.annotation
    models = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return next((each for each in models if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _literal_values(key: str) -> list[str]:
    """Return the words that a top-level key accepts, if they are a closed set."""
    field = Scenario.model_fields.get(key)
    if field is None or get_origin(field.annotation) is not Literal:
        return []
    return [str(value) for value in get_args(field.annotation)]
