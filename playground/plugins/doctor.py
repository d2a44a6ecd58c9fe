"""What is wrong with a plugin, the likeliest first, or what it offers and what its import costs.

The plugin is loaded as every command loads it, among all the others. One that fails is loaded once more, for the
exception itself; one that was left out is loaded after the others, to see whether that is all.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playground.errors import ComponentError, PluginError, suggestion
from playground.plugins.absence import absence
from playground.plugins.adoption import AdoptionError, stage
from playground.plugins.causes import deepest, headline
from playground.plugins.discovery import (
    DISTRIBUTION,
    Candidate,
    every_candidate,
    is_path,
    merged,
    normalised,
    project_plugins,
    requested_candidates,
)
from playground.plugins.manager import AUTOLOAD_OFF, BUILTIN, LoadedPlugin, Plugins, load_plugins
from playground.plugins.registry import Origin
from playground.plugins.requirements import unmet
from playground.plugins.timing import ImportTime, import_time

_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class Examination:
    """What was found out about one plugin.

    :param faults: what is wrong, one line each, the likeliest first.
    :param file: the file it was imported from; empty where it has none or could not be imported.
    :param offers: names of its components, by kind.
    :param events: the events it is told of.
    :param time: what its import costs; None where it could not be imported.
    """

    origin: Origin
    faults: tuple[str, ...]
    file: str = ""
    offers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    time: ImportTime | None = None


def examine(
    name: str, *, specs: Sequence[str] = (), folder: str | Path = ".", builtin: Sequence[str] = BUILTIN
) -> list[Examination]:
    """Examine every plugin that a name means.

    :param name: of a plugin, a distribution or a module; or the path of a single file.
    :param specs: what `-p` says, as for `load_plugins`.
    :param folder: the working directory.
    :returns: one examination at least; of a name that nobody has, what stands in its place.
    :raises PluginError: `pyproject.toml` is malformed.
    """
    folder = Path(folder).resolve()
    specs = [*specs, name] if is_path(name) else list(specs)
    project, listed = project_plugins(folder)
    known = every_candidate(specs, folder, listed, project, autoload=True, builtin=builtin)
    target = next(requested_candidates([name], folder, (), requested=True)).target
    subjects = merged([candidate for candidate in known if _is_meant(candidate, name, target)], _NOBODY)
    if not subjects:
        return [Examination(Origin(name), tuple(absence(name, folder, known)))]
    plugins = load_plugins(specs=specs, folder=folder, builtin=builtin)
    blocks = dict.fromkeys(listed, f"{project / 'pyproject.toml'}") | {spec: f"-p {spec}" for spec in specs}
    return [_examined(candidate, plugins, known, blocks) for candidate in subjects]


def _is_meant(candidate: Candidate, name: str, target: str) -> bool:
    distribution = candidate.origin.distribution
    is_its = distribution != DISTRIBUTION and normalised(distribution) == normalised(name)
    return is_its or candidate.target == target or name in candidate.names


def _examined(
    candidate: Candidate, plugins: Plugins, known: Sequence[Candidate], blocks: Mapping[str, str]
) -> Examination:
    origin, faults = candidate.origin, list[str]()
    loaded = next((plugin for plugin in plugins.loaded if plugin.origin == origin), None)
    failed = any(failure.origin == origin for failure in plugins.failures)
    left_out = "" if loaded or failed else _left_out(candidate, known, blocks)
    if loaded is None:
        try:
            loaded = plugins.take(candidate)
        except AdoptionError as error:
            faults.append(_told(candidate, error))
    if loaded is not None:
        faults += _unusable(loaded, plugins)
    if origin.distribution:
        faults += unmet(origin.distribution)
    if left_out:
        faults.append(left_out)
    if loaded is None:
        return Examination(origin, tuple(faults))
    try:
        time = import_time(candidate)
    except PluginError as error:
        time = None
        faults.append(f"import: {error}")
    return Examination(origin, tuple(faults), loaded.file, loaded.offers, plugins.events(loaded), time)


def _left_out(candidate: Candidate, known: Sequence[Candidate], blocks: Mapping[str, str]) -> str:
    for spec, source in blocks.items():
        if spec.removeprefix("no:") in candidate.names and spec.startswith("no:"):
            return f"left out by {spec!r} in {source}" if source.endswith(".toml") else f"left out by '{source}'"
    first = next(other for other in known if other.target == candidate.target)
    if first.origin != candidate.origin:
        return f"left out: {candidate.target} is loaded as plugin {first.origin} already"
    return f"left out: {AUTOLOAD_OFF} is {os.environ.get(AUTOLOAD_OFF)!r}; `-p {candidate.origin.plugin}` loads it"


def _told(candidate: Candidate, error: AdoptionError) -> str:
    """Return in one line why a plugin could not be loaded; of what it raised, with the place inside the plugin."""
    raised = error.__cause__
    if raised is None or isinstance(raised, PluginError):
        return str(error)
    if error.stage == "import" and (misnamed := _misnamed(candidate, raised)):
        return misnamed
    place = deepest(raised, _root(candidate))
    return f"{error.stage}: {headline(raised)} ({place.file}:{place.line})" if place else str(error)


def _root(candidate: Candidate) -> str:
    """Return the plugin's file, or the folder of its package; without importing it."""
    if candidate.is_file:
        return candidate.target
    try:
        spec = importlib.util.find_spec(candidate.target.partition(":")[0].partition(".")[0])
    except (ImportError, ValueError):
        return ""
    if spec is None:
        return ""
    return next(iter(spec.submodule_search_locations or ()), spec.origin or "")


def _misnamed(candidate: Candidate, raised: BaseException) -> str:
    """Return what is wrong with an entry point that names a module or an attribute which is not there."""
    if not candidate.origin.distribution:
        return ""
    module, _, attribute = candidate.target.partition(":")
    point = f"entry point {candidate.origin.plugin} = {candidate.target!r}"
    if isinstance(raised, ModuleNotFoundError) and f"{module}.".startswith(f"{raised.name}."):
        return f"{point}: no module {raised.name!r}{suggestion(module, _modules(candidate.origin.distribution))}"
    if isinstance(raised, AttributeError) and attribute and module in sys.modules:
        near = suggestion(attribute, [name for name in vars(sys.modules[module]) if not name.startswith("_")])
        return f"{point}: the module has no {attribute!r}{near}"
    return ""


def _modules(distribution: str) -> set[str]:
    """Return the names of the modules at the top of an installed distribution."""
    try:
        files = importlib.metadata.files(distribution) or []
    except Exception:  # metadata are damaged
        return set()
    tops = {file.parts[0].removesuffix(".py") for file in files if file.suffix == ".py"}
    return {top for top in tops if top.isidentifier()}


def _unusable(loaded: LoadedPlugin, plugins: Plugins) -> Iterator[str]:
    """Yield what is wrong with components that are imported on first use."""
    for kind, names in loaded.offers.items():
        for name in names:
            try:
                with stage(kind, loaded.origin.file):
                    plugins.registry.get(kind, name).load()
            except AdoptionError as error:
                raised = error.__cause__
                yield str(raised) if isinstance(raised, ComponentError) else str(error)
