"""A scenario from what a function of Python was given: a file, keys, changes, axes; values may be objects in hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

from playground.errors import Fault, Place, ScenarioError
from playground.figures.text import make_printable
from playground.plugins.manager import Plugins
from playground.runner.loading.catalogue import ComponentCatalogue
from playground.runner.loading.objects import ObjectScope, locate_call
from playground.runner.loading.overrides import override_seed_and_steps
from playground.scenario.grid import with_axes
from playground.scenario.model import Loaded, parse_scenario
from playground.scenario.node import YamlEntry, YamlNode
from playground.scenario.plain import to_plain
from playground.scenario.source import SourceText, argument, load_source


@dataclass(frozen=True)
class LoadedCall:
    """A scenario with the plugins that know its objects.

    :param loaded: the scenario.
    :param plugins: those that were loaded, with the call's objects as more components.
    """

    loaded: Loaded
    plugins: Plugins


@dataclass(frozen=True, kw_only=True)
class ScenarioCall:
    """What a function was given.

    :param name: what messages call the function, such as `run()`.
    :param path: a file, or a loaded scenario; None if the keys are the scenario.
    :param keys: keys of the scenario; they replace those of the file.
    :param changes: new values by dotted key, as `--set` gives them.
    :param over: values by swept key.
    :param seeds: how many seeds each point is run with.
    """

    name: str
    path: str | Path | Loaded | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    over: Mapping[str, Any] = field(default_factory=dict)
    seeds: int | None = None

    def load(self, plugins: Plugins, keeps: bool = False) -> LoadedCall:
        """Return the scenario, valid by itself; names and parameters are checked before it runs.

        :param keeps: results are kept in a store, so an object without a fingerprint is refused.
        :raises ScenarioError: it is not valid; contains every fault with its place.
        """
        for what, given in (("changes", self.changes), ("over", self.over)):
            if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
                raise self._refuse(f"{what}: expected a mapping from dotted keys, such as {{'optimizer.lr': ...}}")
        source = self._read_file()
        scope = self._make_scope(plugins, source, keeps)
        limits = {} if source is None else {key: self.keys[key] for key in ("seed", "steps") if key in self.keys}
        entries = {key: self._write_key(key, value, scope) for key, value in self.keys.items() if key not in limits}
        if source is None:
            source = self._make_source(entries)
            entries = {}
        entries |= {key: self._write_change(key, value, scope) for key, value in self.changes.items()}
        over = self._write_axes(scope)
        known = ComponentCatalogue(scope.plugins).known_parameters
        for key, entry in entries.items():
            source = source.assign(key, entry, known)
        loaded = Loaded(parse_scenario(source), source)
        loaded = override_seed_and_steps(loaded, limits.get("seed"), limits.get("steps"), scope.plugins)
        if over or self.seeds is not None:
            loaded = with_axes(loaded, over, self.seeds, f"{self.name}: ")
        return LoadedCall(replace(loaded, in_hand=scope.plugins.in_hand), scope.plugins)

    def _make_scope(self, plugins: Plugins, source: SourceText | None, keeps: bool) -> ObjectScope:
        """Return a scope that knows the objects of a loaded scenario."""
        with locate_call(f"{self.name}: start"):
            start = to_plain(self.keys["start"]) if "start" in self.keys else source and source.data.get("start")
        if not isinstance(self.path, Loaded):
            return ObjectScope(plugins, start, keeps)
        scope = ObjectScope(plugins.extend(self.path.in_hand), start, keeps)
        for component in self.path.in_hand:
            with locate_call(f"{self.name}: {component.kind}"):
                scope.identify(component.name, component.factory)
        return scope

    def _read_file(self) -> SourceText | None:
        """Return the scenario that the keys change; None if the keys are the scenario."""
        if self.path is None and "task" not in self.keys:
            raise self._refuse("expected the file of a scenario, or the keys of one, at least task=")
        if self.path is None:
            return None
        if "task" in self.keys:
            raise self._refuse("expected a file or task=, got both; a file has its own task")
        if not isinstance(self.path, str | PathLike | Loaded):
            raise self._refuse(f"expected the path of a file, got {type(self.path).__name__}")
        return self.path.source if isinstance(self.path, Loaded) else load_source(self.path)

    def _refuse(self, message: str) -> ScenarioError:
        return ScenarioError(Fault(message, place=Place(self.name)))

    def _make_source(self, entries: Mapping[str, YamlEntry]) -> SourceText:
        """Return a scenario of these keys; unless it has a name, it is called by its task and by what is trained."""
        place = Place(self.name)
        words = [_component_name(entries[key].value) for key in ("task", "model", "function") if key in entries]
        name = {"name": YamlEntry(place, YamlNode(place, " ".join(filter(None, words)) or self.name))}
        return SourceText(self.name, YamlNode(place, {**name, **entries}))

    def _write_key(self, key: str, value: Any, scope: ObjectScope) -> YamlEntry:
        where = f"{self.name}: {key}"
        with locate_call(where):
            return YamlEntry(Place(self.name), YamlNode.of(scope.write(key, value), Place(where)))

    def _write_change(self, key: str, value: Any, scope: ObjectScope) -> YamlEntry:
        with locate_call(key):
            written = scope.write(key, value)
        place = argument(f"--set {key}={json.dumps(written, ensure_ascii=False)}")
        return YamlEntry(place, YamlNode.of(written, place))

    def _write_axes(self, scope: ObjectScope) -> dict[str, Any]:
        written = {}
        for key, values in self.over.items():
            with locate_call(f"{self.name}: over {key}"):
                written[key] = scope.write_axis(key, values)
        return written


def _component_name(written: YamlNode) -> str:
    """Return the name of a component, or its formula; empty if it has none."""
    name = written.child("name") or written
    return make_printable(name.value) if isinstance(name.value, str) else ""
