"""Keeps torch's compiler out of processes that do not compile with it.

A `torch.optim` class imports `torch._dynamo`, which takes two seconds, only to tell it to stay away: where it takes
parameters, and in each step.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, wraps
from types import ModuleType
from typing import Any

import torch

NAME = "torch._dynamo"

_LOCK = threading.RLock()


class _StandIn(ModuleType):
    """Does what `torch.optim` asks of the compiler; whoever asks for more gets the real one."""

    def graph_break(self, *_: Any, **__: Any) -> None:
        """Do nothing: nothing is being compiled."""

    def disable(self, function: Any = None, *args: Any, **options: Any) -> Any:
        """Return a function that the compiler leaves alone, once there is one."""
        if function is None:
            return partial(self.disable, *args, **options)

        @wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            compiler = sys.modules.get(NAME)
            if compiler is None or isinstance(compiler, _StandIn):
                return function(*given, **named)
            return compiler.disable(function, *args, **options)(*given, **named)

        return call

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        _remove(self)
        return getattr(importlib.import_module(NAME), name)


@contextmanager
def without_torch_compiler() -> Iterator[None]:
    """Let a `torch.optim` class be constructed and step within a `with` block without importing torch's compiler."""
    if NAME in sys.modules:
        yield
        return
    with _LOCK:
        stand_in: Any = _StandIn(NAME)
        sys.modules[NAME] = torch._dynamo = stand_in
        try:
            yield
        finally:
            _remove(stand_in)


def _remove(stand_in: ModuleType) -> None:
    if sys.modules.get(NAME) is stand_in:
        del sys.modules[NAME]
        del torch._dynamo
