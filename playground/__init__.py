"""A gradient-descent playground for PyTorch: describe an objective and an optimizer in YAML, inspect every number.

::

    from playground import run

    run("scenarios/bowl.yaml").loss.last
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playground.api import compare, load_scenario, plot, run, sweep
    from playground.in_hand import check_derivatives, explain
    from playground.plugins.hookspecs import hookimpl
    from playground.plugins.use import use
    from playground.runner.sweeping.sweep import SweepOptions
    from playground.watching import watch

_MODULES: Final = {
    "SweepOptions": "playground.runner.sweeping.sweep",
    "check_derivatives": "playground.in_hand",
    "compare": "playground.api",
    "explain": "playground.in_hand",
    "hookimpl": "playground.plugins.hookspecs",
    "load_scenario": "playground.api",
    "plot": "playground.api",
    "run": "playground.api",
    "sweep": "playground.api",
    "use": "playground.plugins.use",
    "watch": "playground.watching",
}

__all__ = [
    "SweepOptions",
    "check_derivatives",
    "compare",
    "explain",
    "hookimpl",
    "load_scenario",
    "plot",
    "run",
    "sweep",
    "use",
    "watch",
]


def __getattr__(name: str) -> Any:
    """Import a name on first use, so that a plugin that needs only `hookimpl` does not import torch."""
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what can be imported."""
    return sorted(__all__)
