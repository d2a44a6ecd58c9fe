"""What determines a run besides its scenario: the components that it names, files that it reads, torch and us."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from playground.plugins.manager import Plugins
from playground.plugins.registry import Component
from playground.plugins.sources import source_digest
from playground.runner.sweeping.plan import digest, seedless_spec
from playground.scenario.model import Loaded


class Identities:
    """Finds what the components of scenarios are made of; reads each source once.

    :param plugins: which the scenarios' components come from.
    """

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._files = {plugin.name: plugin.file for plugin in plugins.loaded}
        self._digests: dict[tuple[str, str], str] = {}

    def key(self, loaded: Loaded, engine: str) -> str:
        """Return what the keys of a scenario's runs begin with; the seed is the rest."""
        components = {str(component): self._digest(component) for component in self._components(loaded)}
        content, folder = seedless_spec(loaded.scenario), Path(loaded.source.file).parent
        files = {text: _file_digest(folder / text) for text in sorted(set(_texts(content))) if _is_file(folder, text)}
        return digest(components, files, engine, _version("torch"), _version("gradient-playground"), content)

    def plugins(self, points: Iterator[Loaded]) -> dict[str, str]:
        """Return the plugins, ours apart, whose components these scenarios use: version and hash of what is used."""
        used: dict[str, dict[str, str]] = {}
        versions = {}
        for component in (each for loaded in points for each in self._components(loaded)):
            if found := self._digest(component):
                used.setdefault(component.origin.plugin, {})[str(component)] = found
                versions[component.origin.plugin] = component.origin.version
        return {name: f"{versions[name]} {digest(sorted(parts.items()))}".strip() for name, parts in used.items()}

    def _components(self, loaded: Loaded) -> Iterator[Component]:
        scenario = loaded.scenario
        yield self._plugins.registry.get("task", scenario.task.name)
        for kind, ref in scenario.components.items():
            yield self._plugins.registry.get(kind, ref.name)

    def _digest(self, component: Component) -> str:
        place = component.kind, component.name
        if place not in self._digests:
            self._digests[place] = source_digest(component, self._files.get(component.origin.plugin, ""))
        return self._digests[place]


@lru_cache
def _version(distribution: str) -> str:
    """Return the version of an installed distribution; reading it takes some milliseconds."""
    return version(distribution)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _is_file(folder: Path, text: str) -> bool:
    try:
        return bool(text) and (folder / text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return False


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"
