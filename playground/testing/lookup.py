"""A component by the name that scenarios use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from playground.plugins.manager import Plugins, load_plugins
from playground.plugins.signature import build


def build_registered(
    kind: str, name: str, parameters: Mapping[str, Any] | None = None, supplied: Mapping[str, Any] | None = None
) -> Any:
    """Build a component as a scenario would, from the plugins that are installed here.

    :param kind: `"optimizer"`, `"loss"`, ...
    :param parameters: what the scenario would say.
    :param supplied: what the framework would supply to a factory of this kind.
    :raises ComponentError: no plugin that is installed here offers it, or a parameter does not fit.
    """
    return build(_plugins().registry.get(kind, name), parameters or {}, supplied)


@lru_cache(maxsize=1)
def _plugins() -> Plugins:
    return load_plugins()
