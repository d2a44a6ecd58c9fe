"""Loads plugins one by one, all or nothing, and records failures as data."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pluggy

from playground.errors import PluginError
from playground.plugins.adoption import AdoptionError, collect, offered_names, register, stage
from playground.plugins.discovery import Candidate, all_candidates, blocked_names, merge_candidates, project_plugins
from playground.plugins.hookspecs import EVENTS
from playground.plugins.importing import import_plugin
from playground.plugins.parameters import INJECTED_PARAMETERS, read_signature
from playground.plugins.registry import Component, Origin, Registry

DISABLE_AUTOLOAD_VARIABLE: Final = "PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD"
"""Environment variable: if it is not empty, installed plugins load only if they are requested by name."""

BUILTIN_MODULES: Final = ("playground.builtin",)
"""The modules of the built-in plugins."""


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that was loaded.

    :param file: the file it was imported from; empty when it has none.
    :param offers: names of its components, by kind.
    :param seconds: duration of its import.
    :param digest: SHA-256 of the file's bytes.
    """

    name: str
    origin: Origin
    file: str
    offers: Mapping[str, tuple[str, ...]]
    seconds: float
    digest: str

    def __str__(self) -> str:
        """`muon (gradient-playground-muon 1.0)`."""
        return str(self.origin)


@dataclass(frozen=True)
class LoadFailure:
    """A plugin that was not loaded, or a hook of a loaded plugin that raised.

    :param stage: `import`, `registration` or the name of a hook.
    :param cause: one line.
    :param requested: whether `-p` names this plugin, or it is built in; the command must then not continue without it.
    """

    origin: Origin
    stage: str
    cause: str
    requested: bool = False

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.origin.plugin

    @property
    def distribution(self) -> str:
        """The distribution that contains the plugin; empty for a single file or a plain module."""
        return self.origin.distribution

    @property
    def version(self) -> str:
        """The distribution's version."""
        return self.origin.version

    @property
    def file(self) -> str:
        """The file, for a single-file plugin."""
        return self.origin.file

    def __str__(self) -> str:
        """One line: `muon (gradient-playground-muon 1.0): import: ValueError: boom (muon.py, line 3)`."""
        return f"{self.origin}: {self.stage}: {self.cause}"


