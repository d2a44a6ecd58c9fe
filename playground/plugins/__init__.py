"""What can be plugged in, what is plugged in, and how it is called. No torch, and nothing of the mathematics.

`hookspecs` is the catalogue of hooks, `manager` loads plugins, `registry` holds what they offer, and `signature` reads
a factory's parameters, validates what a scenario gives them and builds the component.
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
