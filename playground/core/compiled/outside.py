"""Finds what an optimizer changes outside itself: global variables, enclosed ones, streams of random numbers.

None of it belongs to a run, so nobody could restore it for the next one. An optimizer that changes it while a step is
recorded is not compiled.
"""

from __future__ import annotations

import random
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.memory import find_leaves
from playground.core.compiled.number import is_number

OWN_PACKAGES = ("torch", "playground", "numpy")
"""Packages whose functions keep nothing between steps that a run depends on."""


class OutsideState:
    """What some objects could change outside themselves, as it is now.

    :param objects: the optimizer, and whatever else its code is in.
    """

    def __init__(self, objects: Iterable[Any]) -> None:
        self._functions = list(_functions(objects))
        self._before = self._describe()
        self._streams = _random_streams()

    def require_unchanged(self) -> None:
        """Check that nothing has changed.

        :raises CannotCompileError: something has.
        """
        if _random_streams() != self._streams:
            raise CannotCompileError("draws random numbers (of Python or numpy)")
        after = self._describe()
        for name, value in self._before.items():
            if after.get(name) != value:
                raise CannotCompileError(f"the optimizer changes {name!r}, which is outside of it")

    def _describe(self) -> dict[str, Any]:
        """Return a description of each variable that the functions can reach."""
        found: dict[str, Any] = {}
        for function in self._functions:
            for name in function.__code__.co_names:
                if name in function.__globals__ and _is_data(value := function.__globals__[name]):
                    found[name] = _summary(value)
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
                try:
                    if _is_data(value := cell.cell_contents):
                        found[name] = _summary(value)
                except ValueError:  # a cell without a value yet
                    continue
        return found


def _functions(objects: Iterable[Any]) -> Iterator[types.FunctionType]:
    """Yield the functions of the objects' classes, and the functions in their attributes."""
    for each in objects:
        kinds = [vars(kind).values() for kind in type(each).__mro__ if not _is_ours(kind.__module__)]
        for value in (value for values in (*kinds, getattr(each, "__dict__", {}).values()) for value in values):
            function = getattr(value, "__wrapped__", getattr(value, "__func__", value))
            if isinstance(function, types.FunctionType) and not _is_ours(function.__module__):
                yield function


def _is_ours(module: Any) -> bool:
    return str(module).split(".")[0] in OWN_PACKAGES


def _is_data(value: Any) -> bool:
    """Tell whether a variable holds numbers, or something that may; modules, classes and functions do not."""
    return is_number(value) or isinstance(value, list | dict | set | tuple) or hasattr(value, "__next__")


def _summary(value: Any) -> Any:
    """Return what can be compared later: numbers as they are, tensors by their identity."""
    if hasattr(value, "__next__"):
        return repr(value)
    leaves = find_leaves([value], ())
    return [(leaf.path, repr(leaf.value) if is_number(leaf.value) else id(leaf.value)) for leaf in leaves]


def _random_streams() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state(legacy=True)
    return random.getstate(), name, keys.tobytes() if isinstance(keys, np.ndarray) else keys, *rest
