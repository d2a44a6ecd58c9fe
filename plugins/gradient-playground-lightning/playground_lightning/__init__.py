"""A callback for Lightning that watches training and diagnoses mistakes. Lightning is imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playground_lightning.callback import WatchCallback
    from playground_lightning.diagnosed import DiagnosedTrainingError, format_diagnoses

_MODULES: Final = {
    "DiagnosedTrainingError": "playground_lightning.diagnosed",
    "WatchCallback": "playground_lightning.callback",
    "format_diagnoses": "playground_lightning.diagnosed",
}

__all__ = ["DiagnosedTrainingError", "WatchCallback", "format_diagnoses"]


def __getattr__(name: str) -> Any:
    """Import a name on first use, so that code that catches the error does not import Lightning."""
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
