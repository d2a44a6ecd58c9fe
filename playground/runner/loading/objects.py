"""Objects in hand: registers what a call was given in place of names, for that call alone."""

from __future__ import annotations

import functools
import inspect
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from playground.errors import ComponentError, Fault, Place, PlaygroundError, ScenarioError
from playground.plugins.fingerprint import CannotFingerprintError, fingerprint
from playground.plugins.manager import Plugins
from playground.plugins.registry import Component, Origin
from playground.plugins.use import ParameterizedObject
from playground.runner.loading.adapting import adapt, decompose
from playground.scenario.plain import is_plain, to_plain
from playground.scenario.shorthand import COMPONENT_KINDS

KINDS: Final = ("task", *COMPONENT_KINDS)
"""The keys of a scenario that take objects."""

ORIGIN: Final = "objects in hand"
"""What stands in place of a plugin's name for such components."""


class ObjectScope:
    """The objects in hand of one call, as components beside those of the plugins.

    :param plugins: the loaded plugins, which are not changed.
    :param start: the scenario's start, which names the variables of a function.
    :param keeps: results are kept in a store, so an object without a fingerprint is refused.
    """

    def __init__(self, plugins: Plugins, start: Any = None, keeps: bool = False) -> None:
        self._plugins = plugins
        self._start = start
        self._keeps = keeps
        self._components: dict[tuple[Any, ...], Component] = {}
        self._alive: list[Any] = []  # the keys above contain ids

    @property
    def plugins(self) -> Plugins:
        """The plugins with the objects that were named so far."""
        return self._plugins.extend(tuple(self._components.values())) if self._components else self._plugins

    def write(self, key: str, value: Any) -> Any:
        """Return the value of a scenario's key as plain data; an object is registered and named.

        :raises PlaygroundError: the object does not fit the key, or YAML cannot express the value.
        """
        return self._refer(key, value) if key in KINDS else to_plain(value)

    def write_axis(self, key: str, values: Any) -> Any:
        """Return the values of a swept key as plain data; each may be an object.

        :raises PlaygroundError: as for `write`.
        """
        if key not in COMPONENT_KINDS:
            kind, _, parameter = key.partition(".")
            remedy = f"; sweep over {kind!r} with use(..., {parameter}=...)" if kind in COMPONENT_KINDS else ""
            return to_plain(values, remedy)
        if isinstance(values, Mapping) and "values" in values:
            return {**values, "values": self._write_entries(key, values["values"])}
        return self._write_entries(key, values)

    def _write_entries(self, kind: str, values: Any) -> Any:
        if callable(values) or isinstance(values, ParameterizedObject):
            raise ComponentError(f"expected a list of the values of {kind!r}, got one object; put it into brackets")
        return [self._write_entry(kind, each) for each in values] if isinstance(values, list | tuple) else values

    def _write_entry(self, kind: str, value: Any) -> Any:
        """Return one value of an axis; what YAML would read as a grid of several values is wrapped in a list."""
        written = self._refer(kind, value)
        if isinstance(value, Mapping) or not isinstance(written, Mapping):
            return written
        return {key: [each] if isinstance(each, list | dict) else each for key, each in written.items()}

    def _refer(self, kind: str, value: Any) -> Any:
        """Return what a scenario has for a component: its name, with parameters if there are any."""
        given: dict[str, Any] = {}
        while (parts := decompose(value)) is not None:
            value, given = parts[0], {**parts[1], **given}
        plain = {key: each for key, each in given.items() if is_plain(each)}
        bound = {key: each for key, each in given.items() if key not in plain}
        if isinstance(value, str):
            if not bound:
                return to_plain({"name": value, **plain}) if plain else value
            value = self._plugins.registry.get(kind, value).load()
        elif is_plain(value) and (kind != "dataset" or not isinstance(value, list | tuple)):
            return to_plain(value)  # a number, or a mapping as in YAML: judged as there
        return to_plain({"name": self._name(kind, value, bound, plain), **plain})

    def _name(self, kind: str, value: Any, bound: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
        """Return the name of an object's component, which is registered if it is not known."""
        parts = value if isinstance(value, tuple | list) else (value,)  # a pair of the same tensors is the same data
        key = (kind, *map(id, parts), *((name, id(each)) for name, each in sorted(bound.items())))
        if key in self._components:
            return self._components[key].name
        self._alive += [value, bound]
        adapted = adapt(kind, value, {*bound, *plain}, self._start)
        if not bound and self._is_registered(kind, adapted.name, value):
            return adapted.name
        factory = functools.partial(adapted.factory, **bound) if bound else adapted.factory
        name = self._choose_name(kind, adapted.name, value, bound)
        digest = self.identify(name, factory)
        origin = Origin(ORIGIN, file=_file_of(value))
        self._components[key] = Component(kind, name, factory, origin, adapted.leading, digest)
        return name

    def _is_registered(self, kind: str, name: str, value: Any) -> bool:
        """Tell whether a plugin has registered this very object under its name; other processes then have it too."""
        try:
            return name in self._plugins.names(kind) and self._plugins.registry.get(kind, name).load() is value
        except ComponentError:  # the plugin's component cannot be imported
            return False

    def _choose_name(self, kind: str, name: str, value: Any, bound: Mapping[str, Any]) -> str:
        """Return a name that no other component of this kind has: the object's own if possible."""
        taken = {*self._plugins.names(kind), *(each.name for each in self._components.values() if each.kind == kind)}
        words = [each.__name__ for each in bound.values() if hasattr(each, "__name__")]
        own = "-".join(_to_word(each) for each in (name, *words))
        module = getattr(value, "__module__", None)
        candidates = [own, *([f"{_to_word(module)}.{own}"] if isinstance(module, str) else [])]
        candidates += [f"{own}-{number}" for number in range(2, len(taken) + 3)]
        return next(each for each in candidates if each not in taken)

    def identify(self, name: str, factory: Any) -> str:
        """Return the hash of a component by its factory; for one that has none, a text that occurs once.

        :raises ComponentError: it has none, and results are to be kept by it.
        """
        try:
            return fingerprint(factory)
        except CannotFingerprintError as error:
            if not self._keeps:
                return uuid.uuid4().hex
            what = f"results of {name!r} cannot be kept in the store: {error}"
            raise ComponentError(f"{what}; give store=False to keep none") from None


@contextmanager
def locate_call(place: str) -> Iterator[None]:
    """Give every error raised inside a place, such as `run(): optimizer`.

    :raises ScenarioError: something was wrong inside.
    """
    try:
        yield
    except PlaygroundError as error:
        where = Place(place)
        raise ScenarioError(*(Fault(each.message, place=each.place or where) for each in error.faults)) from None


def _to_word(text: str) -> str:
    return re.sub(r"[^\w.]+", "_", text).strip("_") or "object"


def _file_of(value: Any) -> str:
    """Return the file of a function or class; empty if it is not known."""
    defined = value if isinstance(value, type) or inspect.isroutine(value) else type(value)
    try:
        return inspect.getsourcefile(defined) or ""
    except (OSError, TypeError):
        return ""
