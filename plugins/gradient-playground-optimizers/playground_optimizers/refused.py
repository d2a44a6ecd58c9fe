"""Stand-ins for optimizers that cannot run here; each raises a one-line error with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from playground.plugin_api import ComponentError
from playground_optimizers.collection import OBSTACLES


def __getattr__(name: str) -> Callable[..., NoReturn]:
    """Return a factory that raises the reason why a class cannot run here."""
    if name not in OBSTACLES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    reason = f"optimizer 'collection.{name.lower()}' cannot run here: it {OBSTACLES[name]}"

    def refuse(**options: object) -> NoReturn:
        raise ComponentError(reason)

    refuse.__doc__ = f"Cannot run here: it {OBSTACLES[name]}."
    return refuse
