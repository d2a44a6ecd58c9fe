"""What plotting needs besides the core."""

from __future__ import annotations

from importlib import import_module

from playground.errors import PlaygroundError


def require() -> None:
    """Find out whether there is what draws, before anything is computed.

    :raises PlaygroundError: matplotlib or Pillow is not installed.
    """
    for name in ("matplotlib", "PIL"):
        try:
            import_module(name)
        except ImportError as error:
            message = "plotting needs matplotlib; install it: pip install 'gradient-playground[plot]'"
            raise PlaygroundError(message) from error
