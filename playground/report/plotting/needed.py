"""Checks that the optional packages for plotting are installed."""

from __future__ import annotations

from importlib import import_module

from playground.errors import PlaygroundError


def require() -> None:
    """Check for the plotting packages before anything is computed.

    :raises PlaygroundError: matplotlib or Pillow is not installed.
    """
    for name in ("matplotlib", "PIL"):
        try:
            import_module(name)
        except ImportError as error:
            message = "plotting needs matplotlib; install it: pip install 'gradient-playground[plot]'"
            raise PlaygroundError(message) from error
