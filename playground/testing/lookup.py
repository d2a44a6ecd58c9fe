"""Builds a component by its name in scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from playground.plugins.manager import Plugins, load_plugins
from playground.plugins.signature import build


def build_registered(
    kind: str, name: str, parameters: Mapping[str, Any] | None = None, supplied: Mapping[str, Any] | None = None
) -> Any:
    """Build a component as a scenario would, from the installed plugins.

    :param kind: `"optimizer"`, `"loss"`, ...
    :param parameters: the parameters that the scenario would set.
    :param supplied: what the framework would supply to a factory of this kind.
    :raises ComponentError: no installed plugin has the component, or a parameter is not valid.
    """
    return build(_plugins().registry.get(kind, name), parameters or {}, supplied)


@lru_cache(maxsize=1)
def _plugins() -> Plugins:
    return load_plugins()
