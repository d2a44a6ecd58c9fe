"""Checks that workers have the same plugins and versions as this process, and so compute the same results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Executor
from importlib.metadata import version

from playground.errors import ComponentError
from playground.plugins.manager import Plugins, load_plugins


def check_workers(executor: Executor, plugins: Plugins) -> None:
    """Refuse an executor with a worker whose software differs from this process.

    An executor with workers on other machines has a method `everywhere(function, *arguments)`. It calls the function on
    each worker, and returns a mapping from the worker's name to the result or the exception.

    :raises ComponentError: a fault for each worker that differs, with both versions.
    """
    everywhere = getattr(executor, "everywhere", None)
    if everywhere is None:
        return
    here = software_versions(plugins)
    answers = everywhere(load_software, json.dumps(plugins.recipe))
    faults = [
        f"worker {name}: {wrong}" for name, there in answers.items() if (wrong := _describe_difference(here, there))
    ]
    if faults:
        raise ComponentError(*faults)


def load_software(recipe: str) -> dict[str, str]:
    """Load the plugins of a recipe in a worker, and return the versions of its software."""
    return software_versions(load_plugins(**json.loads(recipe)))


def software_versions(plugins: Plugins) -> dict[str, str]:
    """Return the versions that determine results: of torch, and of each plugin with its digest."""
    loaded = {
        f"plugin {plugin.name}": f"{plugin.origin.version or 'a file'} ({plugin.digest[:12]})"
        for plugin in plugins.loaded
    }
    return {"torch": version("torch"), **loaded}


def _describe_difference(here: Mapping[str, str], there: Mapping[str, str] | BaseException) -> str:
    """Return in one line how a worker differs; empty if it does not."""
    if isinstance(there, BaseException):
        return f"{type(there).__name__}: {' '.join(str(there).split())}"
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    missing = "not there"
    return "; ".join(f"{name} is {there.get(name, missing)}, here {here.get(name, missing)}" for name in names)
