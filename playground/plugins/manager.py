"""Loads plugins, one at a time, all or nothing, and keeps what went wrong as data."""

from __future__ import annotations

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
from playground.plugins.adoption import AdoptionError, collect, offers, register, stage
from playground.plugins.discovery import Candidate, blocked_names, every_candidate, merge_candidates, project_plugins
from playground.plugins.hookspecs import EVENTS
from playground.plugins.importing import import_plugin
from playground.plugins.parameters import INJECTED_PARAMETERS, signature
from playground.plugins.registry import Origin, Registry

DISABLE_AUTOLOAD_VARIABLE: Final = "PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD"
"""Environment variable: when it is not empty, installed plugins load only if they are asked for by name."""

BUILTIN_MODULES: Final = ("playground.builtin",)
"""The modules of our own plugins."""


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that is in.

    :param file: the file it was imported from; empty when it has none.
    :param offers: names of its components, by kind.
    :param seconds: how long its import took.
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
    """A plugin that is not in, or a hook of a loaded plugin that raised.

    :param stage: `import`, `registration` or the name of a hook.
    :param cause: one line.
    :param requested: somebody asked for this plugin with `-p`, or it is ours, so that going on without it is wrong.
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
        """The distribution that brought it; empty for a single file or a plain module."""
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
    """What `load_plugins` found; as a catalogue, it answers what a scenario may name.

    :ivar registry: every component.
    :ivar loaded: every plugin that is in, in the order of loading.
    :ivar recipe: plain data; `load_plugins(**recipe)` in another process loads the same.
    """

    def __init__(self, recipe: Mapping[str, Any]) -> None:
        self.registry = Registry()
        self.loaded: tuple[LoadedPlugin, ...] = ()
        self.recipe = dict(recipe)
        self._failures: list[LoadFailure] = []
        self._managers: list[tuple[LoadedPlugin, pluggy.PluginManager]] = []

    @property
    def failures(self) -> tuple[LoadFailure, ...]:
        """Everything that went wrong so far, each told once."""
        return tuple(self._failures)

    @property
    def fingerprint(self) -> str:
        """A hash of every loaded plugin's name, distribution, version and file; the same on every machine."""
        parts = [(p.name, p.origin.distribution, p.origin.version, p.digest) for p in self.loaded]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def broadcast(self, event: str, **arguments: Any) -> tuple[LoadFailure, ...]:
        """Tell every plugin that has this hook, in the order of loading.

        :param event: one of `EVENTS`.
        :returns: the failures that were not known before; they are in `failures` as well.
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
        """Return the names of the loaded plugins, which a scenario's `requires:` may name."""
        return tuple(plugin.name for plugin in self.loaded)

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of the components of one kind, sorted."""
        return self.registry.names(kind)

    def task_kinds(self, name: str) -> dict[str, bool]:
        """Return the kinds of component that a task takes, and whether it must have them.

        :raises ComponentError: no such task, or it cannot be imported.
        """
        return {kind: required for kind, required in self._task(name).items() if kind in INJECTED_PARAMETERS["task"]}

    def task_parameters(self, name: str) -> dict[str, bool]:
        """Return the keys that a task takes from the scenario, and whether it must have them.

        :raises ComponentError: no such task, or it cannot be imported.
        """
        return {key: required for key, required in self._task(name).items() if key not in INJECTED_PARAMETERS["task"]}

    def adopt(self, candidate: Candidate) -> None:
        """Load one plugin, all or nothing; a failure is kept as data."""
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
        loaded = LoadedPlugin(origin.plugin, origin, file, offers(components), seconds, digest)
        self.loaded += (loaded,)
        self._managers.append((loaded, manager))
        return loaded

    def events(self, plugin: LoadedPlugin) -> tuple[str, ...]:
        """Return the events that a loaded plugin is told of."""
        hooks = [manager.hook for known, manager in self._managers if known is plugin]
        return tuple(event for hook in hooks for event in EVENTS if getattr(hook, event).get_hookimpls())

    def _task(self, name: str) -> dict[str, bool]:
        factory = self.registry.get("task", name).load()
        return {parameter.name: parameter.required for parameter in signature(factory).parameters}

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
    """Load the built-in plugins, the installed ones by name, those of the project, and those asked for, in this order.

    A plugin that fails is left out as a whole and told in `Plugins.failures`; of two that claim the same name, the
    later fails. Nothing is remembered between calls.

    :param specs: what `-p` says, in order: a `.py` file, the name of an installed plugin, a module, or `no:NAME`,
        which blocks a plugin by its name or module wherever it comes from.
    :param folder: the working directory: files are relative to it, and the nearest `pyproject.toml` at or above it
        is the one whose `[tool.playground] plugins` are loaded.
    :param autoload: whether installed plugins load without being asked for; None leaves it to the environment
        variable PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD.
    :param builtin: modules of our own plugins.
    :raises PluginError: `pyproject.toml` is malformed.
    """
    folder = Path(folder).resolve()
    if autoload is None:
        autoload = not os.environ.get(DISABLE_AUTOLOAD_VARIABLE)
    project, listed = project_plugins(folder)
    candidates = every_candidate(specs, folder, listed, project, autoload=autoload, builtin=builtin)
    recipe = {"specs": list(specs), "folder": str(folder), "autoload": autoload, "builtin": list(builtin)}
    plugins = Plugins(recipe)
    for candidate in merge_candidates(candidates, blocked_names((*listed, *specs))):
        plugins.adopt(candidate)
    return plugins
