"""Examines a plugin: lists its problems, most likely first, or its components and the time of its import.

Loads the plugin as every command does, among all other plugins. A plugin that fails is loaded once more to get the
exception itself. A plugin that was left out is loaded after the others, to find further problems.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playground.errors import ComponentError, PluginError
from playground.plugins.absence import explain_absence
from playground.plugins.adoption import AdoptionError, stage
from playground.plugins.discovery import (
    DISTRIBUTION,
    Candidate,
    all_candidates,
    is_path,
    merge_candidates,
    normalize_name,
    project_plugins,
    requested_candidates,
)
from playground.plugins.manager import BUILTIN_MODULES, DISABLE_AUTOLOAD_VARIABLE, LoadedPlugin, Plugins, load_plugins
from playground.plugins.reasons import explain_failure
from playground.plugins.registry import Component, Origin
from playground.plugins.requirements import find_unmet
from playground.plugins.timing import ImportTime, measure_import

_NO_PLUGINS: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class Examination:
    """The result of examining one plugin.

    :param faults: the problems, one line each, most likely first.
    :param file: the file it was imported from; empty if it has none or could not be imported.
    :param offers: names of its components, by kind.
    :param events: the event hooks that it implements.
    :param time: the cost of its import; None if it could not be imported.
    """

    origin: Origin
    faults: tuple[str, ...]
    file: str = ""
    offers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    time: ImportTime | None = None


def examine(
    name: str,
    *,
    specs: Sequence[str] = (),
    folder: str | Path = ".",
    builtin: Sequence[str] = BUILTIN_MODULES,
    attempt: Callable[[Component], str] = lambda component: "",
) -> list[Examination]:
    """Examine every plugin that a name may refer to.

    :param name: a plugin, a distribution or a module; or the path of a single file.
    :param specs: the arguments of `-p`, as for `load_plugins`.
    :param folder: the working directory.
    :param attempt: tries an imported component and returns what is wrong with it; empty if nothing is.
    :returns: at least one examination; for an unknown name, one that explains why there is no such plugin.
    :raises PluginError: `pyproject.toml` is malformed.
    """
    folder = Path(folder).resolve()
    specs = [*specs, name] if is_path(name) else list(specs)
    project, listed = project_plugins(folder)
    known = all_candidates(specs, folder, listed, project, autoload=True, builtin=builtin)
    target = next(requested_candidates([name], folder, (), requested=True)).target
    subjects = merge_candidates([candidate for candidate in known if _is_meant(candidate, name, target)], _NO_PLUGINS)
    if not subjects:
        return [Examination(Origin(name), tuple(explain_absence(name, folder, known)))]
    plugins = load_plugins(specs=specs, folder=folder, builtin=builtin)
    blocks = dict.fromkeys(listed, f"{project / 'pyproject.toml'}") | {spec: f"-p {spec}" for spec in specs}
    return [_examine_candidate(candidate, plugins, known, blocks, attempt) for candidate in subjects]


def _is_meant(candidate: Candidate, name: str, target: str) -> bool:
    distribution = candidate.origin.distribution
    is_its = distribution != DISTRIBUTION and normalize_name(distribution) == normalize_name(name)
    is_called = normalize_name(name) in map(normalize_name, candidate.names)  # `my-loss` has `my_loss`
    return is_its or candidate.target == target or is_called


def _examine_candidate(
    candidate: Candidate,
    plugins: Plugins,
    known: Sequence[Candidate],
    blocks: Mapping[str, str],
    attempt: Callable[[Component], str],
) -> Examination:
    origin, faults = candidate.origin, list[str]()
    loaded = next((plugin for plugin in plugins.loaded if plugin.origin == origin), None)
    failed = any(failure.origin == origin for failure in plugins.failures)
    left_out = "" if loaded or failed else _explain_exclusion(candidate, known, blocks)
    if loaded is None:
        try:
            loaded = plugins.take(candidate)
        except AdoptionError as error:
            faults.append(explain_failure(candidate, error))
    if loaded is not None:
        faults += _find_unusable(loaded, plugins, attempt)
    if origin.distribution:
        faults += find_unmet(origin.distribution)
    if left_out:
        faults.append(left_out)
    if loaded is None:
        return Examination(origin, tuple(faults))
    try:
        time = measure_import(candidate)
    except PluginError as error:
        time = None
        faults.append(f"import: {error}")
    return Examination(origin, tuple(faults), loaded.file, loaded.offers, plugins.events(loaded), time)


def _explain_exclusion(candidate: Candidate, known: Sequence[Candidate], blocks: Mapping[str, str]) -> str:
    for spec, source in blocks.items():
        if spec.removeprefix("no:") in candidate.names and spec.startswith("no:"):
            return f"left out by {spec!r} in {source}" if source.endswith(".toml") else f"left out by '{source}'"
    first = next(other for other in known if other.target == candidate.target)
    if first.origin != candidate.origin:
        return f"left out: {candidate.target} is loaded as plugin {first.origin} already"
    variable = f"{DISABLE_AUTOLOAD_VARIABLE} is {os.environ.get(DISABLE_AUTOLOAD_VARIABLE)!r}"
    return f"left out: {variable}; `-p {candidate.origin.plugin}` loads it"


def _find_unusable(loaded: LoadedPlugin, plugins: Plugins, attempt: Callable[[Component], str]) -> Iterator[str]:
    """Yield problems of components that are imported on first use, and of the objects that they make."""
    for kind, names in loaded.offers.items():
        for name in names:
            component = plugins.registry.get(kind, name)
            try:
                with stage(kind, loaded.origin.file):
                    component.load()
            except AdoptionError as error:
                raised = error.__cause__
                yield str(raised) if isinstance(raised, ComponentError) else str(error)
                continue
            if wrong := attempt(component):
                yield wrong
