"""Describes where a component is defined: `Net.forward (mine.py, line 12)`."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any, Final

from torch import nn

STANDS_FOR: Final = "__playground_object__"
"""The attribute of a wrapper with the object that messages name in its place."""

_OWN_PACKAGES: Final = ("torch", "playground")
"""Modules whose source lines do not help the author of a plugin."""


def describe(thing: Any) -> str:
    """Return the name of a component, with the file and line of its code if it belongs to a plugin.

    :param thing: a function, class, `functools.partial`, module or other callable; for a module, its `forward`.
    :returns: `"Net.forward (mine.py, line 12)"`, or the name alone if torch or playground defines it.
    """
    code = _component_code(thing)
    name = getattr(code, "__qualname__", type(code).__qualname__).rpartition("<locals>.")[2]
    place = _source_place(code) if is_foreign(thing) else ""
    return f"{name} ({place})" if place else name


def is_foreign(thing: Any) -> bool:
    """Tell whether a component is defined outside torch and playground."""
    module = getattr(_component_code(thing), "__module__", None) or ""
    return not any(module == known or module.startswith(f"{known}.") for known in _OWN_PACKAGES)


def _component_code(thing: Any) -> Any:
    """Return the function or class that defines a component."""
    while isinstance(thing, functools.partial) or hasattr(type(thing), STANDS_FOR):
        thing = thing.func if isinstance(thing, functools.partial) else getattr(thing, STANDS_FOR)
    if isinstance(thing, type) or inspect.isroutine(thing):
        return thing
    method = getattr(type(thing), "forward" if isinstance(thing, nn.Module) else "__call__", None)
    return method if inspect.isfunction(method) and method.__module__ == type(thing).__module__ else type(thing)


def _source_place(thing: Any) -> str:
    """Return the file and line of a function or class; empty if its source is unknown."""
    code = getattr(inspect.unwrap(thing), "__code__", None)
    if code is not None:
        return f"{Path(code.co_filename).name}, line {code.co_firstlineno}"
    try:
        file, (_, line) = inspect.getsourcefile(thing), inspect.getsourcelines(thing)
    except (OSError, TypeError):  # built in C, or its source is gone
        return ""
    return f"{Path(file).name}, line {line}" if file else ""
