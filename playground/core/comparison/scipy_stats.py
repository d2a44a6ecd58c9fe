"""Imports scipy's statistics, which the extra `compare` installs."""

from __future__ import annotations

from typing import Any

from playground.errors import ComponentError


def import_stats() -> Any:
    """Return the module `scipy.stats`.

    :raises ComponentError: if scipy is not installed; the message says how to install it.
    """
    try:
        from scipy import stats
    except ImportError as error:
        message = "comparing optimizers needs scipy; install it: pip install 'gradient-playground[compare]'"
        raise ComponentError(message) from error
    return stats
