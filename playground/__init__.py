"""A gradient-descent playground for PyTorch: write what should go downhill in YAML, run it, see every number.

::

    from playground import run

    run("scenarios/bowl.yaml").loss.last
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playground.api import load_scenario, plot, run, sweep
    from playground.plugins.hookspecs import hookimpl

__all__ = ["hookimpl", "load_scenario", "plot", "run", "sweep"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: a plugin that only needs `hookimpl` should not wait for torch."""
    if name == "hookimpl":
        from playground.plugins.hookspecs import hookimpl

        return hookimpl
    if name in __all__:
        from playground import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what can be imported."""
    return sorted(__all__)
