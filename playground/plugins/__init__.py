"""Finds, loads and calls plugins. Imports neither torch nor the core.

`hookspecs` is the catalogue of hooks, `manager` loads plugins, `registry` holds their components, and `signature` reads
a factory's parameters, validates a scenario's values for them and builds the component.
"""

from playground.plugins.hookspecs import Factory, hookimpl
from playground.plugins.manager import LoadedPlugin, LoadFailure, Plugins, load_plugins
from playground.plugins.registry import KINDS, Component, Origin, Registry

__all__ = [
    "KINDS",
    "Component",
    "Factory",
    "LoadFailure",
    "LoadedPlugin",
    "Origin",
    "Plugins",
    "Registry",
    "hookimpl",
    "load_plugins",
]