class Plugins:
    """The result of `load_plugins`; also the catalogue of the names that a scenario may use.

    :ivar registry: every component.
    :ivar loaded: every loaded plugin, in the order of loading.
    :ivar in_hand: components that are objects of this process, for one call; another process does not have them.
    :ivar recipe: plain data; `load_plugins(**recipe)` in another process loads the same plugins.
    """

    def __init__(self, recipe: Mapping[str, Any]) -> None:
        self.registry = Registry()
        self.loaded: tuple[LoadedPlugin, ...] = ()
        self.in_hand: tuple[Component, ...] = ()
        self.recipe = dict(recipe)
        self._failures: list[LoadFailure] = []
        self._managers: list[tuple[LoadedPlugin, pluggy.PluginManager]] = []

    @property
    def failures(self) -> tuple[LoadFailure, ...]:
        """All failures so far, each reported once."""
        return tuple(self._failures)

    @property
    def fingerprint(self) -> str:
        """A hash of the names, distributions, versions and files of all loaded plugins; the same on every machine."""
        parts = [(p.name, p.origin.distribution, p.origin.version, p.digest) for p in self.loaded]
        parts += [(c.kind, c.name, "", c.digest) for c in self.in_hand]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def extend(self, components: Sequence[Component]) -> Plugins:
        """Return these plugins with objects in hand as more components; this object is not changed.

        :raises PluginError: a component of one of these names is there already.
        """
        extended = copy.copy(self)
        extended.registry = self.registry.extend(*components)
        extended.in_hand = (*self.in_hand, *components)
        return extended

    def broadcast(self, event: str, **arguments: Any) -> tuple[LoadFailure, ...]:
        """Call an event hook in every plugin that has it, in the order of loading.

        :param event: one of `EVENTS`.
        :returns: failures that are new; they are also in `failures`.
        """
        if event not in EVENTS:
            raise ValueError(f"{event!r} is no event")
        known = len(self._failures)
        for plugin, manager in self._managers:
            try:
                with stage(event, plugin.file):
                    getattr(manager.hook, event)(**arguments)
            except AdoptionError as error:
                self._fail(LoadFailure(plugin.origin, error.stage, error.cause))
        return self.failures[known:]

    def plugin_names(self) -> tuple[str, ...]:
        """Return the names of the loaded plugins, which `requires:` in a scenario may contain."""
        return tuple(plugin.name for plugin in self.loaded)

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of the components of one kind, sorted."""
        return self.registry.names(kind)

    def task_kinds(self, name: str) -> dict[str, bool]:
        """Return the kinds of component that a task takes; the values say whether each is required.

        :raises ComponentError: no such task, or it cannot be imported.
        """
        return {kind: required for kind, required in self._task(name).items() if kind in INJECTED_PARAMETERS["task"]}

    def task_parameters(self, name: str) -> dict[str, bool]:
        """Return the keys that a task takes from the scenario; the values say whether each is required.

        :raises ComponentError: no such task, or it cannot be imported.
        """
        return {key: required for key, required in self._task(name).items() if key not in INJECTED_PARAMETERS["task"]}

    def adopt(self, candidate: Candidate) -> None:
        """Load one plugin, all or nothing; record a failure as data."""
        try:
            self.take(candidate)
        except AdoptionError as error:
            self._fail(LoadFailure(candidate.origin, error.stage, error.cause, candidate.requested))

    def take(self, candidate: Candidate) -> LoadedPlugin:
        """Load one plugin, all or nothing.

        :raises AdoptionError: it cannot be loaded; what was raised inside is its `__cause__`.
        """
        origin = candidate.origin
        with stage("import", origin.file):
            started = time.perf_counter()
            plugin, file, digest = import_plugin(candidate)
            seconds = time.perf_counter() - started
        manager = register(plugin, origin)
        components = collect(manager, origin)
        with stage("registration"):
            self._require_free(origin)
            self.registry.add(*components)
        loaded = LoadedPlugin(origin.plugin, origin, file, offered_names(components), seconds, digest)
        self.loaded += (loaded,)
        self._managers.append((loaded, manager))
        return loaded

    def events(self, plugin: LoadedPlugin) -> tuple[str, ...]:
        """Return the event hooks that a loaded plugin implements."""
        hooks = [manager.hook for known, manager in self._managers if known is plugin]
        return tuple(event for hook in hooks for event in EVENTS if getattr(hook, event).get_hookimpls())

    def _task(self, name: str) -> dict[str, bool]:
        factory = self.registry.get("task", name).load()
        return {parameter.name: parameter.required for parameter in read_signature(factory).parameters}

    def _require_free(self, origin: Origin) -> None:
        for plugin in self.loaded:
            if plugin.name == origin.plugin:
                raise PluginError(f"its name is already taken by plugin {plugin.origin}")

    def _fail(self, failure: LoadFailure) -> None:
        if failure not in self._failures:
            self._failures.append(failure)


def load_plugins(
    *,
    specs: Sequence[str] = (),
    folder: str | Path = ".",
    autoload: bool | None = None,
    builtin: Sequence[str] = BUILTIN_MODULES,
) -> Plugins:
    """Load the built-in plugins, the installed ones by name, those of the project, and requested ones, in this order.

    A plugin that fails is left out as a whole and reported in `Plugins.failures`; if two plugins use the same name, the
    later one fails. Nothing is cached between calls.

    :param specs: the arguments of `-p`, in order: a `.py` file, the name of an installed plugin, a module, or
        `no:NAME`, which blocks a plugin by its name or module wherever it comes from.
    :param folder: the working directory. Files are relative to it, and `[tool.playground] plugins` of the nearest
        `pyproject.toml` at or above it are loaded.
    :param autoload: whether to load installed plugins that are not requested; None: the environment variable
        PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD decides.
    :param builtin: modules of the built-in plugins.
    :raises PluginError: `pyproject.toml` is malformed.
    """
    folder = Path(folder).resolve()
    if autoload is None:
        autoload = not os.environ.get(DISABLE_AUTOLOAD_VARIABLE)
    project, listed = project_plugins(folder)
    candidates = all_candidates(specs, folder, listed, project, autoload=autoload, builtin=builtin)
    recipe = {"specs": list(specs), "folder": str(folder), "autoload": autoload, "builtin": list(builtin)}
    plugins = Plugins(recipe)
    for candidate in merge_candidates(candidates, blocked_names((*listed, *specs))):
        plugins.adopt(candidate)
    return plugins
