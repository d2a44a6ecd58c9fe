"""Registers one plugin with pluggy, checks its hooks and collects their results: all or nothing.

Each plugin has its own `pluggy.PluginManager`. A shared manager would leave a plugin half registered if its second hook
is wrong, ignore misspelt hooks, and lose the results of all plugins if one hook raises. The manager of a plugin that
fails is dropped, and nothing else refers to the plugin.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pluggy

from playground.errors import PluginError, suggest_names
from playground.plugins.causes import ISOLATED_EXCEPTIONS, describe_exception, exception_message
from playground.plugins.hookspecs import ARGUMENTS, COMPONENT_HOOKS, PROJECT, Hooks
from playground.plugins.registry import Component, Origin
from playground.suggestions import find_closest

_NAME: Final = re.compile(r"[a-z][\w.-]*", re.ASCII)
_REFERENCE: Final = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")
_EXPECTED: Final = "expected a mapping of names to factories, such as {'lion': Lion}"


class AdoptionError(Exception):
    """A plugin cannot be registered.

    :param stage: `import`, `registration` or the name of a hook.
    :param cause: one line.
    """

    def __init__(self, stage: str, cause: str) -> None:
        super().__init__(f"{stage}: {cause}")
        self.stage = stage
        self.cause = cause


@contextlib.contextmanager
def stage(name: str, file: str = "") -> Iterator[None]:
    """Run a plugin's code: turn its exceptions into `AdoptionError`, send its output to standard error.

    :param name: the stage.
    :param file: the plugin's file; the message gives the line in it.
    :raises AdoptionError: the code raised anything but Ctrl-C.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except AdoptionError:
        raise
    except PluginError as error:
        raise AdoptionError(name, exception_message(error)) from error
    except ISOLATED_EXCEPTIONS as error:
        raise AdoptionError(name, describe_exception(error, file)) from error


def register(plugin: Any, origin: Origin) -> pluggy.PluginManager:
    """Return a manager with only this plugin; checks its hooks.

    :raises AdoptionError: a hook is unknown, has an unknown argument or is not marked; or there are no hooks.
    """
    manager = pluggy.PluginManager(PROJECT)
    with stage("registration", origin.file):
        # The hookspecs are added below. Without them pluggy only collects, and the checks here give the reasons.
        manager.register(plugin, origin.plugin)
        found = {caller.name: caller.get_hookimpls() for caller in manager.get_hookcallers(plugin) or ()}
        unmarked = [hook for hook in ARGUMENTS if hook not in found and callable(getattr(plugin, hook, None))]
    for hook, implementations in found.items():
        with stage(hook, origin.file):
            for implementation in implementations:
                _check(hook, implementation)
    if unmarked:
        raise AdoptionError(unmarked[0], "is not marked with @hookimpl")
    if not found:
        raise AdoptionError(*_explain_no_hooks(plugin))
    with stage("registration", origin.file):
        manager.add_hookspecs(Hooks)
    return manager


def collect(manager: pluggy.PluginManager, origin: Origin) -> list[Component]:
    """Call every component hook of a registered plugin and return its components, by kind and name.

    :raises AdoptionError: a hook raised, or returned something other than a mapping of names to factories.
    """
    components: list[Component] = []
    for hook, kind in COMPONENT_HOOKS.items():
        caller: pluggy.HookCaller = getattr(manager.hook, hook)
        with stage(hook, origin.file):
            results = caller() if caller.get_hookimpls() else []
            if len(results) < len(caller.get_hookimpls()):  # pluggy leaves None out
                raise PluginError(f"returned None; {_EXPECTED}")
            for result in results:
                components += _components(kind, result, origin)
    return sorted(components, key=lambda component: (component.kind, component.name))


def offered_names(components: list[Component]) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the components, by kind, in the order of the hooks."""
    kinds = [kind for kind in COMPONENT_HOOKS.values() if any(component.kind == kind for component in components)]
    return {kind: tuple(component.name for component in components if component.kind == kind) for kind in kinds}


def _explain_no_hooks(plugin: Any) -> tuple[str, str]:
    """Return stage and cause for a plugin without marked functions; a function's name may be a misspelt hook."""
    for name in vars(plugin) if hasattr(plugin, "__dict__") else ():
        if name.startswith(f"{PROJECT}_") and (near := find_closest(name, ARGUMENTS)):
            return name, f"unknown hook; did you mean {near[0]!r}? It is also not marked with @hookimpl"
    return "registration", "offers nothing: no function is marked with playground's @hookimpl"


def _check(hook: str, implementation: pluggy.HookImpl) -> None:
    if hook not in ARGUMENTS:
        if not implementation.optionalhook:
            raise PluginError(f"unknown hook{suggest_names(hook, ARGUMENTS)}")
        return
    if implementation.wrapper or implementation.hookwrapper:
        raise PluginError("hook wrappers are not supported: each plugin is called on its own")
    for name in implementation.argnames:
        if name not in ARGUMENTS[hook]:
            takes = ", ".join(ARGUMENTS[hook]) or "no argument"
            raise PluginError(f"unknown argument {name!r}: the hook takes {takes}")


def _components(kind: str, result: Any, origin: Origin) -> Iterator[Component]:
    if not isinstance(result, Mapping):
        raise PluginError(f"returned a {type(result).__name__}; {_EXPECTED}")
    for name, factory in result.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise PluginError(
                f"{name!r} is not a name: expected a lower-case letter, then letters, digits, '_', '.' or '-'"
            )
        if isinstance(factory, str):
            if not _REFERENCE.fullmatch(factory):
                raise PluginError(f"{kind} {name!r}: expected 'package.module:attribute', got {factory!r}")
        elif not callable(factory):
            raise PluginError(
                f"{kind} {name!r}: expected a class, a function or 'package.module:attribute', "
                f"got a {type(factory).__name__}"
            )
        yield Component(kind, name, factory, origin)
