"""The registry of all components that a scenario can name, each with its plugin."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from playground.errors import ComponentError, PluginError, suggest_names, unknown_component
from playground.plugins.causes import ISOLATED_EXCEPTIONS, describe_exception
from playground.plugins.docstring import docstring_summary, own_docstring
from playground.plugins.hookspecs import COMPONENT_HOOKS, Factory

KINDS: Final = tuple(COMPONENT_HOOKS.values())
"""Kinds of components, in the order of the hooks."""


@dataclass(frozen=True)
class Origin:
    """Where a component comes from.

    :param plugin: the plugin's name.
    :param distribution: the distribution that contains the plugin; empty for a single file or a plain module.
    :param version: the distribution's version.
    :param file: the file, for a single-file plugin.
    """

    plugin: str
    distribution: str = ""
    version: str = ""
    file: str = ""

    def __str__(self) -> str:
        """`muon (gradient-playground-muon 1.0)`."""
        source = f"{self.distribution} {self.version}".strip() or self.file
        return f"{self.plugin} ({source})" if source else self.plugin


@dataclass(frozen=True, eq=False)
class Component:
    """One entry of the registry; compared by identity.

    :param factory: makes the component, or `"package.module:attribute"` as a reference to it.
    :param leading: the framework supplies this many parameters, the first ones, whatever they are called; None: those
        that have the names in `parameters.INJECTED_PARAMETERS`.
    :param digest: for an object in hand, a hash of its code and of all values that it uses; empty for a component of a
        plugin, whose source `sources.source_digest` reads.
    """

    kind: str
    name: str
    factory: Factory
    origin: Origin
    leading: int | None = None
    digest: str = ""

    def __str__(self) -> str:
        """`optimizer 'adam'`."""
        return f"{self.kind} {self.name!r}"

    def load(self) -> Callable[..., Any]:
        """Return the factory; import it if necessary.

        :raises ComponentError: it cannot be imported, or is not callable.
        """
        if not isinstance(self.factory, str):
            return self.factory
        try:
            factory = import_reference(self.factory)
        except ISOLATED_EXCEPTIONS as error:
            raise ComponentError(
                f"{self} of plugin {self.origin}: cannot import {self.factory!r}: {describe_exception(error)}"
            ) from error
        if not callable(factory):
            raise ComponentError(
                f"{self} of plugin {self.origin}: {self.factory!r} is a {type(factory).__name__}, not callable"
            )
        return cast("Callable[..., Any]", factory)

    def summary(self) -> str:
        """Return the first paragraph of the factory's own docstring on one line; empty if there is none.

        :raises ComponentError: the factory cannot be imported.
        """
        return docstring_summary(own_docstring(self.load()))


class Registry:
    """Components by kind and name."""

    def __init__(self) -> None:
        self._components: dict[tuple[str, str], Component] = {}

    def add(self, *components: Component) -> None:
        """Add all of these components, or none of them.

        :raises PluginError: a name is taken, in the registry or among `components`.
        """
        merged = dict(self._components)
        for component in components:
            taken = merged.setdefault((component.kind, component.name), component)
            if taken is not component:
                raise PluginError(f"{component} of plugin {component.origin} is already taken by plugin {taken.origin}")
        self._components = merged

    def extend(self, *components: Component) -> Registry:
        """Return a registry with these components and more; this one is not changed.

        :raises PluginError: a name is taken, in the registry or among `components`.
        """
        extended = Registry()
        extended.add(*self._components.values(), *components)
        return extended

    def get(self, kind: str, name: str) -> Component:
        """Return the component of that kind and name.

        :raises ComponentError: there is no such component.
        """
        if kind not in KINDS:
            raise ComponentError(f"unknown kind of component {kind!r}{suggest_names(kind, KINDS)}")
        try:
            return self._components[kind, name]
        except KeyError:
            raise ComponentError(unknown_component(kind, repr(name), self.names(kind))) from None

    def components(self, kind: str) -> tuple[Component, ...]:
        """Return the components of one kind, in the order in which they were added."""
        return tuple(component for (its_kind, _), component in self._components.items() if its_kind == kind)

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of one kind, sorted."""
        return tuple(sorted(name for its_kind, name in self._components if its_kind == kind))


def import_reference(reference: str) -> Any:
    """Import `"package.module"`, or the attribute of `"package.module:attribute"`.

    :raises ImportError: there is no such module.
    :raises AttributeError: the module has no such attribute. Exceptions of the module itself also pass through.
    """
    module, _, attributes = reference.partition(":")
    return functools.reduce(getattr, attributes.split(".") if attributes else (), importlib.import_module(module))
